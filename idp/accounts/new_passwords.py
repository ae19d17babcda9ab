"""The rule of this installation for a password that somebody chooses, and what is wrong with one (req 47-50).

Of an account whose second factor nobody is asked for yet: the password stands alone.
"""

from collections.abc import Iterable

from idp.accounts import password_policy
from idp.accounts.password_policy import Requirements, password_problems
from idp.context import Context
from idp.errors import Refusal


def requirements(ctx: Context) -> Requirements:
    """Return the rule, as pages list it before anybody types."""
    rule = ctx.settings.password
    return password_policy.requirements(
        profile=rule.profile, single_factor=True, allow_short_single_factor=rule.allow_short_single_factor
    )


def problems(ctx: Context, password: str, words: Iterable[str | None]) -> list[Refusal]:
    """Return what is wrong with a password.

    :param words: names and addresses of its owner, which it must not be made of.
    :returns: ``password.choose`` where it is empty, else as ``password_policy.password_problems``.
    """
    if not password:
        return [Refusal("password.choose")]
    rule = ctx.settings.password
    return password_problems(
        password,
        profile=rule.profile,
        single_factor=True,
        context_words=[*filter(None, words)],
        service_words=[ctx.settings.product.name],
        allow_short_single_factor=rule.allow_short_single_factor,
    )
