"""Muster GmbH, its people and their old accounts: what the tests of linking share."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from idp.context import Services
from idp.errors import Refusal
from idp.management import linking, permissions
from tests.builders import OPERATOR, make_account, make_catalogue, make_client, make_organization
from tests.installation import NOW, unit_of_work
from tests.joining import person
from tests.legacy import import_rows, make_directory, old_account

MONTH = timedelta(days=30)
MAP = {"Belege": {"portal": ["orders"]}, "Shop": {"portal": ["shop"]}}


def prepare_linking(services: Services, other: str, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Make Muster GmbH that holds two permissions, Ben and another one, and old accounts; return the ids."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx)
        make_catalogue(ctx)
        muster = make_organization(ctx)
        permissions.grant_to_organization(ctx, muster, "portal", ["orders", "shop"])
        made = {
            "muster": muster,
            "ben": make_account(ctx, "ben", emails=["ben@muster.example"]),
            other: make_account(ctx, other),
        }
        make_directory(ctx, permissions=MAP)
    import_rows(services, rows)
    return made


def four_old_accounts() -> list[dict[str, Any]]:
    """Return two old accounts of Muster GmbH, one of a company that is none of ours, one of none."""
    common = {"customer_number": "D 100 200 300", "email": "s.mueller@alt.example"}
    return [
        old_account(**common, permissions="Belege Unbekannt", security_question="ja"),
        old_account("second", **common, permissions="Belege Shop"),
        old_account("nowhere", customer_number="999"),
        old_account("citizen"),
    ]


def undo(
    services: Services, account_id: str, link_id: str, *, later: timedelta = timedelta(0)
) -> linking.Undone:
    """Undo a link as its person does."""
    with unit_of_work(services, NOW + later, actor=person(account_id)) as ctx:
        return linking.undo(ctx, account_id, link_id)


def refusal(call: Callable[[], object]) -> Refusal:
    """Return the refusal that a call ends with."""
    with pytest.raises(Refusal) as refused:
        call()
    return refused.value
