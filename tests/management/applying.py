"""A file that can be applied, and what tests ask when one was: how much there is, what is wrong with it."""

from typing import Any

import pytest
from sqlalchemy import func, select

from idp.audit.models import AuditEvent
from idp.context import Context
from idp.management.apply import apply
from idp.oidc.metadata_reader import InvalidMetadata
from idp.oidc.models import Client
from idp.organizations.models import Organization, Permission

TEXT = """
[[client]]
client_id = "portal"
client_name = "Kundenportal"
redirect_uris = ["https://portal.example/callback"]
audiences = ["orders-api"]

[[client]]
client_id = "orders-api"
kind = "machine"

[[catalogue]]
client = "portal"

[[catalogue.group]]
key = "my_data"
name = { de = "Meine Daten", en = "My data" }

[[catalogue.permission]]
key = "orders"
name = { de = "Bestellen", en = "Order" }
description = { de = "Bestellungen aufgeben", en = "Place orders" }
delegable = false

[[catalogue.permission]]
key = "licences"
group = "my_data"
name = { de = "Meine Lizenzen", en = "My licences" }
description = { de = "Einsicht in meine Lizenzen", en = "View my licences" }

[[organization]]
customer_number = "D 100 200 300"
name = "Muster GmbH"
require_second_factor = true

[organization.permissions]
portal = ["*"]
"""


def counts(ctx: Context) -> list[int]:
    """Return how many rows there are of what a file can make, and of events."""
    tables = (Client, Permission, Organization, AuditEvent)
    return [ctx.db.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def problems(ctx: Context, document: dict[str, Any]) -> dict[str, str]:
    """Return what is expected at each place of a file that is refused, and makes nothing."""
    before = counts(ctx)
    with pytest.raises(InvalidMetadata) as caught:
        apply(ctx, document)
    ctx.db.flush()
    assert counts(ctx) == before
    return {problem.field: problem.expected for problem in caught.value.problems}
