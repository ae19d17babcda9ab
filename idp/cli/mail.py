"""``idp mail``: whether mails get out (reference/screens.md §4.2)."""

from datetime import UTC, datetime

import click

from idp.cli.failures import Failure, Unready
from idp.cli.mail_advice import advise
from idp.cli.output import as_json_option, write_done
from idp.cli.state import State, pass_state
from idp.db import new_id
from idp.delivery import mails
from idp.delivery.letters import compose
from idp.delivery.mail_domain import mail_domain
from idp.delivery.outbox import Undeliverable
from idp.delivery.rendering import render
from idp.delivery.smtp import Letter, SmtpFailed, send
from idp.settings import Settings
from idp.texts import LANGUAGES


@click.group()
def mail() -> None:
    """The mail server: try it."""


@mail.command()
@click.argument("address")
@click.option(
    "--lang", type=click.Choice(sorted(LANGUAGES)), help="Language; default: product.default_locale."
)
@as_json_option
@pass_state
def test(state: State, address: str, *, lang: str | None, as_json: bool) -> None:
    """Send a mail to ADDRESS now, past the outbox, and show what the server says.

    Only the settings are needed: no database, no running server. Ends with 1 where the server did not take
    the mail, with what to do about it.
    """
    settings = state.settings
    if settings.mail.host is None:
        raise Unready("no mail server is set; name it in mail.host")
    try:
        accepted = send(settings, _letter(settings, address, lang or settings.product.default_locale))
    except Undeliverable as refused:
        raise click.BadParameter(f"{refused}: {address}", param_hint="ADDRESS") from None
    except SmtpFailed as failed:
        found, remedy = advise(failed, settings)
        raise Failure(f"{found}\n→ {remedy}") from None
    over = f" over {accepted.encryption}" if accepted.encryption else ""
    write_done(
        f"{accepted.server} took the mail{over}: {accepted.said}\n"
        "Whether it arrives, the mailbox shows; look among spam too.",
        as_json=as_json,
        server=accepted.server,
        encryption=accepted.encryption,
        said=accepted.said,
    )


def _letter(settings: Settings, address: str, language: str) -> Letter:
    now = datetime.now(UTC)
    rendered = render(settings, mails.ServerTest(), language, at=now, until=now)
    name = f"{new_id()}@{mail_domain(settings)}"
    return compose(settings, rendered, address, message_id=name, at=now, language=language)
