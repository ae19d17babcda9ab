"""What to do where the mail server does not take a mail, by the step it ended at (screens §4.2)."""

from idp.delivery.smtp import SmtpFailed, Step
from idp.settings import Settings


def advise(failed: SmtpFailed, settings: Settings) -> tuple[str, str]:
    """Return what was found and its remedy; with the server's own words, which no log gets."""
    mail = settings.mail
    server = f"{mail.host}:{mail.port}"
    said = f"{failed.code} {failed.said}" if failed.code else failed.said
    found, remedy = {
        Step.NAME: (
            f"the name {mail.host} is not known",
            "Correct mail.host, or look at this machine's DNS.",
        ),
        Step.CONNECTION: (
            f"{server} lets nobody in" if failed.code else f"{server} does not answer",
            "Correct mail.host and mail.port. A firewall may block the port, and the server this machine.",
        ),
        Step.ENCRYPTION: (
            f"{server} does not speak TLS as set by mail.security = {mail.security}",
            'Port 465 wants mail.security = "tls", port 587 "starttls".',
        ),
        Step.CERTIFICATE: (
            f"the certificate of {server} is not trusted",
            "mail.host must be a name it is made out to; a private authority goes into egress.trust_ca_file.",
        ),
        Step.SIGN_IN: (
            f"{server} does not let {mail.username} sign in",
            "Correct mail.username and mail.password. Many providers want a password made for programs.",
        ),
        Step.SENDER: (
            f"{server} takes no mail from {mail.from_address}",
            "Correct mail.from_address: mostly it must belong to mail.username.",
        ),
        Step.RECIPIENT: (
            f"{server} does not take mail for this address",
            "Check the address. Where it is right, the server may want mail.username, or come back later.",
        ),
        Step.CONTENT: (
            f"{server} did not confirm the mail",
            "Read what it says. Look at its log, and at SPF and DKIM of the domain of mail.from_address.",
        ),
    }[failed.step]
    return f"{found} ({said})", remedy
