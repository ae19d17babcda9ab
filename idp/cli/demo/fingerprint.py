"""Whether the folder is as this plan and this release make it; then a start prepares nothing (design §4)."""

import hashlib
from pathlib import Path

from idp import __version__
from idp.cli.demo.plan import Plan

_PACKAGE = Path(__file__).parents[2]
_MADE = ("lotse.db", "demo.json", "portals.json", "client-secrets.json")
_NAME = "prepared"


def is_prepared(plan: Plan) -> bool:
    """Tell whether the last preparation in this folder was for this plan, by this code, and is there."""
    try:
        stored = plan.path(_NAME).read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return False
    return stored == _fingerprint(plan) and all(plan.path(name).exists() for name in _MADE)


def forget(plan: Plan) -> None:
    """Say that a preparation begins: until it is noted again, nothing counts as prepared."""
    plan.path(_NAME).unlink(missing_ok=True)


def note(plan: Plan) -> None:
    """Say that the preparation is complete."""
    plan.path(_NAME).write_text(_fingerprint(plan), "ascii")


def _fingerprint(plan: Plan) -> str:
    """Return a hash over the plan and everything the preparation is made of."""
    found = hashlib.sha256(f"{__version__}\n{plan.to_json()}\n".encode())
    sources = [*_PACKAGE.glob("migrations/versions/*.py"), *_PACKAGE.glob("management/data/*.toml")]
    sources += Path(__file__).parent.glob("*.py")
    for path in sorted(sources):
        found.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()
