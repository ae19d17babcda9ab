"""Pushed authorization requests: the same checks, earlier (RFC 9126; req 2, 14, 18, 22)."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import func, select
from werkzeug.test import Client, TestResponse

from idp.flows.models import Flow
from idp.management import clients
from idp.oidc.models import PushedRequest
from tests import cast
from tests.builders import OPERATOR
from tests.cast import REDIRECT
from tests.oidc.test_authorization_request import GOOD, REFUSED
from tests.plain_browser import Browser, Portal, basic
from tests.signers import Signer
from tests.world import Desk, forget_snapshot, machine

SIGNER = Signer()
Parameters = dict[str, str]
Source = Callable[[Desk, Parameters], TestResponse]


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """A portal that may sign its requests, and another one."""
    with desk.work() as ctx:
        registered = cast.register(ctx, "signer", jwks=SIGNER.jwks)
        cast.register(ctx, "other")
    forget_snapshot(desk.gateway)
    return Desk(desk.services, desk.gateway, registered, desk.account_id)


def _push(desk: Desk, parameters: Parameters) -> TestResponse:
    return desk.portal.call("/par", parameters)


def _browse(desk: Desk, parameters: Parameters, method: str = "GET") -> TestResponse:
    where = {"query_string": parameters} if method == "GET" else {"data": parameters}
    return Client(desk.gateway).open("/authorize", method=method, base_url=desk.issuer, **where)


def _post(desk: Desk, parameters: Parameters) -> TestResponse:
    return _browse(desk, parameters, "POST")


def _object(desk: Desk, parameters: Parameters) -> Parameters:
    return {"client_id": "signer", "request": SIGNER.request_object(desk.issuer, parameters)}


def _browse_object(desk: Desk, parameters: Parameters) -> TestResponse:
    return _browse(desk, _object(desk, parameters))


def _push_object(desk: Desk, parameters: Parameters) -> TestResponse:
    return _push(desk, _object(desk, parameters))


def _push_and_browse(desk: Desk, parameters: Parameters) -> TestResponse:
    """Push, and if that is taken send the browser with the reference."""
    answer = _push(desk, parameters)
    if answer.status_code != 201:
        return answer
    return _browse(desk, {"client_id": "signer", "request_uri": answer.get_json()["request_uri"]})


SOURCES: dict[str, Source] = {
    "query": _browse,
    "form": _post,
    "object": _browse_object,
    "pushed": _push_and_browse,
    "pushed object": _push_object,
}


def _heard(answer: TestResponse) -> tuple[str | None, str | None]:
    """Return error and description, wherever they stand."""
    if answer.status_code == 303:
        found = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    else:
        assert answer.status_code == 400
        found = answer.get_json()
    return found.get("error"), found.get("error_description")


def _fits(source: str, changes: dict[str, str | None]) -> bool:
    """Tell whether a case can come from a source: short enough, and no source inside a source."""
    if "request" in changes or "request_uri" in changes:
        return source in ("query", "form")
    long = sum(len(value or "") for value in changes.values()) > 5000
    return not long or source in ("form", "pushed")


@pytest.mark.parametrize("source", [name for name in SOURCES if name != "query"])
def test_each_source_has_the_same_checks(desk: Desk, source: str) -> None:
    """One table: what is refused, as what, and in which words, is the same whatever way it came.

    A NUL is refused earlier in a body, by the same error.
    """
    compared = 0
    for changes, code in REFUSED:
        wanted = GOOD | {"client_id": "signer"} | changes
        parameters = {name: value for name, value in wanted.items() if value}
        if not _fits(source, changes):
            continue
        found = _heard(SOURCES[source](desk, parameters))
        assert found[0] == code, changes
        if _fits("query", changes) and not any("\0" in f"{name}{value}" for name, value in changes.items()):
            assert found == _heard(_browse(desk, parameters)), changes
            compared += 1
    assert compared > 25


MISTAKES: list[dict[str, str | None]] = [
    {"redirect_uri": None},
    {"redirect_uri": "https://evil.example/"},
    {"redirect_uri": REDIRECT + "/"},
    {"redirect_uri": "https://evil.example/", "response_type": "token", "prompt": "none"},
]


def test_what_a_page_would_show_a_client_is_told(desk: Desk) -> None:
    """An unregistered redirect URI: 400 to who pushes, a page to who comes by browser, no row (req 2)."""
    for changes in MISTAKES:
        wanted = GOOD | {"client_id": "signer"} | changes
        parameters = {name: value for name, value in wanted.items() if value is not None}
        for source in SOURCES:
            answer = SOURCES[source](desk, parameters)
            assert answer.status_code == 400
            assert "Location" not in answer.headers
            if source.startswith("pushed"):
                assert answer.get_json()["error"] == "invalid_request"
                assert answer.get_json()["error_description"].startswith("redirect_uri must be")
            else:
                assert "<h1" in answer.text
    with desk.services.database.session() as db:
        assert [db.scalar(select(func.count()).select_from(table)) for table in (PushedRequest, Flow)] == [
            0,
            0,
        ]


def test_each_source_means_the_same(desk: Desk) -> None:
    """A request that is right ends in the same flow from all five sources."""
    wanted = GOOD | {
        "client_id": "signer",
        "state": "ä ö&=+",
        "nonce": "n",
        "scope": "openid email",
        "prompt": "login",
        "max_age": "60",
        "claims": '{"userinfo": {"name": null}, "id_token": {"sub": {"value": "somebody"}}}',
        "ui_locales": "en",
        "acr_values": "1 2",
        "login_hint": "paul",
        "organization": "100200300",
        "response_mode": "fragment",
        "dpop_jkt": "a" * 43,
    }
    for source in SOURCES.values():
        answer = source(desk, wanted)
        if answer.status_code == 201:
            answer = _browse(desk, {"client_id": "signer", "request_uri": answer.get_json()["request_uri"]})
        assert answer.status_code == 303
    with desk.services.database.session() as db:
        first, *others = db.scalars(select(Flow.request)).all()
    assert others == [first] * 4
    assert (first["state"], first["max_age"]) == ("ä ö&=+", 60)
    assert [name for name, value in first.items() if not value] == ["essential_acr", "resources"]


def test_a_whole_sign_in(desk: Desk) -> None:
    """201, a reference for the browser, and nothing else in the address; what stands beside it is ignored."""
    pushed = _push(desk, desk.portal.parameters())
    assert pushed.status_code == 201
    assert pushed.headers["Cache-Control"] == "no-store"
    answer = pushed.get_json()
    assert set(answer) == {"request_uri", "expires_in"}
    browser = Browser(desk.gateway)
    beside = {"scope": "email", "redirect_uri": REDIRECT, "state": "other"}
    browser.get("/authorize", client_id="signer", request_uri=answer["request_uri"], **beside)
    browser.sign_in("paul")
    assert desk.portal.answer(browser)["state"] == desk.portal.parameters()["state"]
    assert desk.portal.tokens(browser)["id_token"]


def test_a_reference_is_used_up_by_the_first_browser(desk: Desk) -> None:
    """Replay, and another client's: invalid_request_uri on a page, or at a registered address (req 14)."""
    uri = _push(desk, desk.portal.parameters()).get_json()["request_uri"]
    foreign = _browse(desk, {"client_id": "other", "request_uri": uri})
    assert (foreign.status_code, "Location" in foreign.headers) == (400, False)
    assert _browse(desk, {"client_id": "signer", "request_uri": uri}).status_code == 303
    again = _browse(desk, {"client_id": "signer", "request_uri": uri})
    assert (again.status_code, "Location" in again.headers) == (400, False)
    assert "invalid_request_uri" in again.text
    addressed = {"client_id": "signer", "request_uri": uri, "redirect_uri": REDIRECT, "state": "s"}
    assert _heard(_browse(desk, addressed))[0] == "invalid_request_uri"


