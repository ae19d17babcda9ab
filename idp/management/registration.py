"""Registration: nothing is an account before its owner has proven the address (req 59, 65, 75, 88).

Screens R-01, R-02.  What a person typed waits sealed in a flow of its own.  An address that has an account
already gets another mail and the same pages: who registers learns nothing about others.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from idp.accounts import identifiers, new_passwords
from idp.accounts.identifiers import SignInFacts
from idp.accounts.models import ACTIVE, Account, Identifier
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication.models import Authenticator, RecoveryPassword
from idp.context import Actor, Context
from idp.crypto import random_token
from idp.db import new_id
from idp.delivery import mails
from idp.errors import Refusal
from idp.flows import engine, mailed_codes, one_time_secrets
from idp.flows.models import Flow
from idp.management.ending import end_account
from idp.management.recovery import due_for_everybody
from idp.oidc.models import Client

CODE: Final = "registration_code"
LINK: Final = "registration_link"
LINK_PATH: Final = "/register/link"
LONGEST_NAME: Final = 128


@dataclass(frozen=True, slots=True)
class Applicant:
    """What a person typed to get an account.

    :param email: as typed; :func:`problems` has found nothing wrong with it.
    :param username: a name to sign in with beside the address, None without one.
    """

    email: str
    given_name: str
    family_name: str
    username: str | None = None
    locale: str = "de"


def problems(ctx: Context, applicant: Applicant, password: str) -> list[tuple[str, Refusal]]:
    """Return what is wrong with the entries: name of the field and refusal, in the order of the form.

    Whether the address has an account already is not among it.
    """
    found: list[tuple[str, Refusal]] = []
    wrong = address_refusal(applicant.email)
    if wrong is not None:
        found.append(("email", wrong))
    found += [
        (field, Refusal(f"{field}.empty"))
        for field in ("given_name", "family_name")
        if not is_name(getattr(applicant, field))
    ]
    if applicant.username is not None:
        refusal = identifiers.username_refusal(ctx, applicant.username)
        found += [("username", refusal)] if refusal else []
    words = (applicant.email, applicant.given_name, applicant.family_name, applicant.username)
    found += [("password", refusal) for refusal in new_passwords.problems(ctx, password, words)]
    return found


def address_refusal(typed: str) -> Refusal | None:
    """Return what is wrong with a typed address, None where mail can be sent to it; nobody is asked."""
    if is_address(typed):
        return None
    return Refusal("email.format" if typed.strip() else "email.empty")


def is_address(typed: str) -> bool:
    """Tell whether mail can be sent to what was typed (RFC 5321, RFC 6531); nobody is asked."""
    # imported here: its patterns take long to load, and most processes never judge an address
    from email_validator import EmailNotValidError, validate_email

    try:
        validate_email(typed, check_deliverability=False)
    except EmailNotValidError:
        return False
    return len(typed) <= identifiers.LONGEST_EMAIL


def is_name(typed: str) -> bool:
    """Tell whether it can be a name, in any script.

    Something that can be seen, and no control signs, which could break a mail's line.
    """
    return bool(typed.strip()) and len(typed) <= LONGEST_NAME and typed.isprintable()


def admit(ctx: Context, applicant: Applicant) -> None:
    """Count a registration before anything is written; needs no transaction and must not be inside one.

    :raises Refusal: ``registration.off``, ``registration.throttled``, ``mail.throttled`` (``until``).
    """
    if not ctx.settings.registration.enabled:
        raise Refusal("registration.off")
    ctx.throttle.registration_try(ip=ctx.origin.ip, now=ctx.now)
    ctx.throttle.mail_try(mails.PROOFS, identifiers.email_key(applicant.email), now=ctx.now)


def begin(
    ctx: Context, applicant: Applicant, *, password_hash: str, then: Flow | None, browser_hash: bytes
) -> Flow:
    """Keep what was typed in a flow and send a code to the address, or word that it has an account.

    The statements are the same for either (req 59).

    :param then: the flow that the person came from and goes back to.
    """
    flow = engine.start(
        ctx,
        engine.REGISTRATION,
        browser_hash=browser_hash,
        request=engine.carried(then),
        client_id=then.client_id if then else None,
    )
    engine.put(ctx, flow, asdict(applicant) | {"password_hash": password_hash})
    _send(ctx, flow, applicant)
    return flow


def applicant_of(ctx: Context, flow: Flow) -> Applicant:
    """Return what was typed; raises Refusal ``flow.expired`` where it is gone."""
    return Applicant(**{name: value for name, value in _typed(ctx, flow).items() if name != "password_hash"})


def code_sent_at(ctx: Context, flow: Flow) -> datetime | None:
    """Return when the last code went out."""
    return mailed_codes.sent_at(ctx, CODE, flow)


def is_code_used_up(ctx: Context, flow: Flow) -> bool:
    """Tell whether the last code had all its tries."""
    return mailed_codes.is_used_up(ctx, CODE, flow)


def admit_resend(ctx: Context, flow: Flow) -> None:
    """Count one more mail to the address; as :func:`admit`, outside of any transaction.

    :raises Refusal: ``mail.throttled`` (``until``).
    """
    address = applicant_of(ctx, flow).email
    ctx.db.commit()
    ctx.throttle.mail_try(mails.PROOFS, identifiers.email_key(address), now=ctx.now)


def resend(ctx: Context, flow: Flow) -> None:
    """Send another code, which voids the one before.

    :raises Refusal: ``code.too_soon`` (``until``).
    """
    _send(ctx, flow, applicant_of(ctx, flow))


def confirm(ctx: Context, flow: Flow, code: str) -> SignInFacts:
    """Make the account, for the code has shown whose the address is; the flow is held and ends.

    The caller commits also after a refusal, for the try is counted.

    :raises Refusal: ``code.*`` as :func:`mailed_codes.redeem`; ``email.taken`` where somebody else has proven
        the address meanwhile, ``flow.expired``.
    """
    mailed_codes.redeem(ctx, CODE, flow, code)
    return _create(ctx, flow)


def of_link(ctx: Context, token: str) -> Flow:
    """Return the flow of a link from a mail, whatever browser it is opened in; nothing is used up (req 68).

    :raises Refusal: ``token.expired``, ``token.used``.
    """
    secret = one_time_secrets.find(ctx, LINK, token)
    if secret is None or secret.flow_id is None:
        raise Refusal("token.expired")
    if secret.used_at is not None:
        raise Refusal("token.used")
    return engine.by_secret(ctx, secret.flow_id)


def try_password(ctx: Context, token: str, password: str) -> None:
    """Compare the password of the registration, which another browser has to know (C5).

    Else who registers somebody else's address would have them confirm a password they never chose.  Needs
    no transaction and must not be inside one.

    :raises Refusal: ``registration.password``, ``token.expired`` after five tries.
    """
    if not one_time_secrets.take_try(ctx, LINK, token, at_most=mailed_codes.TRIES):
        raise Refusal("token.expired")
    stored = _typed(ctx, of_link(ctx, token))["password_hash"]
    ctx.db.commit()
    if not ctx.passwords.verify(stored, password).valid:
        raise Refusal("registration.password")


def confirm_by_link(ctx: Context, token: str) -> tuple[SignInFacts, Flow]:
    """Make the account, for the link has shown whose the address is; returns it and the flow that ended.

    :raises Refusal: as :func:`of_link` and :func:`confirm`.
    """
    flow = of_link(ctx, token)
    if one_time_secrets.consume(ctx, LINK, token) is None:
        raise Refusal("token.used")
    return _create(ctx, flow), flow


def _typed(ctx: Context, flow: Flow) -> dict[str, Any]:
    found = engine.get(ctx, flow)
    if found is None:
        raise Refusal("flow.expired", client_id=flow.client_id)
    return found


def _send(ctx: Context, flow: Flow, applicant: Applicant) -> None:
    """Make code and link, and send them, or else the word that there is an account (M01, M02)."""
    code, until = mailed_codes.issue(ctx, CODE, flow)
    token = one_time_secrets.create(
        ctx, LINK, target=flow.id, flow_id=flow.id, lifetime=mailed_codes.LIFETIME
    )
    client = ctx.db.get(Client, flow.client_id) if flow.client_id else None
    wanted = mails.VerifyAddress(
        code=code,
        link=f"{ctx.settings.issuer}{LINK_PATH}?token={token}",
        portal=client.client_name if client else "",
    )
    owned = identifiers.proven(ctx, identifiers.EMAIL, identifiers.email_key(applicant.email))
    mail = wanted if owned is None else mails.AlreadyRegistered()
    mails.post(ctx, mail, to=applicant.email, locale=applicant.locale, expires_at=until)


def _create(ctx: Context, flow: Flow) -> SignInFacts:
    typed = _typed(ctx, flow)
    if not engine.finish(ctx, flow):
        raise Refusal("flow.expired", client_id=flow.client_id)
    engine.put(ctx, flow, None)
    account = Account(
        id=new_id(),
        sub=random_token(24),
        status=ACTIVE,
        given_name=typed["given_name"],
        family_name=typed["family_name"],
        name=f"{typed['given_name']} {typed['family_name']}",
        locale=typed["locale"],
        password_hash=typed["password_hash"],
        password_changed_at=ctx.now,
        recovery_due=due_for_everybody(ctx),
        created_at=ctx.now,
        updated_at=ctx.now,
    )
    try:
        with ctx.db.begin_nested():  # of two who prove one address at a time, one finds it taken
            ctx.db.add(account)
            ctx.db.flush()
            username = typed["username"]
            if username is not None and identifiers.username_refusal(ctx, username) is None:
                identifiers.set_username(ctx, account, username)  # else somebody took it meanwhile
            address = identifiers.add_email(ctx, account.id, typed["email"])
            disown(ctx, address)
            identifiers.verify(ctx, address)
    except IntegrityError as error:
        raise Refusal("email.taken") from error
    record(
        ctx.acting(Actor("account", account.id)),
        Event.ACCOUNT_CREATED,
        target=("account", account.id),
        personal={"username": account.username, "emails": [typed["email"]]},
    )
    ctx.db.flush()
    return SignInFacts(account.id, account.status, account.epoch, account.password_hash)


def disown(ctx: Context, address: Identifier) -> None:
    """Take everything from accounts that waited under this address and have proven none (req 88)."""
    own = aliased(Identifier)
    proven = exists().where(own.account_id == Account.id, own.verified_at.is_not(None))
    waiting = select(Account).where(
        Account.id.in_(
            select(Identifier.account_id).where(
                Identifier.kind == address.kind,
                Identifier.lookup == address.lookup,
                Identifier.purpose == identifiers.SIGN_IN,
                Identifier.verified_at.is_(None),
                Identifier.account_id != address.account_id,
            )
        ),
        ~proven,
    )
    for account in ctx.db.scalars(waiting.order_by(Account.id).with_for_update()):
        account.password_hash = account.password_changed_at = None
        account.epoch += 1
        account.updated_at = ctx.now
        for table in (Authenticator, RecoveryPassword):
            ctx.db.execute(delete(table).where(table.account_id == account.id))
        record(ctx, Event.ACCOUNT_CHANGED, target=("account", account.id), reason="address_proven_by_another")
        ctx.db.flush()
        end_account(ctx, account.id, "address proven")
