"""The one gate: each reason for which somebody may no longer act, alone (req 23, 44; design rule D1)."""

from dataclasses import replace
from typing import Any

import pytest

from idp.accounts.principal import Standing, principal_may_act, refusal_reason

PERSON = Standing("active", 3, 3, 1, 1)
MEMBER = replace(
    PERSON,
    membership_status="active",
    membership_epoch=2,
    issued_membership_epoch=2,
    organization_status="active",
)

REASONS: list[tuple[dict[str, Any], str]] = [
    ({"revoked": True}, "revoked"),
    ({"account_status": "blocked"}, "account blocked"),
    ({"account_status": "deleted"}, "account deleted"),
    ({"account_epoch": 4}, "account changed since"),
    ({"installation_epoch": 2}, "restored from backup since"),
    ({"membership_status": "blocked"}, "membership blocked"),
    ({"membership_status": None}, "membership gone"),
    ({"membership_epoch": 3}, "membership changed since"),
    ({"organization_status": "suspended"}, "organization suspended"),
    ({"second_factor_missing": True}, "organization demands a second factor"),
]


@pytest.mark.parametrize("standing", [PERSON, MEMBER], ids=["alone", "for an organisation"])
def test_who_is_in_good_standing_may_act(standing: Standing) -> None:
    """Nothing speaks against them."""
    assert refusal_reason(standing) is None
    assert principal_may_act(standing)


@pytest.mark.parametrize(("change", "reason"), REASONS, ids=[reason for _, reason in REASONS])
def test_each_reason_alone_is_enough(change: dict[str, Any], reason: str) -> None:
    """One thing wrong, and nothing is issued or answered any more."""
    standing = replace(MEMBER, **change)
    assert refusal_reason(standing) == reason
    assert not principal_may_act(standing)


def test_a_membership_matters_only_to_what_was_issued_for_it() -> None:
    """Who acts for nobody is not stopped by a membership of theirs."""
    assert principal_may_act(replace(PERSON, membership_status="blocked", membership_epoch=9))
