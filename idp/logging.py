"""Log lines: one JSON object a line on standard output, with a request id and without secrets (req 105, 107).

Redaction works on names (a key that says ``token``) and on shapes (an address, a JWT, a query string), so
that a careless call loses its value, not our users' secrets.  Nothing here reads a request or the database.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import structlog

HIDDEN = "[hidden]"
_MAX_TEXT = 2000

_SECRET_NAME = re.compile(
    r"passw|secret|token|cookie|authori[sz]ation$|assertion|verifier|otp"
    r"|(^|_)(codes?|pin|seed|nonce)$",
    re.IGNORECASE,
)
# Names that say "token" or "code" and hold a plain word.
_PLAIN_NAME = re.compile(
    r"^(error_code|status_code|event_code|token_type|token_type_hint|token_endpoint_auth_method"
    r"|token_endpoint_auth_signing_alg|id_token_signed_response_alg|access_token_format"
    r"|dpop_bound_access_tokens)$"
)
_SHAPES = (
    (re.compile(r"eyJ[\w-]{5,}(\.[\w-]*)+"), HIDDEN),  # JWT, JWE
    (re.compile(r"\bat_[\w-]{43}"), HIDDEN),  # opaque access token
    (re.compile(r"(?i)\b(bearer|basic|dpop)\s+[\w~+/.=-]{6,}"), r"\1 " + HIDDEN),
    (re.compile(r"[^\s@<>\"'(),:;=]{1,64}@[\w-]+(\.[\w-]+)+"), HIDDEN),  # mail address
    (re.compile(r"\?[^\s\"'<>]*=[^\s\"'<>]*"), "?" + HIDDEN),  # query string
    (re.compile(r"#[\w.-]+=[^\s\"'<>]*"), "#" + HIDDEN),  # fragment of an answer
    (
        re.compile(r"(?i)(passw(?:or[dt])?|secret|token|code|cookie)(['\"]?\s*[=:]\s*['\"]?)[^\s,;&'\"]+"),
        r"\1\2" + HIDDEN,
    ),
)


def is_secret_name(name: str) -> bool:
    """Tell whether a field of this name must never be written down."""
    return bool(_SECRET_NAME.search(name)) and not _PLAIN_NAME.match(name)


def scrub(text: str) -> str:
    """Return text without what looks like an address, a token or a query string, cut at 2000 characters."""
    cut = text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"  # first: patterns cost by length
    for shape, replacement in _SHAPES:
        cut = shape.sub(replacement, cut)
    return cut


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: hide secrets by name and by shape, at any depth."""
    for key, value in event.items():
        event[key] = _clean(key, value)
    return event


def _clean(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return HIDDEN if is_secret_name(key) and value is not None and not isinstance(value, bool) else value
    if is_secret_name(key):
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(name): _clean(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return HIDDEN
    return scrub(str(value))


def _describe_exception(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace ``exc_info`` by type, place and scrubbed text; source lines and SQL parameters stay out."""
    found = event.pop("exc_info", None)
    error = sys.exc_info()[1] if found is True else found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["error_text"] = error_text(error)
        event["trace"] = _frames(error.__traceback__)
    return event


def error_text(error: BaseException) -> str:
    """Return what an exception says, scrubbed; of a database error only the driver's class and its code.

    The text of a database error quotes values of the row ("Key (username)=(anna) already exists").  Without a
    code it is about the connection, and its text says why there is none.
    """
    original = getattr(error, "orig", None)
    driver = original if isinstance(original, BaseException) else error
    if driver is error and not type(error).__module__.startswith(("psycopg", "sqlite3")):
        return scrub(str(error))
    name = type(driver).__name__
    code = getattr(driver, "sqlstate", None) or getattr(driver, "sqlite_errorname", None)
    if code is None and name == "OperationalError":
        code = " ".join(scrub(str(driver)).split())
    return f"{name} {code or ''}".rstrip()


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-12:]
    return [f"{frame.filename.rpartition('/idp/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


#: where lines of plain successes go directly; None where they go the usual way
_lean: dict[str, TextIO | None] = {"stream": None}

_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    _describe_exception,
    redact,
)


def configure(*, level: str = "info", format: str = "json", stream: TextIO | None = None) -> None:
    """Set up logging of this process, own lines and those of libraries alike; may be called again.

    :param level: ``debug``, ``info``, ``warning`` or ``error``.
    :param format: ``json`` for machines, ``text`` for a terminal.
    :param stream: where lines go, by default standard output.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(format)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    _lean["stream"] = handler.stream if format == "json" and root.isEnabledFor(logging.INFO) else None
    # Authlib writes whole tokens at DEBUG, SQLAlchemy parameters at INFO, httpcore headers at DEBUG.
    for name in ("authlib", "httpcore", "httpx"):
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    logging.getLogger("sqlalchemy").setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _renderer(format: str) -> structlog.typing.Processor:
    if format == "text":
        return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    return structlog.processors.JSONRenderer(ensure_ascii=True)


def request_line(
    *, request_id: str, method: str, path: str, status: int, took_ms: float, ip: str | None
) -> None:
    """Write the line of a request that succeeded, at a thirtieth of the usual cost.

    Nothing is cleaned here: every value is one of ours, and holds no character that JSON escapes.
    """
    stream = _lean["stream"]
    if stream is None:
        facts = {"request_id": request_id, "method": method, "path": path, "status": status}
        get_logger("idp.web.gateway").info("request", **facts, took_ms=took_ms, ip=ip)
        return
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    where = f'"{ip}"' if ip else "null"
    line = (
        f'{{"request_id": "{request_id}", "method": "{method}", "path": "{path}", "status": {status}, '
        f'"took_ms": {took_ms}, "ip": {where}, "event": "request", "level": "info", '
        f'"logger": "idp.web.gateway", "at": "{at}"}}\n'
    )
    try:
        stream.write(line)
        stream.flush()
    except (OSError, ValueError):
        pass  # as with every other line: a log that cannot be written fails no request


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


@contextmanager
def bound(**values: str | int | None) -> Iterator[None]:
    """Add values, such as ``request_id``, to every line written inside."""
    with structlog.contextvars.bound_contextvars(**values):
        yield
