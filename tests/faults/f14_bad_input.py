"""F14: 10,000 requests of random bytes at the WSGI boundary, at every path: no 5xx, and no memory kept."""

import io
import multiprocessing
import shutil
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import psutil
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp import migrations
from idp.app import build_services, create_app
from idp.db import Database
from idp.logging import configure
from idp.settings import Settings
from idp.settings.models import DatabaseSettings, Keys, Password
from idp.web.gateway import Gateway
from idp.web.parameters import FORM
from tests import cast
from tests.attacks.bad_input import NAMES
from tests.builders import OPERATOR
from tests.faults.ledger import Line
from tests.plain_browser import basic

REQUESTS = 10_000
_FIRST = 1_000
MOST_MIB = 20
_BEHIND = 100
_WORDS = (
    "code",
    "openid",
    "openid email offline_access",
    "S256",
    "A" * 43,
    "none",
    "login",
    "query",
    "form_post",
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "access_token",
    "{}",
    "paul",
)
"""Values that requests of ours hold."""
BODY = "body"

_RIGHT = {
    "/token": {"grant_type": "client_credentials"},
    "/introspect": {"token": "x"},
    "/revoke": {"token": "x"},
    "/par": {
        "response_type": "code",
        "redirect_uri": cast.REDIRECT,
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
    },
}
"""What a client may post there."""

#: PEP 3333: text whose characters are bytes
_LATIN = st.text(st.characters(max_codepoint=255), max_size=60)
_HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "AUTHORIZATION",
            "COOKIE",
            "ACCEPT",
            "ACCEPT_LANGUAGE",
            "ORIGIN",
            "SEC_FETCH_SITE",
            "X_FORWARDED_FOR",
            "IF_NONE_MATCH",
            "USER_AGENT",
            "REFERER",
            "RANGE",
            "DPOP",
            "X_CSRFTOKEN",
        ]
    ),
    _LATIN,
    max_size=5,
)
_TYPES = st.sampled_from([FORM, "multipart/form-data; boundary=B", "", "x/\xff"])
_METHODS = st.sampled_from(
    ["GET", "POST"] * 6 + ["HEAD"] * 2 + ["PUT", "DELETE", "OPTIONS", "PATCH", "X\xff"]
)
_LENGTHS = st.sampled_from([None] * 12 + ["", "-1", "9" * 30, "x", "5"])
_ENCODINGS = st.sampled_from(["utf-8", "utf-8", "latin-1"])
_PLAIN = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


class Known(NamedTuple):
    """What a request can name that there is."""

    paths: list[str]
    #: endpoints where clients say who they are
    machine: list[str]
    #: clients, what they are registered for, and words of the protocol
    words: list[str]
    #: an Authorization header that is right
    credentials: str


