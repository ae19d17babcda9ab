"""``idp jobs``: the worker process; safe to run twice, started by ``serve`` and ``demo`` (design §3)."""

import click

from idp.app import build_duties
from idp.cli.processes import report_ready, stop_on_signals, stop_with_parent
from idp.cli.state import State, pass_state
from idp.logging import configure
from idp.worker import Worker, work


@click.group()
def jobs() -> None:
    """The worker: outbox, audit seal, purge, key rotation."""


@jobs.command()
@click.option("--once", is_flag=True, help="Do everything that is due now, then end.")
@click.option("--with-parent", type=int, hidden=True, help="End with this process.")
@click.option("--report-to", type=int, hidden=True, help="File descriptor to report to when ready.")
@pass_state
def run(state: State, once: bool, with_parent: int | None, report_to: int | None) -> None:
    """Work until SIGTERM: send messages, seal the audit log, purge, rotate keys."""
    stop = stop_on_signals()
    configure(level=state.settings.logging.level, format=state.settings.logging.format)
    services = state.services
    duties = build_duties(services)
    if once:
        worker = Worker(services, duties)
        try:
            worker.run_once()
        finally:
            worker.close()
        return
    if with_parent is not None:
        stop_with_parent(with_parent)
    if report_to is not None:
        report_ready(report_to)
    work(services, duties, stop)