def test_what_was_pushed_is_checked_again(desk: Desk) -> None:
    """The registration may have changed meanwhile: another address, a scope less, the client gone."""
    first, second, third = (
        {
            "client_id": "signer",
            "request_uri": _push(desk, desk.portal.parameters()).get_json()["request_uri"],
        }
        for _ in range(3)
    )
    registration = {
        "client_id": "signer",
        "redirect_uris": [REDIRECT],
        "scope": "openid",
        "first_party": True,
    }

    def change(**fields: Any) -> None:
        with desk.work() as ctx:
            clients.change(ctx.acting(OPERATOR), registration | fields)
        forget_snapshot(desk.gateway)

    change()
    assert _browse(desk, first).status_code == 303
    with desk.services.database.session() as db:
        assert db.scalars(select(Flow.request)).one()["scope"] == "openid"
    change(redirect_uris=[REDIRECT + "/new"])
    assert _browse(desk, second).status_code == 400
    with desk.work() as ctx:
        clients.disable(ctx.acting(OPERATOR), "signer")
    forget_snapshot(desk.gateway)
    assert _browse(desk, third).status_code == 400


def test_a_client_that_must_push(desk: Desk) -> None:
    """require_pushed_authorization_requests: by query, form and object it hears why not (RFC 9126 §6)."""
    with desk.work() as ctx:
        fields = {"jwks": SIGNER.jwks, "require_pushed_authorization_requests": True}
        registered = cast.register(ctx, "pusher", **fields)
    forget_snapshot(desk.gateway)
    portal = Portal(desk.gateway, registered)
    parameters = portal.parameters()
    signed = Signer("pusher").request_object(desk.issuer, parameters)
    for sent in (parameters, parameters | {"request": signed}):
        for method in ("GET", "POST"):
            error, description = _heard(_browse(desk, sent, method))
            assert error == "invalid_request"
            assert "must push" in (description or "")
    alone = _browse(desk, {"client_id": "pusher", "request": signed})
    assert (alone.status_code, "Location" in alone.headers) == (400, False)
    for pushed in (parameters, {"request": signed}):
        uri = portal.call("/par", pushed).get_json()["request_uri"]
        assert _browse(desk, {"client_id": "pusher", "request_uri": uri}).status_code == 303


