"""An account's password, asked again on a page of its person; a try counts as a sign-in's (req 53-57)."""

from collections.abc import Callable
from typing import Any

from idp.authentication import login
from idp.errors import Refusal
from idp.web.context import current
from idp.web.wording import word_refusal

_THROTTLED = frozenset({"login.throttled", "login.stopped"})


def compare(account_id: str, password: str, *, between: Callable[[bool], Any]) -> Refusal | None:
    """Compare an account's password; returns why it does not count, None where it does.

    Ends the current transaction, for nothing is held while the password is hashed.

    :param between: called with whether the password was right, before the account's row is held: it takes the
        flow's row, which every step does first, or hashes what must not be hashed while rows are held.
    """
    ctx = current()
    candidate = login.of_account(ctx, account_id)
    ctx.db.commit()
    try:
        attempt = login.check(ctx, candidate, password)
    except Refusal as refusal:
        return refusal
    between(attempt.verification.valid)
    try:
        login.conclude(ctx, attempt)
    except Refusal as refusal:
        return Refusal("password.wrong") if refusal.code == "login.failed" else refusal
    return None


def told(refusal: Refusal) -> tuple[list[tuple[str, str]], int]:
    """Return the error of a page's field ``password``, or of the page, and the status it is answered with."""
    if refusal.code in _THROTTLED:
        return [("", word_refusal(refusal))], 429
    return [("password", word_refusal(refusal))], 200
