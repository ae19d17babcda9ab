"""``idp jobs``: the worker process; safe to run twice, started by ``serve`` and ``demo`` (design §3)."""

import click

from idp.app import build_duties
from idp.cli.processes import stop_on_signals
from idp.cli.state import State, pass_state
from idp.logging import configure
from idp.worker import Worker, work


@click.group()
def jobs() -> None:
    """The worker: outbox, audit seal, purge, key rotation."""


@jobs.command()
@click.option("--once", is_flag=True, help="Do everything that is due now, then end.")
@pass_state
def run(state: State, once: bool) -> None:
    """Work until SIGTERM: send messages, seal the audit log, purge, rotate keys."""
    stop = None if once else stop_on_signals()  # what ends by itself is stopped as any command
    configure(level=state.settings.logging.level, format=state.settings.logging.format)
    services = state.services
    duties = build_duties(services)
    if stop is None:
        worker = Worker(services, duties)
        try:
            worker.run_once()
        finally:
            worker.close()
        return
    work(services, duties, stop)
