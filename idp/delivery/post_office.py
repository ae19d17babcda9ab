"""The sender of mails, for the worker: words a row, makes a letter of it, hands it to the server (A6, F5).

What the server says decides about the next try.  It refuses the recipient or the content for good: never.
It asks to come again: later, and later still.  It is away, or does not take us in: within a minute, for
that concerns every mail.  A letter that was sent, and whose confirmation was lost, is sent again with the
same Message-ID.
"""

from idp.delivery import mails
from idp.delivery.letters import compose
from idp.delivery.outbox import Message, Undeliverable, Unreachable
from idp.delivery.rendering import render
from idp.delivery.smtp import NoSuchLetters, SmtpFailed, Step, send
from idp.settings import Settings

_ABOUT_THIS_MAIL = (Step.RECIPIENT, Step.CONTENT)
_CLOSING = 421
_SIGN_IN_FIRST = 530


def deliver(settings: Settings, message: Message) -> None:
    """Send a mail of the outbox.

    :raises Undeliverable: no later attempt will do.
    :raises Unreachable: no mail gets through at the moment.
    :raises SmtpFailed: this one is to be tried later.
    """
    mail, language = mails.read(message.payload)
    rendered = render(settings, mail, language, at=message.created_at, until=message.expires_at)
    letter = compose(
        settings,
        rendered,
        message.recipient,
        message_id=message.message_id,
        at=message.created_at,
        language=language,
    )
    try:
        send(settings, letter)
    except NoSuchLetters as failed:
        raise Undeliverable(str(failed)) from None
    except SmtpFailed as failed:
        if failed.step not in _ABOUT_THIS_MAIL or failed.code in (None, _CLOSING, _SIGN_IN_FIRST):
            raise Unreachable(str(failed)) from None
        if failed.code >= 500:
            raise Undeliverable(str(failed)) from None
        raise
