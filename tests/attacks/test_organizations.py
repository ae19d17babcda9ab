"""What belongs to another company or person answers like what does not exist (req 91)."""

import pytest
from sqlalchemy import select

from idp.authentication.models import Session
from idp.crypto import random_token
from idp.db import new_id
from tests.attacks.parties import parsed
from tests.attacks.scenes import FORMS, Stage

pytestmark = pytest.mark.enable_socket


def test_a_foreign_membership_changes_nothing(stage: Stage) -> None:
    """Memberships of others, organisations, accounts and made-up ids at the choice of a company (req 91)."""
    filled = FORMS["choose_organization.submit"](stage)
    foreign = [*(stage.membership[name] for name in ("anna", "clara", "emil")), stage.organization]
    with stage.live.services.database.reader.connect() as connection:
        sessions = connection.scalars(select(Session.id)).all()
    before = stage.live.rows()
    lengths: dict[int, list[str]] = {}
    for choice in (*foreign, *sessions, new_id(), random_token(), "", "x", "a" * 64, "1 OR 1=1"):
        answer = filled.visitor.post_once(filled.target, filled.fields | {"choice": choice})
        assert (answer.status, answer.location) == (200, None), choice
        lengths.setdefault(len(answer.text), []).append(choice)
    assert stage.live.rows() == before
    assert len(lengths) == 1, lengths
    answer = filled.visitor.post(filled.target, filled.fields)
    tokens = parsed(stage.portal.redeem(answer.arrived["code"]))
    shown = parsed(stage.portal.userinfo(tokens["access_token"]))
    assert shown["organization"]["customer_number"] in ("100200300", "100200400")


def test_a_foreign_account_cannot_be_chosen(stage: Stage) -> None:
    """The account page goes on only with the session's own account (req 12, 91)."""
    filled = FORMS["choose_account.submit"](stage)
    own = filled.fields["choice"]
    before = stage.live.rows()
    for choice in (*stage.membership.values(), new_id(), "", own[:-1], own.upper() + "A"):
        answer = filled.visitor.post_once(filled.target, filled.fields | {"choice": choice})
        assert (answer.status, answer.location) == (200, None), choice
    assert stage.live.rows() == before


def test_a_company_that_is_asked_for_must_be_the_persons_own(stage: Stage) -> None:
    """``organization`` at the authorization endpoint: a foreign or unknown one issues nothing."""
    visitor = stage.visitor("anna")
    for wanted in ("100200400", stage.organization, stage.membership["mira, second"], "000000000"):
        answer = stage.ask(visitor, organization=wanted)
        assert answer.status == 200, wanted
        assert "code" not in answer.arrived
    assert "code" in stage.ask(visitor, organization="100200300").arrived
