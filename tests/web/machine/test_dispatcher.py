"""Method and path to handler (design §3)."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from idp.db import Look
from idp.installation import snapshot_changed
from idp.oidc.models import SigningKey
from tests.world import Desk, forget_snapshot, machine


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/token", "POST"),
        ("/introspect", "POST"),
        ("/revoke", "POST"),
        ("/par", "POST"),
        ("/userinfo", "GET, POST"),
        ("/jwks", "GET"),
        ("/.well-known/openid-configuration", "GET"),
        ("/health/live", "GET"),
    ],
)
def test_other_methods(desk: Desk, path: str, allowed: str) -> None:
    """405 with what is allowed."""
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
        answer = machine(desk.gateway, method, path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed), method


@pytest.mark.parametrize("path", ["/jwks", "/.well-known/oauth-authorization-server", "/health/live"])
def test_head_is_get_without_a_body(desk: Desk, path: str) -> None:
    """Same status and headers (RFC 9110 §9.3.2), the length too (§8.6)."""
    got, head = machine(desk.gateway, "GET", path), machine(desk.gateway, "HEAD", path)
    assert (head.status_code, head.data) == (got.status_code, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize("path", ["/token/", "/TOKEN", "/jwks.json", "/health"])
def test_neighbours_of_a_path_are_pages(desk: Desk, path: str) -> None:
    """Not found, as a page; no second spelling of an endpoint."""
    answer = machine(desk.gateway, "GET", path)
    assert answer.status_code == 404


def test_ready(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Database there, clock right, keys at hand (A3, A9)."""
    assert machine(desk.gateway, "GET", "/health/ready").status_code == 200
    late = datetime.now(UTC) + timedelta(seconds=5)
    with monkeypatch.context() as patched:
        patched.setattr(type(desk.services.database), "look", lambda _: Look(late, True))
        answer = machine(desk.gateway, "GET", "/health/ready")
        assert (answer.status_code, answer.get_json()["problems"]) == (503, ["clock"])
    with desk.work() as ctx:
        ctx.db.execute(update(SigningKey).where(SigningKey.state == "active").values(state="retired"))
        snapshot_changed(ctx.db)
    forget_snapshot(desk.gateway)
    answer = machine(desk.gateway, "GET", "/health/ready")
    assert (answer.status_code, answer.get_json()["problems"]) == (503, ["keys"])
