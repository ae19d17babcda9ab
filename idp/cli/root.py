"""The top of the command line: global options, and nouns imported on use (screens §4.2)."""

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from idp import __version__
from idp.cli.failures import in_a_sentence
from idp.cli.state import State

# noun → module, attribute, one line for --help; a command's imports cost only the one who runs it
_NOUNS = {
    "account": ("idp.cli.account", "account", "People: create, block, unblock, list, show."),
    "apply": ("idp.cli.apply", "apply", "Make clients, permissions and organisations what a file says."),
    "audit": ("idp.cli.audit", "audit", "The audit log: read, verify, export."),
    "client": ("idp.cli.client", "client", "Portals and services that rely on this provider."),
    "config": ("idp.cli.config", "config", "The settings: show, validate."),
    "db": ("idp.cli.db", "db", "The database's tables: upgrade, current, check."),
    "demo": ("idp.cli.demo", "demo", "Run everything at once, with made-up people, to try it out."),
    "jobs": ("idp.cli.jobs", "jobs", "The worker: outbox, audit seal, purge, key rotation."),
    "doctor": (
        "idp.cli.doctor",
        "doctor",
        "Look at everything an installation needs, and say what is wrong.",
    ),
    "keys": ("idp.cli.keys", "keys", "Signing keys and the master key."),
    "legacy": ("idp.cli.legacy", "legacy", "Old portals: import their accounts, wrap hashes, undo links."),
    "mail": ("idp.cli.mail", "mail", "The mail server: try it."),
    "organization": ("idp.cli.joining", "organization", "Companies, their members and permissions."),
    "serve": ("idp.cli.serve", "serve", "Run the server with its worker and its hash pool."),
}


class Nouns(click.Group):
    """A group whose commands are imported on use, and which words every known failure."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the nouns in order of the alphabet."""
        return sorted(_NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a noun's command."""
        if cmd_name not in _NOUNS:
            return None
        module, attribute, _ = _NOUNS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the nouns without importing them."""
        with formatter.section("Nouns"):
            formatter.write_dl([(name, _NOUNS[name][2]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a failure we know ends in a sentence and its exit code."""
        with in_a_sentence():
            return super().invoke(ctx)


@click.group(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="LOTSE_CONFIG",
    help="The TOML file with the settings; config.example.toml documents every key.",
)
@click.version_option(__version__, prog_name="Lotse")
@click.pass_context
def cli(ctx: click.Context, config: Path | None) -> None:
    """Lotse, an OpenID Connect identity provider for customer and citizen portals."""
    ctx.obj = State(config)
    ctx.call_on_close(ctx.obj.close)


__all__ = ["cli"]
