"""The mails there are, and how an operation sends one (reference/screens.md §1.0, table Mails; req 59, 68).

An operation writes, in its own unit of work::

    mails.post(ctx, mails.VerifyAddress(code=code, link=link, portal=client.name),
               to=address, locale=account.locale, expires_at=secret.expires_at)

A mail is a class of this module with the facts it needs, so one that lacks a fact is an error where it is
written, not where it is sent.  The row holds the mail's name, its language and these facts, sealed, never the
text: putting texts together takes time, and an address that is known must cost a request no more than one
that is not.  ``idp.delivery.rendering`` words it when it is sent, or shown in the demo's outbox; each class
has a template of its name in ``templates/email``.

A mail with a code or a link says until when it holds, which is the row's ``expires_at``, and is not sent
afterwards; any other is a notice and waits a week for a server that is away.  Its moment is the row's
``created_at``.  Links begin with our own address (req 68).  A mail to an address that nobody has proven yet,
``VerifyAddress`` and ``AlreadyRegistered``, has no field for what the person typed: nobody writes to
strangers through us.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from idp.db import Base
from idp.delivery import outbox
from idp.delivery.models import OutboxMessage
from idp.texts import supported

NOTICE_LASTS = timedelta(days=7)
"""How long a mail without code or link is tried."""

PROOFS, RESETS, REMOVALS = "proofs", "resets", "removals"
"""What mails that strangers cause are counted as: to prove an address, for a password, to remove factors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What every mail is: a name, which is its template's, and facts."""

    name: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyAddress(Mail):
    """M01: prove an address, of a new account or (*change*) the next one of an account there is."""

    name: ClassVar[str] = "verify_address"
    code: str
    link: str
    portal: str = ""
    change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyRegistered(Mail):
    """M02: somebody registered the address of an account, or (*change*) wanted it for another one."""

    name: ClassVar[str] = "already_registered"
    change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPassword(Mail):
    """M03: the link to a new password."""

    name: ClassVar[str] = "reset_password"
    link: str
    portal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Mail):
    """M04: by its owner's hand, by a link of M03, with the recovery password, or by an operator.

    :param signed_out: the other sessions were ended with it.
    :param factors_removed: the second factors went with it (``recovery.reset_mfa``).
    """

    name: ClassVar[str] = "password_changed"
    means: Literal["password", "link", "recovery_password", "support"] = "password"
    signed_out: bool = True
    factors_removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryData(Mail):
    """M06: recovery password or codes were made, made anew, or used; they themselves are never mailed.

    A recovery password can also be removed: it was young when the account was taken back.
    """

    name: ClassVar[str] = "recovery_data"
    secret: Literal["recovery_password", "recovery_codes"]
    event: Literal["created", "replaced", "used", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSignIn(Mail):
    """M07: from a device this account has not been seen on, or after many wrong tries (req 60)."""

    name: ClassVar[str] = "new_sign_in"
    user_agent: str
    portal: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongCodes(Mail):
    """Somebody had the right password, another means to a new one, or an open session; and wrong codes."""

    name: ClassVar[str] = "wrong_codes"
    user_agent: str
    portal: str = ""
    means: Literal["password", "link", "recovery_password", "session"] = "password"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEnded(Mail):
    """A used refresh token came again, so what a portal had by it was ended (req 21)."""

    name: ClassVar[str] = "access_ended"
    portal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSecondFactor(Mail):
    """The code that removes the second factors, after the recovery password (``recovery.reset_mfa``)."""

    name: ClassVar[str] = "remove_second_factor"
    code: str
    user_agent: str
    portal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessWaiting(Mail):
    """M11: *person*, and so many others, want to join the company.

    :param customer_number: set for our own people, who decide.
    """

    name: ClassVar[str] = "access_waiting"
    person: str
    organization: str
    others: int = 0
    customer_number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessActivated(Mail):
    """M12: the person was let in."""

    name: ClassVar[str] = "access_activated"
    organization: str
    portal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDeclined(Mail):
    """M12: the person was not let in."""

    name: ClassVar[str] = "access_declined"
    organization: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressReplaced(Mail):
    """M13, to the old address: it is no longer the account's; the link undoes it, 72 hours long.

    It does not name the new address, which whoever made the change chose.
    """

    name: ClassVar[str] = "address_replaced"
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressAdded(Mail):
    """M13, to the new address: from now on it is the account's."""

    name: ClassVar[str] = "address_added"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionPlanned(Mail):
    """M14: the account will be deleted on a day; until then the link undoes it.

    :param link: None for an address that was the account's, and has a link that takes the account back.
    """

    name: ClassVar[str] = "deletion_planned"
    on: datetime
    link: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionUndone(Mail):
    """M14: the account stays."""

    name: ClassVar[str] = "deletion_undone"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataExported(Mail):
    """M14: somebody signed in as the person downloaded everything we know about them."""

    name: ClassVar[str] = "data_exported"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldAccountLinked(Mail):
    """To the addresses of both: an account of an old portal now belongs to this one (req 90).

    :param directory: what the old portal is called.
    """

    name: ClassVar[str] = "old_account_linked"
    directory: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OldAccountReleased(Mail):
    """To the addresses of both: the link was undone, everything is as it was before."""

    name: ClassVar[str] = "old_account_released"
    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTest(Mail):
    """To whom the operator chose, to see whether mails get out."""

    name: ClassVar[str] = "server_test"


MAILS: Mapping[str, type[Mail]] = {
    mail.name: mail
    for mail in (
        VerifyAddress,
        AlreadyRegistered,
        ResetPassword,
        PasswordChanged,
        RecoveryData,
        NewSignIn,
        WrongCodes,
        AccessEnded,
        RemoveSecondFactor,
        AccessWaiting,
        AccessActivated,
        AccessDeclined,
        AddressReplaced,
        AddressAdded,
        DeletionPlanned,
        DeletionUndone,
        DataExported,
        OldAccountLinked,
        OldAccountReleased,
        ServerTest,
    )
}


def post(
    ctx: outbox.Work,
    mail: Mail,
    *,
    to: str,
    locale: str | None,
    expires_at: datetime | None = None,
    withheld: bool = False,
) -> str:
    """Put a mail into the outbox, in the current unit of work; returns the message's id.

    :param to: one address, as it is stored.
    :param locale: the recipient's; None, or a language we do not speak, means the installation's.
    :param expires_at: until when code and link hold; needed with either, and the mail is not sent afterwards.
    :param withheld: nobody gets it (:func:`outbox.enqueue`).
    :raises ValueError: a code or link without an end, a link that leads elsewhere, or no plain address.
    """
    payload, until = _checked(ctx, mail, to, locale, expires_at)
    return outbox.enqueue(ctx, outbox.MAIL, to, payload, expires_at=until, withheld=withheld)


def row(ctx: outbox.Work, mail: Mail, *, to: str, locale: str | None) -> tuple[type[Base], dict[str, Any]]:
    """Return the row of a notice, for operations that insert it together with their own; as :func:`post`."""
    payload, until = _checked(ctx, mail, to, locale, None)
    return OutboxMessage, outbox.row(ctx, outbox.MAIL, to, payload, expires_at=until)


def _checked(
    ctx: outbox.Work, mail: Mail, to: str, locale: str | None, expires_at: datetime | None
) -> tuple[dict[str, Any], datetime]:
    """Return what the outbox keeps of a mail, and until when it is tried."""
    facts = _facts(mail)
    if expires_at is None and facts.keys() & {"code", "link"}:
        raise ValueError(f"{mail.name} has a code or a link: it needs expires_at")
    if facts.get("link") is not None and not _is_ours(facts["link"], ctx.settings.issuer):
        raise ValueError(f"{mail.name}: its link does not lead to {ctx.settings.issuer}")
    if "@" not in to or not _plain(to):
        raise ValueError(f"{mail.name}: no plain mail address")
    language = supported(locale or "") or ctx.settings.product.default_locale
    kept = {"mail": mail.name, "language": language, "facts": facts}
    return kept, expires_at or ctx.now + NOTICE_LASTS


def read(payload: Mapping[str, Any]) -> tuple[Mail, str]:
    """Return a stored mail and its language.

    :raises LookupError: another release wrote it: a worker of that one will know it.
    """
    kind = MAILS.get(payload["mail"])
    known = {field.name for field in fields(kind)} if kind else set()
    if kind is None or not payload["facts"].keys() <= known:
        raise LookupError(f"this release does not know the mail {payload['mail']}")
    facts = dict(payload["facts"])
    if kind is DeletionPlanned:
        facts["on"] = datetime.fromisoformat(facts["on"])
    return kind(**facts), payload["language"]


def _facts(mail: Mail) -> dict[str, Any]:
    found = asdict(mail)
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()
    }


def _is_ours(link: str, issuer: str) -> bool:
    return link.startswith(f"{issuer}/") and link.isascii() and _plain(link)


def _plain(text: str) -> bool:
    """Tell whether a text is one line of one word: it goes into a header, or stands alone in a mail."""
    return text.isprintable() and not any(sign.isspace() for sign in text)
