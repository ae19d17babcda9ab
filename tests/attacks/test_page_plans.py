"""What pages ask the database is answered by an index, however many people there are (F11)."""

import pytest

from idp.db import Base
from tests.attacks import scenes
from tests.attacks.live import Live
from tests.attacks.scenes import FORMS
from tests.plans import plan, scanned, selects

pytestmark = pytest.mark.enable_socket

#: what operators write, some dozens of rows
SMALL = {
    "client",
    "client_secret",
    "installation",
    "installation_secret",
    "legacy_directory",
    "permission",
    "role",
    "signing_key",
}


@pytest.mark.parametrize("view", FORMS)
def test_no_form_reads_a_whole_table(live_on_each: Live, view: str) -> None:
    """Everything up to a form, and sending it."""
    stage = scenes.build(live_on_each)
    services = live_on_each.services
    with selects(services.database) as found:
        form = FORMS[view](stage)
        form.visitor.post(form.target, form.fields)
    growing = Base.metadata.tables.keys() - SMALL
    read = {sql: scanned(plan(services, sql, parameters), growing) for sql, parameters in found}
    # on PostgreSQL, prepared statements go past the library that is listened to
    assert read or services.database.dialect == "postgresql"
    assert {sql: tables for sql, tables in read.items() if tables} == {}