@st.composite
def requests(draw: st.DrawFn, known: Known) -> dict[str, Any]:
    """A request as a server hands it over, right in form and random in all else."""
    method, body = draw(_METHODS), draw(st.binary(max_size=200))
    pairs = draw(
        st.lists(st.tuples(st.sampled_from(NAMES), _LATIN | st.sampled_from(known.words)), max_size=8)
    )
    query = "&".join(f"{name}={value}" for name, value in pairs) + draw(st.just("") | _LATIN)
    if draw(st.integers(0, 7)):  # else bytes as they are, which the gateway refuses before anybody reads them
        query = quote(query, safe="=&", encoding=draw(_ENCODINGS), errors="replace")
    if method == "POST" and draw(st.booleans()):
        query, body = "", query.encode("latin-1")
    path = draw(st.sampled_from(known.paths) | st.sampled_from(known.machine) | _LATIN)
    length = draw(_LENGTHS)
    headers = {f"HTTP_{name}": value for name, value in draw(_HEADERS).items()}
    kind = draw(_TYPES)
    if draw(st.booleans()):
        headers["HTTP_AUTHORIZATION"] = known.credentials
        if path in _RIGHT and draw(st.booleans()):  # a right one, but for what is added to it
            method, kind, length, query = "POST", FORM, None, ""
            body = urlencode([*_RIGHT[path].items(), *pairs[:2]], encoding="latin-1").encode()
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": "/" + path.lstrip("/"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.9",
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(body)) if length is None else length,
        BODY: body,
        **headers,
    }


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Send them all, however long that takes; memory counts from the thousandth on.

    The product is a process of its own: what makes the requests keeps in mind which it has made.
    """
    ours, theirs = multiprocessing.Pipe()
    product = multiprocessing.get_context("spawn").Process(target=_answer, args=(theirs, folder))
    product.start()
    known = Known(*ours.recv())
    statuses: Counter[int] = Counter()
    read: Counter[int] = Counter()
    memory = psutil.Process(product.pid).memory_info

    def send_all(count: int) -> None:
        @settings(_PLAIN, max_examples=count)
        @given(requests(known))
        def one(facts: dict[str, Any]) -> None:
            ours.send(facts)
            status = ours.recv()
            statuses[status] += 1
            if facts["PATH_INFO"] in known.machine and facts.get("HTTP_AUTHORIZATION") == known.credentials:
                read[status] += 1

        one()

    send_all(_FIRST)
    before = memory().rss
    send_all(REQUESTS - _FIRST)
    grown = (memory().rss - before) / 2**20
    ours.send(None)
    product.join()
    yield from judged(statuses, read)
    yield Line(f"memory grows by less than {MOST_MIB} MiB", grown < MOST_MIB, f"{grown:.1f} MiB")


def judged(statuses: Counter[int], read: Counter[int]) -> Iterator[Line]:
    """Judge what came back.

    :param read: of requests by a client with its credentials.
    """
    wrong = sum(count for status, count in statuses.items() if status >= 500)
    counted = f"{statuses.total()} requests, statuses {dict(sorted(statuses.items()))}"
    yield Line("no 5xx", not wrong and statuses.total() == REQUESTS, counted)
    behind = sum(count for status, count in read.items() if status not in (401, 405, 413))
    held = behind >= _BEHIND and read[200] > 0
    counted = f"{behind} of {read.total()}, statuses {dict(sorted(read.items()))}"
    yield Line("requests get behind a client's credentials", held, counted)


def _answer(pipe: Connection, folder: Path) -> None:
    """Be the product: say which paths there are, then the status of each request until None comes."""
    configure(stream=io.StringIO(), level="error")
    gateway, words, credentials = _gateway(folder)
    machine = [path for method, path in gateway._dispatcher._routes if method == "POST"]
    pages: Any = gateway._pages
    paths = [path for _, path in gateway._dispatcher._routes]
    paths += [rule.rule for rule in pages.__self__.url_map.iter_rules()]
    pipe.send((paths, machine, words, credentials))
    while (facts := pipe.recv()) is not None:
        pipe.send(_status(gateway, _environ(facts, gateway._host)))


def _environ(facts: dict[str, Any], host: str) -> dict[str, Any]:
    return {
        **facts,
        "HTTP_HOST": host,
        "wsgi.input": io.BytesIO(facts[BODY]),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def _gateway(folder: Path) -> tuple[Gateway, list[str], str]:
    """Return an installation with clients, words that mean something there, and one's credentials."""
    shutil.rmtree(folder / "keys", ignore_errors=True)
    made = Settings(
        database=DatabaseSettings(url=f"sqlite:///{folder}/lotse.db"),
        keys=Keys(directory=folder / "keys"),
        password=Password(memory_kib=8, time_cost=1),
    )
    database = Database(made.database.url)
    migrations.upgrade(database)
    database.dispose()
    services = build_services(made)
    with services.database.session() as db:
        ctx = services.context(db, actor=OPERATOR)
        portal = cast.register(ctx)
        app, device = cast.register_public(ctx), cast.register_device(ctx)
        cast.person(ctx, "paul")
        db.commit()
    words = [portal.client_id, app.client_id, device.client_id, cast.REDIRECT, *_WORDS]
    return create_app(made, services), words, basic(portal.client_id, str(portal.secret))


def _status(gateway: Gateway, environ: dict[str, Any]) -> int:
    """Return the status, the body read to its end."""
    said: list[str] = []
    answer = gateway(environ, lambda status, _headers, _exc_info=None: said.append(status))
    b"".join(answer)
    close = getattr(answer, "close", None)
    if close is not None:
        close()
    return int(said[0][:3])
