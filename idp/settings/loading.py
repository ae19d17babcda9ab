"""Reading settings from file, environment and flags, with every problem found in one pass."""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, PydanticBaseSettingsSource

from idp.settings.contradictions import contradictions
from idp.settings.models import Settings

PREFIX = "LOTSE_"
#: names with our prefix that are no settings
_NOT_SETTINGS = re.compile(r"LOTSE_(CONFIG$|TEST_)")
_HEADER = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z0-9_.\-\"' ]+?)\s*=")
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_SQLITE_FILE = "sqlite:///"
_SUFFIX_OF_FILES = "_file"

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where it stands, which key, why."""

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


class SettingsError(Exception):
    """The settings are refused; carries every problem found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each key that is not a default where it was set."""

    settings: Settings
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Source:
    """Values of one origin as nested tables, and how that origin names a key's place."""

    values: Values
    where: Callable[[str], str]

    def get(self, key: str) -> Any:
        """Return the value at a dotted key, or None."""
        here: Any = self.values
        for part in key.split("."):
            here = here.get(part) if isinstance(here, dict) else None
        return here

    def drop(self, key: str) -> None:
        """Forget a value that is refused, so that the rest can be judged."""
        *path, last = key.split(".")
        table = self.get(".".join(path)) if path else self.values
        if isinstance(table, dict):
            table.pop(last, None)


def _sections() -> dict[str, type[BaseModel] | None]:
    """Return the top-level names, each with its section's model, or None for a plain key."""
    found: dict[str, type[BaseModel] | None] = {}
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        found[name] = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return found


def known_keys() -> tuple[str, ...]:
    """Return every key, dotted, in the order of the models."""
    keys: list[str] = []
    for name, section in _sections().items():
        keys += [name] if section is None else [f"{name}.{key}" for key in section.model_fields]
    return tuple(keys)


