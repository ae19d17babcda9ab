"""What commands share: the settings and, for those that need it, an operation on the database (design §2).

Everything heavy is imported on use: ``idp demo`` stays resident while its children work.
"""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from idp.context import Context, Services
    from idp.settings import Settings


@dataclass
class State:
    """The command line's own state, handed to commands as ``ctx.obj``."""

    config: Path | None = None

    @cached_property
    def settings(self) -> "Settings":
        """The settings of this installation; raises SettingsError."""
        from idp.settings import load_settings

        return load_settings(self.config)

    @cached_property
    def services(self) -> "Services":
        """The parts of a process, with the database at its newest revision; raises NotReady."""
        from idp.app import build_services

        # No pool is needed for the few hashes of a command, and none may be running.
        password = self.settings.password.model_copy(update={"pool_socket": None})
        return build_services(self.settings.model_copy(update={"password": password}))

    def close(self) -> None:
        """Close the connections to the database, where there are any."""
        if "services" in self.__dict__:
            self.services.database.dispose()

    @contextmanager
    def operation(self) -> "Iterator[Context]":
        """Yield the context of one operation by this operator; committed where the block raises nothing."""
        from idp.context import Actor, Origin

        services = self.services
        with services.database.session() as db:
            origin = Origin(user_agent="idp command line")
            yield services.context(db, origin=origin, actor=Actor(kind="operator", id=operator_name()))
            db.commit()

    @contextmanager
    def reading(self) -> "Iterator[Context]":
        """Yield a context that only reads, outside any transaction: long answers hold up nobody."""
        services = self.services
        with services.database.reading() as db:
            yield services.context(db)

    @contextmanager
    def snapshot(self) -> "Iterator[Context]":
        """As :meth:`reading`, of one state of the database: for what has to fit together."""
        services = self.services
        with services.database.snapshot() as db:
            yield services.context(db)


def operator_name() -> str:
    """Return who is at the keyboard, as the audit log names them: also behind ``sudo``."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


pass_state = click.make_pass_decorator(State, ensure=True)
"""Decorator: hands the :class:`State` to a command as its first argument."""

__all__ = ["State", "operator_name", "pass_state"]
