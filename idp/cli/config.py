"""``idp config``: the settings that count and where each comes from, and a check of a file (screens §4.2)."""

import re
from dataclasses import asdict
from typing import Any

import click
from pydantic import SecretStr

from idp.cli.output import as_json_option, write_done, write_json, write_table
from idp.cli.state import State, pass_state
from idp.settings import Settings, SettingsError, load
from idp.settings.loading import known_keys

_MASK = "********"
#: the password of a URL as a parameter, and before the host: up to the last @, for it may hold / and @;
#: who stands there without a password may be one (Redis takes it so)
_PARAMETER = re.compile(r"((?:^|[?&])\w*password=)[^&]*", re.IGNORECASE)
_BEFORE_HOST = re.compile(r"(?<=://)([^/@:%]*:)?.*(?=@)", re.DOTALL)


@click.group()
def config() -> None:
    """The settings of this installation."""


@config.command()
@click.option("--changed", is_flag=True, help="Leave out what has its default.")
@as_json_option
@pass_state
def show(state: State, changed: bool, as_json: bool) -> None:
    """Show each setting, its value and where it was set; secrets are masked."""
    loaded = load(state.config)
    rows = [
        {
            "key": key,
            "value": _shown(_value(loaded.settings, key)),
            "origin": loaded.origins.get(key, "default"),
        }
        for key in known_keys()
        if not changed or key in loaded.origins
    ]
    if as_json:
        write_json(rows)
    else:
        write_table(rows, empty="Every setting has its default.")


@config.command()
@as_json_option
@pass_state
def validate(state: State, *, as_json: bool) -> None:
    """Check the settings; ends with 5 and every problem where they are refused."""
    try:
        settings = load(state.config).settings
    except SettingsError as error:
        if as_json:
            write_json({"problems": [asdict(problem) for problem in error.problems]})
        raise
    sentence = f"The settings are sound: mode {settings.mode}, {settings.public_url}."
    facts = {"mode": settings.mode, "public_url": settings.public_url, "problems": []}
    write_done(sentence, as_json=as_json, **facts)


def _value(settings: Settings, key: str) -> Any:
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _shown(value: Any) -> Any:
    """Return a value as JSON has it, without any secret."""
    if isinstance(value, SecretStr):
        return _MASK
    if isinstance(value, tuple):
        return [str(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    shown = _PARAMETER.sub(rf"\1{_MASK}", str(value))
    return _BEFORE_HOST.sub(rf"\1{_MASK}", shown, count=1)