def load_settings(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings; see :func:`load`."""
    return load(path, environ, overrides).settings


def load(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Loaded:
    """Read, merge and check the settings.

    :param path: the file of ``--config``; None means the one ``LOTSE_CONFIG`` names, or none.
    :param environ: the environment, by default this process's.
    :param overrides: flags by dotted key; those that are None were not given.
    :raises SettingsError: with all problems of all origins.
    """
    environ = os.environ if environ is None else environ
    if path is None and environ.get("LOTSE_CONFIG"):
        path = Path(environ["LOTSE_CONFIG"])
    problems: list[Problem] = []
    # highest first
    sources = [_flags(overrides or {}), _environment(environ, problems)]
    if path is not None:
        sources.append(_file(path, problems))
    for source in sources:
        problems += _read_secret_files(source)
    beside_it = [] if path is None else [_default_paths(path.resolve().parent)]
    settings = _validate(sources + beside_it, problems)
    if problems:
        raise SettingsError(problems)
    origins = {key: _first(sources, key).where(key) for key in known_keys() if _is_set(sources, key)}
    return Loaded(settings, origins)


def _flags(overrides: Mapping[str, Any]) -> _Source:
    values: Values = {}
    for key, value in overrides.items():
        if value is not None:
            *path, last = key.split(".")
            table = values
            for part in path:
                table = table.setdefault(part, {})
            table[last] = value
    return _Source(values, lambda key: "command line")


def _variable(key: str) -> str:
    return PREFIX + key.replace(".", "__").upper()


def _environment(environ: Mapping[str, str], problems: list[Problem]) -> _Source:
    """Take the variables that name a key; any other with our prefix is a problem, not a comment."""
    known = {_variable(key): key for key in known_keys()}
    taken: dict[str, str] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or _NOT_SETTINGS.match(name):
            continue
        if name in known:
            taken[name.lower()] = value
        else:
            nearest = difflib.get_close_matches(name, known, n=1)
            problems.append(Problem(name, "", _unknown("variable", nearest)))
    source = EnvSettingsSource(Settings)
    source.env_vars = taken
    return _Source(source(), lambda key: _variable(key))


def _file(path: Path, problems: list[Problem]) -> _Source:
    """Read the file; a file that cannot be read at all counts as empty, and as a problem."""
    try:
        text = path.read_text("utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        problems.append(Problem(str(path), "", f"cannot be read: {error.strerror}"))
        return _Source({}, lambda key: str(path))
    except UnicodeDecodeError:
        problems.append(Problem(str(path), "", "is not UTF-8 text"))
        return _Source({}, lambda key: str(path))
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = place[1] if place and place[1] else len(text.splitlines())
        problems.append(Problem(f"{path}:{line}", "", f"is not TOML: {_TOML_PLACE.sub('', str(error))}"))
        return _Source({}, lambda key: str(path))
    lines = _key_lines(text)

    def where(key: str) -> str:
        while key not in lines and "." in key:
            key = key.rpartition(".")[0]  # an inline table has one line for all its keys
        return f"{path}:{lines[key]}" if key in lines else str(path)

    source = _Source(values, where)
    for key in list(_unknown_keys(values)):
        problems.append(Problem(where(key), key, _unknown("key", _nearest(key))))
        source.drop(key)
    _rebase(source, path.resolve().parent)
    return source


def _key_lines(text: str) -> dict[str, int]:
    """Return the line of each header and assignment; ``tomllib`` keeps none."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _dotted(header[1])
            lines.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            key = _dotted(assignment[1])
            lines.setdefault(f"{table}.{key}" if table else key, number)
    return lines


def _dotted(text: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in text.split("."))


def _unknown_keys(values: Values) -> Iterator[str]:
    for name, section in _sections().items():
        inner = values.get(name)
        if section is not None and isinstance(inner, dict):
            yield from (f"{name}.{key}" for key in inner if key not in section.model_fields)
    yield from (name for name in values if name not in _sections())


def _nearest(key: str) -> list[str]:
    """Return the known key most like *key*: the same word in another section goes before a similar one."""
    keys = [*known_keys(), *_sections()]
    last = key.rpartition(".")[2]
    moved = [known for known in known_keys() if known.rpartition(".")[2] == last]
    similar = difflib.get_close_matches(key, keys, n=1) if "." in key or key in keys else []
    return (
        moved
        or similar
        or difflib.get_close_matches(key, [k for k in keys if ("." in k) == ("." in key)], n=1)
    )


def _unknown(what: str, nearest: list[str]) -> str:
    return f"unknown {what}" + (f"; the nearest known one is {nearest[0]}" if nearest else "")


def _rebase(source: _Source, folder: Path) -> None:
    """Make relative paths in a file relative to that file, wherever the program is started."""
    for key in known_keys():
        value = source.get(key)
        if not isinstance(value, str) or not value:
            continue
        *path, last = key.split(".")
        table = source.get(".".join(path)) if path else source.values
        if _is_path(key):
            table[last] = str(folder / value)
        elif value.startswith(_SQLITE_FILE) and not value.startswith(
            (_SQLITE_FILE + "/", _SQLITE_FILE + ":")
        ):
            table[last] = _SQLITE_FILE + str(folder / value.removeprefix(_SQLITE_FILE))


def _default_paths(folder: Path) -> _Source:
    """Return the defaults that are paths, as if they stood in a file of that folder."""
    wanted = {"database": {"url"}, "keys": {"directory"}}
    source = _Source(Settings().model_dump(mode="json", include=wanted), lambda key: "default")
    _rebase(source, folder)
    return source


def _is_path(key: str) -> bool:
    name, _, inner = key.partition(".")
    section = _sections()[name]
    return section is not None and section.model_fields[inner].annotation in (Path, Path | None)


def _read_secret_files(source: _Source) -> Iterator[Problem]:
    """Put the content of ``X_file`` into ``X``, as mounted secrets are given."""
    for file_key in known_keys():
        key = file_key.removesuffix(_SUFFIX_OF_FILES)
        if key == file_key or key not in known_keys() or not source.get(file_key):
            continue
        if source.get(key) is not None:
            yield Problem(source.where(file_key), file_key, f"set this or {key}, not both")
            continue
        try:
            content = Path(source.get(file_key)).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            yield Problem(source.where(file_key), file_key, f"cannot read {source.get(file_key)}")
            continue
        name, _, inner = key.partition(".")
        source.values[name][inner] = content


def _validate(sources: list[_Source], problems: list[Problem]) -> Settings:
    """Return the merged settings; refused values are noted and dropped, and the rest judged together."""
    noted = len(problems)
    try:
        settings = _merge(sources)
    except ValidationError as error:
        for details in error.errors():
            key = _key_of(details)
            source = _first(sources, key)
            problems.append(Problem(source.where(key), key, _message(details)))
            for each in sources:
                each.drop(key)
        settings = _merge(sources)
    refused = {problem.key for problem in problems[noted:]}
    for key, message in contradictions(settings):
        if key not in refused:
            problems.append(
                Problem(_first(sources, key).where(key) if _is_set(sources, key) else "default", key, message)
            )
    return settings


def _merge(sources: list[_Source]) -> Settings:
    """Let pydantic-settings merge the origins, highest first, and validate the result."""

    class Merged(Settings):
        """Settings with their sources."""

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(InitSettingsSource(settings_cls, source.values) for source in sources)

    # a plain Settings again: a local class cannot be handed to another process
    return Settings(**Merged().model_dump())


def _key_of(details: ErrorDetails) -> str:
    """Return the dotted key an error belongs to, without a position inside its value."""
    return ".".join(str(part) for part in details["loc"][:2])


def _message(details: ErrorDetails) -> str:
    if details["type"] in ("model_type", "model_attributes_type"):
        return f"must be a section: [{_key_of(details)}]"
    text = details["msg"].removeprefix("Value error, ")
    text = text.replace("Input should be", "must be").replace("String should", "must")
    return text[0].lower() + text[1:]


def _is_set(sources: list[_Source], key: str) -> bool:
    return any(source.get(key) is not None for source in sources)


def _first(sources: list[_Source], key: str) -> _Source:
    """Return the origin whose value counts."""
    return next((source for source in sources if source.get(key) is not None), sources[-1])
