"""K-12: what a person may change about themselves at once: names, user name, language (screens §1.4)."""

from dataclasses import asdict, dataclass

from sqlalchemy.exc import IntegrityError

from idp.accounts import identifiers
from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import notices
from idp.context import Context
from idp.errors import Refusal
from idp.management import registration
from idp.management.accounts import locked
from idp.management.actors import require_person_or_operator
from idp.texts import LANGUAGES, supported


@dataclass(frozen=True, slots=True)
class Profile:
    """The facts that the form shows.

    :param locale: of mails, and of pages where the browser has chosen none.
    :param username: a name to sign in with beside the address, None without one.
    """

    given_name: str
    family_name: str
    username: str | None
    locale: str


def show(ctx: Context, account_id: str) -> Profile:
    """Return a person's profile; raises Refusal ``actor.not_allowed``."""
    require_person_or_operator(ctx, account_id)
    return _of(ctx, ctx.db.get_one(Account, account_id))


def emails(ctx: Context, account_id: str) -> list[str]:
    """Return the addresses a person has proven, the oldest first; raises Refusal ``actor.not_allowed``."""
    require_person_or_operator(ctx, account_id)
    return notices.addresses(ctx, account_id)


def problems(ctx: Context, account_id: str, wanted: Profile) -> list[tuple[str, Refusal]]:
    """Return what is wrong with the entries: name of the field and refusal, in the order of the form."""
    found = [
        (field, Refusal(f"{field}.empty"))
        for field in ("given_name", "family_name")
        if not registration.is_name(getattr(wanted, field))
    ]
    if wanted.username is not None:
        refusal = identifiers.username_refusal(ctx, wanted.username, account_id=account_id)
        found += [("username", refusal)] if refusal else []
    elif show(ctx, account_id).username is not None and not emails(ctx, account_id):
        found.append(("username", Refusal("username.needed")))
    if wanted.locale not in LANGUAGES:
        found.append(("locale", Refusal("choice.unknown")))
    return found


def admit(ctx: Context, account_id: str, wanted: Profile) -> None:
    """Count another user name: the answer tells whether somebody has it.

    Begins and ends its own transactions.

    :raises Refusal: ``username.throttled`` (until).
    """
    another = wanted.username is not None and wanted.username != show(ctx, account_id).username
    ctx.db.commit()  # nothing is held while names are counted
    if another:
        ctx.throttle.own_act("username", account_id, now=ctx.now)


def change(ctx: Context, account_id: str, wanted: Profile) -> list[str]:
    """Store a profile that :func:`problems` found nothing wrong with; returns the fields that changed.

    :raises Refusal: ``actor.not_allowed``; ``username.taken`` where somebody took the name meanwhile.
    """
    require_person_or_operator(ctx, account_id)
    account = locked(ctx, account_id)
    before, after = asdict(_of(ctx, account)), asdict(wanted)
    changed = [name for name in after if after[name] != before[name]]
    if not changed:
        return []
    if "username" in changed:
        _set_username(ctx, account, wanted.username)
    if "given_name" in changed or "family_name" in changed:
        account.given_name, account.family_name = wanted.given_name, wanted.family_name
        account.name = f"{wanted.given_name} {wanted.family_name}"
    if "locale" in changed:
        account.locale = wanted.locale
    account.updated_at = ctx.now
    record(
        ctx,
        Event.ACCOUNT_CHANGED,
        target=("account", account_id),
        new=changed,
        personal={name: after[name] for name in changed},
    )
    ctx.db.flush()
    return changed


def _set_username(ctx: Context, account: Account, username: str | None) -> None:
    if username is None:
        account.username = account.username_key = None
        return
    try:
        with ctx.db.begin_nested():  # of two who want one name at a time, one finds it taken
            identifiers.set_username(ctx, account, username)
    except IntegrityError as error:
        raise Refusal("username.taken") from error


def _of(ctx: Context, account: Account) -> Profile:
    return Profile(
        given_name=account.given_name or "",
        family_name=account.family_name or "",
        username=account.username,
        locale=supported(account.locale or "") or ctx.settings.product.default_locale,
    )
