"""Alembic's entry: configures the run on the connection that :mod:`idp.migrations.runner` opened."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from idp.db import UtcDateTime
from idp.migrations.models import metadata


def _render(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    # Scripts name plain column types: a type of ours may change, a script that ran never does.
    return "sa.BigInteger()" if kind == "type" and isinstance(item, UtcDateTime) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=_render,
    compare_type=True,
    transactional_ddl=True,
)
context.run_migrations()
