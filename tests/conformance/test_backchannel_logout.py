"""Back-Channel Logout OP (conformance reference §7, req 47): the token as a real receiver gets it."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest

from idp.app import build_duties, create_app
from idp.db import Database
from idp.settings import Settings
from idp.web import signing_out
from idp.web.gateway import Gateway
from idp.worker import Worker
from tests import cast
from tests.cast import SIGNED_OUT
from tests.conformance.conftest import ISSUER, Op, metadata_of
from tests.installation import install_signing_keys, make_services, unit_of_work
from tests.plain_browser import Portal
from tests.world import ALL_SCOPES, verified

pytestmark = pytest.mark.alone_on("postgresql")

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class Receiver:
    """A portal's back-channel logout endpoint on a real socket."""

    address: str = ""
    status: int = 200
    forms: list[dict[str, str]] = field(default_factory=list)
    content_types: list[str] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.forms.append(dict(parse_qsl(body, strict_parsing=True)))
            found.content_types.append(self.headers["Content-Type"])
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.address = f"http://127.0.0.1:{server.server_port}/backchannel"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def op(settings: Settings, database: Database, receiver: Receiver) -> Op:
    """Two clients with receivers, and a third that did not register one."""
    services = make_services(settings, database)
    install_signing_keys(services)
    gateway = create_app(settings, services)
    uri = {"scope": ALL_SCOPES, "backchannel_logout_uri": receiver.address}
    with unit_of_work(services) as ctx:
        first = cast.register(ctx, "first", **uri)
        second = cast.register(ctx, "second", id_token_signed_response_alg="RS256", **uri)
        cast.register(ctx, "without")
        cast.person(ctx, "paul")
    return Op(services, gateway, Portal(gateway, first), Portal(gateway, second))


@pytest.fixture
def worker(op: Op) -> Iterator[Worker]:
    made = Worker(op.services, build_duties(op.services))
    yield made
    made.close()


def _sign_out(op: Op) -> dict[str, dict[str, Any]]:
    """Sign in at both portals, out at the first; returns the ID tokens' claims by client."""
    browser = op.browser()
    hint = op.log_in(browser)["id_token"]
    op.second.authorize(browser)
    tokens = {"first": hint, "second": op.second.tokens(browser)["id_token"]}
    browser.get("/logout", id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT)
    assert browser.url == SIGNED_OUT
    return {name: verified(op.gateway, token)[1] for name, token in tokens.items()}


def test_oidcc_backchannel_logout_discovery_endpoint_verification(provider: Gateway) -> None:
    """backchannel_logout_supported and _session_supported are true; end_session_endpoint is https."""
    metadata = metadata_of(provider)
    assert metadata["backchannel_logout_supported"] is True
    assert metadata["backchannel_logout_session_supported"] is True
    assert metadata["end_session_endpoint"] == f"{ISSUER}/logout"


def test_oidcc_backchannel_rp_initiated_logout(op: Op, worker: Worker, receiver: Receiver) -> None:
    """Each client of the session gets one token: iss, aud, iat, jti, events, sub and sid of its ID token, no
    nonce, the client's algorithm, a life of two minutes at most; the body holds nothing else.
    """
    id_tokens = _sign_out(op)
    worker.run_once(datetime.now(UTC))
    assert receiver.content_types == ["application/x-www-form-urlencoded"] * 2
    assert all(set(form) == {"logout_token"} for form in receiver.forms)
    seen = {}
    for form in receiver.forms:
        header, claims = verified(op.gateway, form["logout_token"])
        seen[claims["aud"]] = header["alg"]
        expected = id_tokens[claims["aud"]]
        assert header["typ"] == "logout+jwt"
        assert claims["iss"] == op.issuer
        assert claims["sub"] == expected["sub"]
        assert claims["sid"] == expected["sid"]
        assert claims["events"] == {EVENT: {}}
        assert "nonce" not in claims
        assert abs(time.time() - claims["iat"]) < 60
        assert 0 < claims["exp"] - claims["iat"] <= 120
        assert claims["jti"]
    assert seen == {"first": "ES256", "second": "RS256"}


@contextmanager
def _working(worker: Worker) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("status", [200, 400, 503])
def test_portals_hear_of_it_before_the_way_back(
    op: Op, worker: Worker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """The suite looks for the call when the browser comes back; who refuses it holds up nobody."""
    monkeypatch.setattr(signing_out, "PATIENCE_SECONDS", 600.0)
    receiver.status = status
    with _working(worker):
        _sign_out(op)
        assert len(receiver.forms) == 2


def test_few_wait_for_the_portals_at_a_time(op: Op, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two: a portal that answers slowly takes no more threads from the others (F13)."""
    monkeypatch.setattr(signing_out, "PATIENCE_SECONDS", 600.0)
    came_back = threading.Semaphore(0)

    def sign_out() -> None:
        _sign_out(op)
        came_back.release()

    people = [threading.Thread(target=sign_out) for _ in range(3)]
    for person in people:
        person.start()
    assert came_back.acquire(timeout=60)
    assert not came_back.acquire(timeout=0.5)
    with _working(worker):
        for person in people:
            person.join()


def test_a_logout_token_is_no_access_token_and_no_hint(op: Op, worker: Worker, receiver: Receiver) -> None:
    """It passes nowhere else (req 24)."""
    _sign_out(op)
    worker.run_once(datetime.now(UTC))
    token = receiver.forms[0]["logout_token"]
    assert op.client.userinfo(token).status_code == 401
    assert op.client.call("/introspect", {"token": token}).get_json() == {"active": False}
    assert op.browser().get("/logout", id_token_hint=token).status_code == 400


@pytest.mark.parametrize(("status", "attempts"), [(200, 1), (204, 1), (400, 1), (202, 2), (302, 2), (503, 2)])
def test_a_receiver_that_fails_is_asked_again(
    op: Op, worker: Worker, receiver: Receiver, status: int, attempts: int
) -> None:
    """Back-Channel Logout §2.8: 200 and 204 are success, 400 is final, anything else comes again later."""
    receiver.status = status
    browser = op.browser()
    hint = op.log_in(browser)["id_token"]
    browser.get("/logout", id_token_hint=hint)
    moment = datetime.now(UTC)
    worker.run_once(moment)
    assert len(receiver.forms) == 1
    receiver.status = 200
    worker.run_once(moment + timedelta(minutes=5))
    assert len(receiver.forms) == attempts


@pytest.mark.parametrize(("status", "said"), [(200, "abgemeldet"), (400, "hat nicht geantwortet")])
def test_the_page_says_how_each_portal_took_it(
    op: Op, worker: Worker, receiver: Receiver, status: int, said: str
) -> None:
    """L-13: the receipt of the sign-out, read from the outbox, portals by name."""
    receiver.status = status
    browser = op.browser()
    hint = op.log_in(browser)["id_token"]
    op.second.authorize(browser)
    browser.get("/logout", id_token_hint=hint)
    assert browser.page is not None
    assert _receipt(browser.page.text) == [("First", "wird abgemeldet"), ("Second", "wird abgemeldet")]
    worker.run_once(datetime.now(UTC))
    after = browser.get(browser.url.removeprefix(op.issuer)).text
    assert _receipt(after) == [("First", said), ("Second", said)]


def _receipt(page: str) -> list[tuple[str, str]]:
    """Return portals and what the page says of each."""
    row = r'<span class="name">(\w+)</span>\s*<span class="badge \w+"><svg.*?</svg>(.*?)</span>'
    return re.findall(row, page, re.DOTALL)