def test_who_may_push(desk: Desk) -> None:
    """The registered authentication (req 18), for the client that authenticated; public ones by client_id."""
    parameters = desk.portal.parameters()
    alone = machine(desk.gateway, "POST", "/par", data=parameters)
    assert (alone.status_code, alone.get_json()["error"]) == (401, "invalid_client")
    headers = {"Authorization": basic("other", "x")}
    foreign = machine(desk.gateway, "POST", "/par", data=parameters, headers=headers)
    assert (foreign.status_code, foreign.get_json()["error"]) == (400, "invalid_request")
    with desk.work() as ctx:
        app = cast.register_public(ctx)
    forget_snapshot(desk.gateway)
    assert Portal(desk.gateway, app).call("/par", Portal(desk.gateway, app).parameters()).status_code == 201


def test_a_reference_cannot_be_pushed(desk: Desk) -> None:
    """RFC 9126 §2.1; nor may an object of another client (RFC 9126 §3)."""
    uri = _push(desk, desk.portal.parameters()).get_json()["request_uri"]
    for beside in ({}, desk.portal.parameters()):
        again = _push(desk, beside | {"request_uri": uri})
        assert (again.status_code, again.get_json()["error"]) == (400, "invalid_request")
    foreign = SIGNER.request_object(desk.issuer, desk.portal.parameters(client_id="other"))
    answer = _push(desk, {"request": foreign})
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request_object")


def test_only_what_is_read_is_kept(desk: Desk) -> None:
    """Whoever knows a public client's name can push: what means nothing fills no table."""
    form = desk.portal.parameters() | {"junk": "x" * 60_000, "prompt": "login", "display": "page"}
    ignored = {"junk", "display"}
    assert _push(desk, form).status_code == 201
    with desk.services.database.session() as db:
        (kept,) = db.scalars(select(PushedRequest.parameters))
    assert kept == {name: value for name, value in form.items() if name not in ignored}


def test_pushes_of_public_clients_are_counted(desk: Desk) -> None:
    """By network, as device requests are; whoever shows a secret is known (RFC 9126 §2.3)."""
    with desk.work() as ctx:
        browser_app = cast.register_public(ctx, "spa")
    forget_snapshot(desk.gateway)
    spa = Portal(desk.gateway, browser_app)
    form = spa.parameters()
    found = [spa.call_from("203.0.113.9", "/par", form).status_code for _ in range(61)]
    assert found == [201] * 60 + [429]
    answer = spa.call_from("203.0.113.9", "/par", form)
    assert int(answer.headers["Retry-After"]) > 0
    assert spa.call_from("203.0.113.10", "/par", form).status_code == 201
    assert desk.portal.call_from("203.0.113.9", "/par", desk.portal.parameters()).status_code == 201


def test_a_refused_push_says_no_state(desk: Desk) -> None:
    """The answer goes to the client itself, as the token endpoint's do (RFC 9126 §2.3)."""
    answer = _push(desk, desk.portal.parameters(prompt="made-up", state="s"))
    assert set(answer.get_json()) == {"error", "error_description"}


def test_no_secret_is_kept(desk: Desk) -> None:
    """Credentials of the push are no parameters of the request (design §7)."""
    signer = Signer("keyed")
    with desk.work() as ctx:
        posting = cast.register(ctx, "posting", token_endpoint_auth_method="client_secret_post")
        cast.register(ctx, "keyed", token_endpoint_auth_method="private_key_jwt", jwks=signer.jwks)
    forget_snapshot(desk.gateway)
    for credentials in (
        {"client_id": "posting", "client_secret": posting.secret or ""},
        signer.credentials(desk.issuer),
    ):
        form = desk.portal.parameters(client_id=None) | credentials
        assert machine(desk.gateway, "POST", "/par", data=form).status_code == 201
    with desk.services.database.session() as db:
        for parameters in db.scalars(select(PushedRequest.parameters)):
            assert not {"client_secret", "client_assertion", "client_assertion_type"} & set(parameters)
