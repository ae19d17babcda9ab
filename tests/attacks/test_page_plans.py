"""What pages ask the database is answered by an index, however many people there are (F11)."""

import pytest

from idp.db import Base
from tests.attacks.scenes import FORMS, Stage
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
    "product_family",
    "role",
    "signing_key",
}


@pytest.mark.parametrize("view", FORMS)
def test_no_form_reads_a_whole_table(stage: Stage, view: str) -> None:
    """Everything up to a form, and sending it; on SQLite, where every statement goes by the library."""
    services = stage.live.services
    with selects(services.database, elsewhere=True) as found:  # what the scene itself does is no page
        form = FORMS[view](stage)
        form.visitor.post(form.target, form.fields)
    growing = Base.metadata.tables.keys() - SMALL
    read = {sql: scanned(plan(services, sql, parameters), growing) for sql, parameters in found}
    assert read
    assert {sql: tables for sql, tables in read.items() if tables} == {}
