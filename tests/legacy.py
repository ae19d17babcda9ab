"""Old portals for tests: a directory, its accounts, and the credentials they had."""

import io
import json
from collections.abc import Sequence
from typing import Any

from idp.accounts.legacy.import_file import read
from idp.context import Context, Services
from idp.management import legacy_directories, linking
from idp.management.apply import apply
from idp.management.legacy_import import Import
from idp.management.legacy_proof import Proof, prove
from idp.management.linking import Linked
from tests.builders import OPERATOR
from tests.installation import NOW, unit_of_work

SLUG = "servicewelt"
OLD_PASSWORD = "Möwe 1998"

#: each form with its hash of OLD_PASSWORD, made by other programs: passlib's and Werkzeug's own functions
HASHES = {
    "{SSHA}": "{SSHA}RHfzNTGq1Kh/fjvl3d4GjGfUQLnbW+v9",
    "{SSHA256}": "{SSHA256}/clGANbGNbeNCCZimlEtVvyIMEkDQJxOwjqSlrBKCnFybi1FyFmr1Q==",
    "{SSHA512}": "{SSHA512}FiZ9d35TXXQCpoMrC8ZYF8IamNM4wga1o+stCMTruOr8H+3yh1q4hcJIubOcnPzQpNdZu"
    "+jNWFOh31zFvktoq5tzDuF8b+29",
    "{SMD5}": "{SMD5}098+nQ9rZ8Kvg0YmioN7ILi3NsY=",
    "{MD5}": "{MD5}/GUuJALs/2ydp3kmUJqvQA==",
    "Django SHA-1": "sha1$UTEHNUVsnBPi$8b0e416e2a2c2429abeba7706d7702a5fd925570",
    "Django MD5": "md5$v7YHWZeWU9I3$b3e923b0f25d92ffd1d02377fcc25978",
    "Django PBKDF2-SHA256": "pbkdf2_sha256$1200$r945Vv1NBtJW$J/MW6V7c6ObIE+9TPJ9BkyeGg/5OLUOHT8yre5KCOjk=",
    "Django PBKDF2-SHA1": "pbkdf2_sha1$1200$EfPbZBkGM8Xs$bQpOepK6ZbbE5EVqY2M35xK/Nlk=",
    "passlib PBKDF2-SHA1": "$pbkdf2$1200$c47R.l/rPWcMgXDO2fu/9w$v.En9PjdfHKUUEIDoXKQKGbl2hI",
    "passlib PBKDF2-SHA512": "$pbkdf2-sha512$1200$YMxZa00JwXiv9d47p3QuZQ$"
    "83jf39f2FF0fF12eBqSm4ag3.QA7xHCE8Lu80lPvVxuq4S3HnI..gCreqmg8vBMPRPnfkpNeDs//TtiqKmdIJg",
    "Werkzeug PBKDF2-SHA256": "pbkdf2:sha256:1000$omHHqE1rUw7ksyX9$"
    "02b7f8e483e11ed67b406d090133c8616ffb29892bb0beb784b27a5f7942566a",
}


def make_directory(ctx: Context, **fields: Any) -> None:
    """Make the directory, imported unless *fields* says otherwise."""
    table = {"slug": SLUG, "name": {"de": "Servicewelt", "en": "Service world"}, **fields}
    apply(ctx.acting(OPERATOR), {"legacy_directory": [table]})


def old_account(username: str = "smueller", **fields: Any) -> dict[str, Any]:
    """Return a line of an import."""
    return {"username": username, "hash": HASHES["{SSHA}"], **fields}


def import_rows(services: Services, rows: Sequence[dict[str, Any]], *, dry_run: bool = False) -> Import:
    """Import lines as the command does, and return the finished run."""
    return import_text(services, "".join(json.dumps(row) + "\n" for row in rows), dry_run=dry_run)


def import_text(
    services: Services, text: str | bytes, *, json_lines: bool = True, dry_run: bool = False
) -> Import:
    """Import a file's content."""
    data = text if isinstance(text, bytes) else text.encode()
    with services.database.session() as db:
        ctx = services.context(db, now=NOW, actor=OPERATOR)
        run = Import(ctx, SLUG, dry_run=dry_run)
        db.commit()
        for batch in run.batches(ctx, read(io.BytesIO(data), json_lines=json_lines)):
            planned = run.plan(ctx, batch)
            db.commit()
            run.take(ctx, planned)
            db.commit()
        run.finish(ctx)
        db.commit()
    return run


def proof_of(
    services: Services,
    account_id: str,
    username: str = "smueller",
    password: str = OLD_PASSWORD,
    **context: Any,
) -> Proof:
    """Show an old password; what is raised is committed first, as a surface does."""
    with services.database.session() as db:
        ctx = services.context(db, **{"now": NOW, **context})
        try:
            return prove(ctx, account_id, SLUG, username, password)
        finally:
            db.commit()


def link_account(services: Services, account_id: str, username: str = "smueller", **facts: Any) -> Linked:
    """Prove and link."""
    proof = proof_of(services, account_id, username, **facts)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        return linking.link(ctx, proof)


def formats(ctx: Context) -> dict[str, int]:
    """Return the forms that the directory counts."""
    return legacy_directories.find(ctx, SLUG).hash_formats
