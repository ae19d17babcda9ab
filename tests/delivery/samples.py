"""Every mail in every state that its words depend on."""

from datetime import UTC, datetime

from idp.delivery import mails
from idp.delivery.mails import Mail
from idp.settings import Settings
from idp.settings.models import Support

ISSUER = "https://login.example.de"
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOKEN = "Zm9yIHRlc3RzIG9ubHksIGEgdG9rZW4gb2YgMzIgYnl0ZXM"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
LINK = f"{ISSUER}/somewhere/{TOKEN}"
PORTAL = "Kundenportal"
COMPANY = "Muster GmbH"
EXPIRING = frozenset({"code", "link"})

SETTINGS = Settings(
    public_url=ISSUER,
    support=Support(
        mail="hilfe@lotse.example", phone="0341 555 01 00", help_url="https://lotse.example/hilfe"
    ),
)

SAMPLES: dict[str, Mail] = {
    "verify": mails.VerifyAddress(code="482913", link=LINK),
    "verify, portal": mails.VerifyAddress(code="482913", link=LINK, portal=PORTAL),
    "verify, change": mails.VerifyAddress(code="482913", link=LINK, change=True),
    "already registered": mails.AlreadyRegistered(),
    "already registered, change": mails.AlreadyRegistered(change=True),
    "reset": mails.ResetPassword(link=LINK),
    "reset, portal": mails.ResetPassword(link=LINK, portal=PORTAL),
    "changed": mails.PasswordChanged(signed_out=False),
    "changed by link": mails.PasswordChanged(means="link"),
    "changed by support": mails.PasswordChanged(means="support"),
    "changed by recovery": mails.PasswordChanged(means="recovery_password"),
    "changed, factors gone": mails.PasswordChanged(means="recovery_password", factors_removed=True),
    "recovery password": mails.RecoveryData(secret="recovery_password", event="created"),
    "recovery password anew": mails.RecoveryData(secret="recovery_password", event="replaced"),
    "recovery password used": mails.RecoveryData(secret="recovery_password", event="used"),
    "recovery password removed": mails.RecoveryData(secret="recovery_password", event="removed"),
    "recovery codes": mails.RecoveryData(secret="recovery_codes", event="created"),
    "recovery codes anew": mails.RecoveryData(secret="recovery_codes", event="replaced"),
    "recovery code used": mails.RecoveryData(secret="recovery_codes", event="used"),
    "new sign-in": mails.NewSignIn(user_agent=FIREFOX, portal=PORTAL),
    "new sign-in, system only": mails.NewSignIn(user_agent="curl on Linux"),
    "new sign-in, unknown": mails.NewSignIn(user_agent=""),
    "after one failure": mails.NewSignIn(user_agent=FIREFOX, failures=1),
    "after failures": mails.NewSignIn(user_agent=FIREFOX, portal=PORTAL, failures=23),
    "wrong codes": mails.WrongCodes(user_agent=FIREFOX, portal=PORTAL),
    "wrong codes after a link": mails.WrongCodes(user_agent=FIREFOX, portal=PORTAL, means="link"),
    "wrong codes in a session": mails.WrongCodes(user_agent=FIREFOX, means="session"),
    "wrong codes after recovery": mails.WrongCodes(user_agent=FIREFOX, means="recovery_password"),
    "access ended": mails.AccessEnded(portal=PORTAL),
    "remove factor": mails.RemoveSecondFactor(code="482913", user_agent=FIREFOX, portal=PORTAL),
    "remove factor, unknown": mails.RemoveSecondFactor(code="482913", user_agent=""),
    "waiting": mails.AccessWaiting(person="Emil Weber", organization=COMPANY),
    "waiting, several": mails.AccessWaiting(person="Emil Weber", organization=COMPANY, others=3),
    "waiting, for staff": mails.AccessWaiting(
        person="Emil Weber", organization=COMPANY, customer_number="100200300"
    ),
    "activated": mails.AccessActivated(organization=COMPANY),
    "activated, portal": mails.AccessActivated(organization=COMPANY, portal=PORTAL),
    "declined": mails.AccessDeclined(organization=COMPANY),
    "address replaced": mails.AddressReplaced(link=LINK),
    "address added": mails.AddressAdded(),
    "deletion": mails.DeletionPlanned(on=datetime(2026, 3, 15, 12, 0, tzinfo=UTC), link=LINK),
    "deletion, old address": mails.DeletionPlanned(on=datetime(2026, 3, 15, 12, 0, tzinfo=UTC), link=None),
    "deletion undone": mails.DeletionUndone(),
    "export": mails.DataExported(),
    "linked": mails.OldAccountLinked(directory="Servicewelt", link=LINK),
    "released": mails.OldAccountReleased(directory="Servicewelt"),
    "server test": mails.ServerTest(),
}
