"""Who may do what to whom; asked first by every operation of this package (req 91, 92)."""

from typing import Final

from idp.context import Context
from idp.errors import Refusal

#: the command line of this installation, and what it does by itself
OPERATORS: Final = frozenset({"operator", "system"})


def require_operator(ctx: Context) -> None:
    """Let operators pass.

    :raises Refusal: ``actor.not_allowed``.
    """
    if ctx.actor.kind not in OPERATORS:
        raise Refusal("actor.not_allowed")


def require_person_or_operator(ctx: Context, account_id: str) -> None:
    """Let people pass for what is their own, and operators.

    :raises Refusal: ``actor.not_allowed``.
    """
    if (ctx.actor.kind, ctx.actor.id) != ("account", account_id):
        require_operator(ctx)
