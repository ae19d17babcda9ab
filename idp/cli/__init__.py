"""The command ``idp NOUN VERB``: tables for people, ``--json`` and exit codes for scripts (screens §4.2)."""

from idp.cli.root import cli


def main() -> None:
    """Run the command line; ends the process with the exit code of :mod:`idp.cli.failures`."""
    cli(prog_name="idp")


__all__ = ["cli", "main"]
