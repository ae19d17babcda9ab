"""The command ``idp demo``: flags, refusals, and the run itself (design §5).

This process stays resident while the demo runs, so it imports next to nothing: its children do the work.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import click

from idp.cli.demo.plan import PORTS, Plan
from idp.cli.demo.running import run
from idp.cli.failures import Refused, Unready
from idp.cli.ports import HIGHEST, free_row, require_address, require_free
from idp.cli.state import State, pass_state


def _of_a_proxy(_context: click.Context, _parameter: click.Parameter, address: str | None) -> str | None:
    """Take an address by https, or of this machine; the settings judge the rest of it."""
    at_home = re.match(r"http://(localhost|127\.0\.0\.1|\[::1\])(:|/|$)", address or "")
    if address is None or address.startswith("https://") or at_home:
        return address
    raise click.BadParameter("must begin with https://, for passwords go there")


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-data"),
    show_default=True,
    help="Folder for all data; delete it to start over.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address all parts listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, HIGHEST - PORTS + 1),
    default=8000,
    show_default=True,
    help="Port of the provider; portals and API take the next three. 0: any that are free.",
)
@click.option(
    "--client-redirect",
    "client_redirects",
    multiple=True,
    metavar="URI",
    help="Add the clients probe and probe-public with this redirect URI; may be repeated.",
)
@click.option(
    "--client-logout-redirect",
    "client_logout_redirects",
    multiple=True,
    metavar="URI",
    help="Post-logout redirect URI of these two; may be repeated.",
)
@click.option(
    "--public-url", metavar="URL", callback=_of_a_proxy, help="Address of a TLS proxy in front: https://…"
)
@click.option(
    "--trust-ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A CA, in PEM, that the provider and the portals trust too.",
)
@pass_state
def demo(
    state: State,
    *,
    folder: Path,
    host: str,
    port: int,
    client_redirects: tuple[str, ...],
    client_logout_redirects: tuple[str, ...],
    public_url: str | None,
    trust_ca: Path | None,
) -> None:
    """Run provider, two portals and an API with made-up people, in one folder, until Ctrl-C."""
    refuse_production(state.config, os.environ)
    refuse_foreign_folder(folder)
    require_address(host)
    if port == 0:
        port = free_row(host, PORTS)
    plan = Plan(
        folder=str(folder.resolve()),
        host=host,
        port=port,
        public_url=public_url.rstrip("/") if public_url else None,
        client_redirects=client_redirects,
        client_logout_redirects=client_logout_redirects,
        trust_ca=str(trust_ca.resolve()) if trust_ca else None,
    )
    for number in range(port, port + PORTS):
        require_free(host, number, remedy="Stop that program, or choose other ports: idp demo --port 0")
    raise SystemExit(run(plan))


def refuse_production(config: Path | None, environ: Mapping[str, str]) -> None:
    """Refuse where the settings at hand are those of a production installation.

    The demo reads none of them; who has them at hand may be on the wrong machine.
    """
    mode = environ.get("LOTSE_MODE") or _mode_of(config)
    if mode == "production":
        raise Refused(
            "mode is production here, and the demo makes people with known passwords; "
            "run it without LOTSE_MODE, LOTSE_CONFIG and --config"
        )


def refuse_foreign_folder(folder: Path) -> None:
    """Refuse a folder whose data a demo did not write."""
    settings, database = folder / "lotse.toml", folder / "lotse.db"
    foreign = _mode_of(settings) != "demo" if settings.exists() else database.exists()
    if foreign:
        raise Refused(f"{folder} holds the data of another installation; name another folder with --dir")


def _mode_of(config: Path | None) -> object:
    if config is None:
        return None
    try:
        return tomllib.loads(config.read_text("utf-8")).get("mode")
    except (OSError, ValueError) as error:
        raise Unready(f"{config} cannot be read: {error}") from error
