"""Drafts a migration from the difference between the models and the scripts so far.

Usage: ``python tools/new_migration.py "what changes"``; read the draft, raise ``idp.migrations.HEAD``.
"""

import re
import sys
import tempfile
from pathlib import Path

from alembic import command

from idp.db import Database
from idp.migrations import upgrade
from idp.migrations.runner import make_config, script_head


def draft(message: str) -> Path:
    """Write the draft and return its path."""
    number = f"{int(script_head() or 0) + 1:04d}"
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/draft.db")
        upgrade(database)
        with database.engine.connect() as connection:
            script = command.revision(make_config(connection), message, autogenerate=True, rev_id=number)
        database.dispose()
    if script is None or isinstance(script, list):
        raise SystemExit("Alembic drafted nothing.")
    path = Path(script.path)
    return path.rename(
        path.with_name(f"{number}_{re.sub(r'[^a-z0-9]+', '_', message.lower()).strip('_')}.py")
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit('Say what changes: python tools/new_migration.py "what changes"')
    sys.stdout.write(f"{draft(sys.argv[1])}\n")
