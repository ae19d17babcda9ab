"""The endpoint of an old portal: what it may say, and everything else is "away" (req 32, 96, 105; C9)."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import select, update

from idp.accounts.legacy.models import LegacyAccount, LegacyDirectory
from idp.context import Services
from idp.errors import Refusal
from idp.management import legacy_directories, linking
from idp.management.apply import apply
from idp.settings.models import Egress
from tests.builders import OPERATOR, make_account
from tests.installation import unit_of_work
from tests.legacy import SLUG, link_account, make_directory, proof_of

SECRET = "canary-bearer-4711"
RIGHT = {
    "authenticated": True,
    "username": "kweber",
    "email": "kweber@alt.example",
    "permissions": ["Belege"],
    "security_question": True,
    "more": "is not read",
}


@dataclass
class OldPortal:
    """What it answers, and what it was asked."""

    content: Any = field(default_factory=lambda: dict(RIGHT))
    status: int = 200
    media_type: str = "application/json"
    asked: list[tuple[str | None, Any]] = field(default_factory=list)
    port: int = 0


@contextmanager
def serving() -> Iterator[OldPortal]:
    portal = OldPortal()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            portal.asked.append((self.headers["Authorization"], json.loads(body)))
            content = (
                portal.content if isinstance(portal.content, bytes) else json.dumps(portal.content).encode()
            )
            self.send_response(portal.status)
            self.send_header("Content-Type", portal.media_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:  # whoever asked has read enough
                pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    portal.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield portal
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def portal() -> Iterator[OldPortal]:
    with serving() as made:
        yield made


@pytest.fixture
def services(services: Services, portal: OldPortal) -> Services:
    """An installation that may reach this machine, with the directory and its secret."""
    settings = services.settings.model_copy(update={"egress": Egress(allow_loopback=True)})
    allowed = replace(services, settings=settings)
    with unit_of_work(allowed, actor=OPERATOR) as ctx:
        make_directory(ctx, kind="https", endpoint=f"http://127.0.0.1:{portal.port}/verify")
        legacy_directories.set_secret(ctx, SLUG, SECRET)
    return allowed


@pytest.fixture
def ben(services: Services) -> str:
    with unit_of_work(services, actor=OPERATOR) as ctx:
        return make_account(ctx)


def test_right_and_wrong(services: Services, portal: OldPortal, ben: str) -> None:
    """The question carries the secret; the answer makes an identity, or none."""
    identity = proof_of(services, ben, "K. Weber", "geheim ä").identity
    assert portal.asked == [(f"Bearer {SECRET}", {"username": "K. Weber", "password": "geheim ä"})]
    assert (identity.username, identity.email, identity.account_id) == ("kweber", "kweber@alt.example", None)
    assert (identity.permissions, identity.security_question) == (("Belege",), True)

    portal.content = {"authenticated": False}
    with pytest.raises(Refusal, match=r"link\.failed"):
        proof_of(services, ben, "kweber", "wrong")
    with pytest.raises(Refusal, match=r"link\.failed"):
        proof_of(services, ben, "kweber", "x" * 1025)
    assert len(portal.asked) == 2


def test_one_link_an_account(services: Services, portal: OldPortal, ben: str) -> None:
    """Its row comes with the first link and holds no hash; whoever is second learns that it is taken."""
    first, second = proof_of(services, ben), proof_of(services, ben)
    link_account(services, ben)
    with pytest.raises(Refusal, match=r"link\.taken"):
        proof_of(services, ben)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        for proof in (first, second):
            with pytest.raises(Refusal, match=r"link\.taken"):
                linking.link(ctx, proof)
        row = ctx.db.scalars(select(LegacyAccount)).one()
        assert (row.hash, row.owner_id) == (None, ben)


@pytest.mark.parametrize(
    "change",
    [
        {"status": 500},
        {"status": 401},
        {"status": 302},
        {"media_type": "text/html"},
        {"content": b"{"},
        {"content": b"[]"},
        {"content": {}},
        {"content": {"authenticated": "true", "username": "m"}},
        {"content": {"authenticated": True}},
        {"content": {"authenticated": True, "username": " "}},
        {"content": {"authenticated": True, "username": "a\nb"}},
        {"content": RIGHT | {"email": 7}},
        {"content": RIGHT | {"permissions": "Belege"}},
        {"content": b" " * (256 * 1024 + 1)},
    ],
)
def test_everything_else_is_away(
    services: Services, portal: OldPortal, ben: str, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is decided, the try is not counted, and no log line has a password, an answer or the secret."""
    for name, value in change.items():
        setattr(portal, name, value)
    for _ in range(7):  # more than are free of delays
        with pytest.raises(Refusal) as away:
            proof_of(services, ben, "kweber", "canary-password-99")
        assert away.value == Refusal("link.away", de="Servicewelt", en="Service world")
    portal.content, portal.status, portal.media_type = RIGHT, 200, "application/json"
    assert proof_of(services, ben, "kweber").identity.username == "kweber"
    for canary in ("canary-password-99", SECRET, "kweber@alt.example"):
        assert canary not in caplog.text


def test_a_portal_that_is_not_there(services: Services, ben: str) -> None:
    with unit_of_work(services, actor=OPERATOR) as ctx:
        ctx.db.execute(update(LegacyDirectory).values(endpoint="http://127.0.0.1:9/verify"))
    with pytest.raises(Refusal, match=r"link\.away"):
        proof_of(services, ben)


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1/", "https://169.254.169.254/", "https://10.0.0.1/verify"]
)
def test_inner_addresses_are_never_asked(services: Services, ben: str, endpoint: str) -> None:
    """The egress guard judges the endpoint as every other URL (req 32)."""
    guarded = replace(services, settings=services.settings.model_copy(update={"egress": Egress()}))
    with unit_of_work(services, actor=OPERATOR) as ctx:
        ctx.db.execute(update(LegacyDirectory).values(endpoint=endpoint))
    with pytest.raises(Refusal, match=r"link\.away"):
        proof_of(guarded, ben)


def test_the_secret_is_write_only(services: Services, portal: OldPortal, ben: str) -> None:
    """Sealed at rest; gone with another endpoint, and damaged it is away, not a 500 (req 96)."""
    with services.database.reading() as db:
        sealed = db.scalars(select(LegacyDirectory.bearer)).one()
    assert sealed is not None
    assert SECRET.encode() not in sealed
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert SECRET not in repr(legacy_directories.find(ctx, SLUG))
        ctx.db.execute(update(LegacyDirectory).values(bearer=b"\x01 damaged"))
    with pytest.raises(Refusal, match=r"link\.away"):
        proof_of(services, ben)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        legacy_directories.set_secret(ctx, SLUG, SECRET)
        table = {
            "slug": SLUG,
            "name": {"de": "Servicewelt", "en": "Service world"},
            "kind": "https",
            "endpoint": f"http://localhost:{portal.port}/verify",
        }
        (change,) = apply(ctx, {"legacy_directory": [table]})
        assert change.detail == ("endpoint",)
    with pytest.raises(Refusal, match=r"link\.away"):
        proof_of(services, ben)
    assert portal.asked == []
