"""Machine endpoints: which requests they read, how they refuse the rest (RFC 6749 §3.2; req 11, 28, 29)."""

import base64
from typing import Any

import pytest

from tests import cast
from tests.plain_browser import Portal, basic
from tests.world import Desk, forget_snapshot, machine

FORM = "application/x-www-form-urlencoded"
ENDPOINTS = ("/token", "/introspect", "/revoke")
READERS = (*ENDPOINTS, "/par")


def _post(
    desk: Desk, path: str, body: bytes | str, content_type: str = FORM, **options: Any
) -> tuple[int, Any]:
    headers = {"Authorization": basic("portal", desk.registered.secret or ""), **options.pop("headers", {})}
    answer = machine(
        desk.gateway, "POST", path, data=body, content_type=content_type, headers=headers, **options
    )
    return answer.status_code, answer.get_json(silent=True)


GRANT = "grant_type=client_credentials"

MALFORMED: list[tuple[str, bytes, str]] = [
    ("sent twice", b"grant_type=client_credentials&grant_type=client_credentials&token=x", FORM),
    ("sent twice, once empty", b"grant_type=client_credentials&token=x&scope=&scope=a", FORM),
    ("no UTF-8", b"grant_type=client_credentials&token=%ff", FORM),
    ("bytes that are no form", b"grant_type=client_credentials&token=\xff", FORM),
    ("NUL", b"grant_type=client_credentials&token=a%00b", FORM),
    ("NUL in a name", b"grant_type=client_credentials&token=x&a%00b=x", FORM),
    ("101 parameters", "&".join(f"p{n}=1" for n in range(101)).encode(), FORM),
    ("JSON", b'{"grant_type": "client_credentials", "token": "x"}', "application/json"),
    ("multipart", b"--x--", "multipart/form-data; boundary=x"),
    ("no content type", b"grant_type=client_credentials&token=x", ""),
    ("another charset's type", b"grant_type=client_credentials&token=x", "text/plain"),
]


def test_malformed_bodies(desk: Desk) -> None:
    """400 invalid_request at every endpoint, never a 5xx (Authlib takes duplicates)."""
    for path in READERS:
        for name, body, content_type in MALFORMED:
            status, answer = _post(desk, path, body, content_type)
            assert (status, answer["error"]) == (400, "invalid_request"), (path, name)


def test_parameters_in_the_query_are_refused(desk: Desk) -> None:
    """Also where the body has them (Authlib takes grant_type from the query alone)."""
    for path in READERS:
        for body in ("", f"{GRANT}&token=x"):
            status, answer = _post(desk, f"{path}?{GRANT}&token=x", body)
            assert (status, answer["error"]) == (400, "invalid_request")


def test_usual_variants_are_read(desk: Desk) -> None:
    """Content type in any case with a charset; a parameter without a value counts as left out."""
    assert _post(desk, "/token", GRANT, f"{FORM.upper()}; charset=utf-8")[0] == 200
    assert _post(desk, "/token", f"{GRANT}&scope=&client_secret=")[0] == 200


@pytest.mark.parametrize("path", ENDPOINTS)
def test_only_the_registered_method_at_every_endpoint(desk: Desk, path: str) -> None:
    """(req 18): Basic, in the body, none."""
    with desk.work() as ctx:
        posting = cast.register(ctx, "posting", token_endpoint_auth_method="client_secret_post")
    forget_snapshot(desk.gateway)
    form = {"grant_type": "client_credentials", "token": "x"}
    secret = {"client_secret": posting.secret}
    right = machine(desk.gateway, "POST", path, data={**form, "client_id": "posting", **secret})
    assert right.status_code == 200
    by_header = Portal(desk.gateway, posting).call(path, form)
    by_body = machine(
        desk.gateway,
        "POST",
        path,
        data={**form, "client_id": "portal", "client_secret": desk.registered.secret},
    )
    alone = machine(desk.gateway, "POST", path, data={**form, "client_id": "portal"})
    for answer in (by_header, by_body, alone):
        assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith('Basic realm="token endpoint", charset="UTF-8", error="invalid_client"')
        # some libraries for clients read no further
        assert f'error_description="{answer.get_json()["error_description"]}"' in challenge
    both = machine(
        desk.gateway,
        "POST",
        path,
        data={**form, "client_id": "portal", "client_secret": desk.registered.secret},
        headers={"Authorization": basic("portal", desk.registered.secret or "")},
    )
    assert (both.status_code, both.get_json()["error"]) == (400, "invalid_request")


def test_credentials_that_cannot_be_read(desk: Desk) -> None:
    """Not UTF-8, not base64, raw bytes: 401, where Authlib answers 500."""
    headers = [
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic \xff\xfe",
        "Basic !!!!",
        "Basic",
        "Bearer x",
        "Basic " + base64.b64encode(b"%ff:%ff").decode(),
    ]
    for header in headers:
        answer = machine(
            desk.gateway,
            "POST",
            "/token",
            data={"grant_type": "client_credentials"},
            environ_overrides={"HTTP_AUTHORIZATION": header},
        )
        assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client"), header


def test_nothing_is_cached(desk: Desk) -> None:
    """Success or not (req 28)."""
    for path in READERS:
        for body in (f"{GRANT}&token=x", "x=y"):
            headers = {"Authorization": basic("portal", desk.registered.secret or "")}
            answer = machine(desk.gateway, "POST", path, data=body, content_type=FORM, headers=headers)
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Pragma"] == "no-cache"


def test_errors_hold_allowed_characters_alone(desk: Desk) -> None:
    """RFC 6749 §5.2, whatever was sent."""
    allowed = set(map(chr, {*range(0x20, 0x7F)} - {0x22, 0x5C}))
    for body in (
        "grant_type=%22%5C%C3%A4",
        f"{GRANT}&scope=%22",
        "grant_type=authorization_code&code=%22%5C",
        "grant_type=refresh_token&refresh_token=%F0%9F%98%80",
        "",
    ):
        status, answer = _post(desk, "/token", body)
        assert status == 400
        assert set(answer) <= {"error", "error_description"}
        assert set(answer.get("error_description", "")) <= allowed


def test_the_connection_may_be_plain_behind_a_proxy(desk: Desk) -> None:
    """The request looks like http where a proxy ends TLS (Authlib: InsecureTransportError → 500)."""
    answer = machine(
        desk.gateway,
        "POST",
        "/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": basic("portal", desk.registered.secret or "")},
        environ_overrides={"wsgi.url_scheme": "http", "SERVER_PORT": "80"},
    )
    assert answer.status_code == 200


def test_no_cors_headers(desk: Desk) -> None:
    """No origin is registered anywhere, so none is answered (req 17)."""
    headers = {"Origin": "https://evil.example"}
    for method, path in (("GET", "/userinfo"), ("POST", "/token"), ("GET", "/jwks"), ("OPTIONS", "/token")):
        answer = machine(desk.gateway, method, path, headers=headers)
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
