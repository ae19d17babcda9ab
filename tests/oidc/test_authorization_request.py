"""Reading an authorization request: what is shown, what is redirected, what is kept (req 2, 4, 11, 29)."""

import json
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import OAuth2Error

from idp.context import Origin
from idp.oidc.authorization_request import AuthorizationRequest, RelyingPartyMistake, read
from idp.oidc.request import Exchange
from tests import cast
from tests.builders import make_client
from tests.world import CHALLENGE, Desk, forget_snapshot, now

GOOD = {
    "response_type": "code",
    "client_id": "portal",
    "redirect_uri": cast.REDIRECT,
    "scope": "openid",
    "state": "s",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
AAL2 = "urn:lotse:acr:aal2"


def _read(desk: Desk, changes: dict[str, str | None], *more: tuple[str, str]) -> AuthorizationRequest:
    server = desk.gateway.server
    exchange = Exchange(server.provider.snapshots.current(), now(), Origin())
    pairs = [(name, value) for name, value in (GOOD | changes).items() if value is not None]
    return read(server, exchange, "GET", [*pairs, *more])


def _refusal(desk: Desk, changes: dict[str, str | None], *more: tuple[str, str]) -> OAuth2Error:
    with pytest.raises(OAuth2Error) as caught:
        _read(desk, changes, *more)
    return caught.value


def _mistake(desk: Desk, changes: dict[str, str | None], *more: tuple[str, str]) -> RelyingPartyMistake:
    with pytest.raises(RelyingPartyMistake) as caught:
        _read(desk, changes, *more)
    return caught.value


def test_an_uncertain_client_is_never_redirected(desk: Desk) -> None:
    """Whatever else is wrong (req 2)."""
    also = ({}, {"response_type": "x"}, {"scope": 'a"'}, {"prompt": "none login"}, {"redirect_uri": "x"})
    for client_id in (None, "", "unknown", "Portal", "portal ", "por\0tal", "x" * 5000, 'a"b'):
        for wrong in also:
            mistake = _mistake(desk, {"client_id": client_id, **wrong})
            assert (mistake.parameter, mistake.client) == ("client_id", None)


def test_an_uncertain_redirect_uri_is_never_redirected(desk: Desk) -> None:
    """Whatever else is wrong (req 2); quotes and umlauts raise a ValueError in Authlib."""
    uris = (None, "", "https://evil.example/", cast.REDIRECT + "/", cast.REDIRECT + "?", 'https://x/"ä')
    for uri in uris:
        for wrong in ({}, {"response_type": "token"}, {"scope": "ä"}, {"request": "x"}):
            mistake = _mistake(desk, {"redirect_uri": uri, **wrong})
            # without any address the request object is what could have had one
            assert mistake.parameter == ("request" if "request" in wrong and not uri else "redirect_uri")
            assert mistake.client is not None


def test_repeated_names_that_decide_where_to_go(desk: Desk) -> None:
    """Shown, not redirected (req 11)."""
    for name in ("client_id", "redirect_uri"):
        assert _mistake(desk, {}, (name, GOOD[name])).parameter == name


def test_repeated_parameters(desk: Desk) -> None:
    """invalid_request at the portal; a repeated state is not guessed (req 11)."""
    for name in ("response_type", "scope", "state", "nonce", "code_challenge", 'x"y'):
        error = _refusal(desk, {name: "code" if name == "response_type" else "v"}, (name, "w"))
        assert (error.error, error.redirect_uri) == ("invalid_request", cast.REDIRECT), name
        assert error.state == (None if name == "state" else "s")


def _nested(depth: int) -> str:
    return '{"id_token": {"email": {"value": %s}}}' % ("[" * depth + "]" * depth)


PHR = "urn:lotse:acr:aal2-phr"
AAL1 = "urn:lotse:acr:aal1"


def _essential(*values: str) -> dict[str, Any]:
    return {"id_token": {"acr": {"essential": True, "values": list(values)}}}


REFUSED: list[tuple[dict[str, str | None], str]] = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": ""}, "invalid_request"),
    *(
        ({"response_type": value}, "unsupported_response_type")
        for value in ("token", "id_token", "code token", "code id_token", "none", 'a"b', "ä", "code\\")
    ),
    ({"response_mode": "made-up"}, "invalid_request"),
    ({"response_mode": "form_post.jwt"}, "invalid_request"),
    ({"request": "eyJ"}, "invalid_request_object"),
    ({"request_uri": "https://x/"}, "request_uri_not_supported"),
    ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request_uri"),
    ({"request_uri": "urn:ietf:params:oauth:request_uri:x", "request": "eyJ"}, "invalid_request"),
    ({"registration": "{}"}, "registration_not_supported"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": 'S256"'}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": CHALLENGE + "="}, "invalid_request"),
    ({"code_challenge": CHALLENGE[:-1] + "+"}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "made-up"}, "invalid_request"),
    ({"prompt": "create"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "1.5"}, "invalid_request"),
    ({"max_age": "٣"}, "invalid_request"),
    ({"max_age": "9" * 10}, "invalid_request"),
    ({"claims": "no json"}, "invalid_request"),
    *(({"claims": _nested(depth)}, "invalid_request") for depth in (4, 100, 500, 5000)),
    ({"claims": "[]"}, "invalid_request"),
    ({"claims": "[" * 20_000}, "invalid_request"),
    ({"claims": "9" * 5000}, "invalid_request"),
    ({"claims": '{"id_token":{"email":{"value":NaN}}}'}, "invalid_request"),
    ({"claims": '{"id_token":{"email":{"value":1e999}}}'}, "invalid_request"),
    ({"claims": '{"id_token":{"sub":{"values":["x","y"]}}}'}, "invalid_request"),
    ({"id_token_hint": "no.token.atall"}, "invalid_request"),
    ({"id_token_hint": "garbage"}, "invalid_request"),
    ({"scope": " ".join(f"s{n}" for n in range(51))}, "invalid_scope"),
    *(({"scope": scope}, "invalid_scope") for scope in ("", "openid,profile", "openid+profile", "OpenID")),
    ({"scope": "x" * 1025}, "invalid_request"),
    ({"nonce": "n" * 1025}, "invalid_request"),
    ({"nonce": "a\0b"}, "invalid_request"),
    ({"login_hint": "l" * 321}, "invalid_request"),
    ({"organization": "o" * 65}, "invalid_request"),
    ({"ui_locales": "de\r\nX: y"}, "invalid_request"),
    ({"ui_locales": "de\x7f"}, "invalid_request"),
    ({"x\0y": "a\0b"}, "invalid_request"),
]


def test_the_portal_hears_what_is_wrong(desk: Desk) -> None:
    """At the registered URI, with the state, in characters RFC 6749 allows; ``code`` alone exists (req 9)."""
    allowed = set(map(chr, {*range(0x20, 0x7F)} - {0x22, 0x5C}))
    for changes, code in REFUSED:
        error = _refusal(desk, changes)
        assert error.error == code, changes
        assert (error.redirect_uri, error.response_mode, error.state) == (cast.REDIRECT, "query", "s")
        assert set(error.description or "") <= allowed


def test_a_state_that_cannot_travel_is_left_out(desk: Desk) -> None:
    """It would break the header line, or be somebody's kilobytes."""
    for state in ("a\0b", "a\r\nb", "s" * 4097):
        error = _refusal(desk, {"state": state})
        assert (error.error, error.state) == ("invalid_request", None)


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
def test_errors_travel_as_asked_for(desk: Desk, mode: str) -> None:
    """Each mistake, whatever source it comes from; only a mode that is no mode goes by query."""
    for changes, code in REFUSED:
        if "response_mode" not in changes:
            error = _refusal(desk, changes | {"response_mode": mode})
            assert (error.error, error.response_mode) == (code, mode), changes
    assert _read(desk, {"response_mode": mode}).response_mode == mode
    repeated = _refusal(desk, {"response_mode": mode}, ("response_mode", mode))
    assert (repeated.error, repeated.response_mode) == ("invalid_request", "query")


def test_no_form_for_an_app(desk: Desk) -> None:
    """It is opened with an address alone; the error goes where it can be read."""
    uri = "com.example.app:/callback"
    with desk.work() as ctx:
        make_client(ctx, "app", kind="native", redirect_uris=[uri])
    forget_snapshot(desk.gateway)
    app: dict[str, str | None] = {"client_id": "app", "redirect_uri": uri}
    error = _refusal(desk, app | {"response_mode": "form_post"})
    assert (error.error, error.response_mode, error.redirect_uri) == ("invalid_request", "query", uri)
    assert _read(desk, app | {"response_mode": "fragment"}).response_mode == "fragment"


def test_claims_within_the_scopes_of_a_client(desk: Desk) -> None:
    """By name nobody gets what its registration does not have (C20)."""
    with desk.work() as ctx:
        cast.register(ctx, "narrow", scope="openid email")
    forget_snapshot(desk.gateway)
    asked = {"id_token": {"email": None, "address": None, "acr": None}, "userinfo": {"name": None}}
    found = _read(desk, {"client_id": "narrow", "claims": json.dumps(asked)})
    assert found.claims == {"id_token": {"email": None, "acr": None}}


def test_what_is_kept(desk: Desk) -> None:
    """Each value read once; what the client may not have is left out; unknown parameters are ignored."""
    claims = {"userinfo": {"name": None}}
    found = _read(
        desk,
        {
            "scope": "openid email made-up offline_access email",
            "nonce": "n",
            "prompt": "login select_account login",
            "max_age": "0",
            "login_hint": "paul",
            "acr_values": f"x {AAL2}",
            "claims": json.dumps(claims),
            "ui_locales": "en de",
            "organization": "100200300",
            "response_mode": "fragment",
            "extra": "foobar",
            "claims_locales": "de",
            "display": "",
        },
    )
    assert found == AuthorizationRequest(
        client_id="portal",
        redirect_uri=cast.REDIRECT,
        scope="openid email",
        response_mode="fragment",
        state="s",
        nonce="n",
        code_challenge=CHALLENGE,
        prompt=("login", "select_account"),
        max_age=0,
        login_hint="paul",
        acr_values=("x", AAL2),
        claims=claims,
        ui_locales="en de",
        organization="100200300",
    )
    assert AuthorizationRequest.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    ("fields", "changes", "expected"),
    [
        ({}, {}, ((), False)),
        ({}, {"acr_values": "1"}, (("1",), False)),
        ({"default_acr_values": [AAL2]}, {}, ((AAL2,), True)),
        ({"default_acr_values": [AAL2]}, {"acr_values": "1"}, ((AAL2,), True)),
        ({"default_acr_values": [AAL2]}, {"claims": _essential(AAL1)}, ((AAL2,), True)),
        ({"default_acr_values": [AAL2]}, {"claims": _essential(AAL1, AAL2, PHR)}, ((AAL2, PHR), True)),
        ({"default_acr_values": [AAL2]}, {"claims": _essential("made-up")}, ((AAL2,), True)),
        ({}, {"claims": {"id_token": {"acr": {"value": AAL2}}}}, ((AAL2,), False)),
        ({}, {"claims": {"id_token": {"acr": {"value": AAL2}}}, "acr_values": "1"}, ((AAL2,), False)),
        ({}, {"claims": {"id_token": {"acr": {"value": AAL2, "essential": True}}}}, ((AAL2,), True)),
        ({}, {"claims": {"id_token": {"acr": {"essential": True}}}, "acr_values": "1"}, (("1",), False)),
    ],
)
def test_levels(
    desk: Desk, fields: dict[str, Any], changes: dict[str, Any], expected: tuple[tuple[str, ...], bool]
) -> None:
    """Essential acr and the client's own demand are musts, acr_values a wish (design §2)."""
    with desk.work() as ctx:
        cast.register(ctx, "other", **fields)
    forget_snapshot(desk.gateway)
    sent = {name: json.dumps(value) if name == "claims" else value for name, value in changes.items()}
    found = _read(desk, {"client_id": "other", **sent})
    assert (found.acr_values, found.essential_acr) == expected


def test_the_clients_max_age_holds_where_none_is_sent(desk: Desk) -> None:
    """default_max_age (OIDC Registration §2)."""
    with desk.work() as ctx:
        cast.register(ctx, "other", default_max_age=300)
    forget_snapshot(desk.gateway)
    assert _read(desk, {"client_id": "other"}).max_age == 300
    assert _read(desk, {"client_id": "other", "max_age": "5"}).max_age == 5


def test_hints(desk: Desk) -> None:
    """An ID token of ours, also expired; no access token, none of another issuer; claims may demand a sub."""
    tokens = desk.tokens()
    keys = desk.gateway.server.provider.snapshots.current().keys
    sub = _read(desk, {"id_token_hint": tokens["id_token"]}).hinted_sub
    assert sub
    old = keys.sign({"iss": desk.issuer, "sub": sub, "exp": 1}, alg="ES256", typ="JWT")
    assert _read(desk, {"id_token_hint": old}).hinted_sub == sub
    foreign = keys.sign({"iss": "https://other.example", "sub": sub}, alg="ES256", typ="JWT")
    for wrong in (tokens["access_token"], foreign):
        assert _refusal(desk, {"id_token_hint": wrong}).error == "invalid_request"
    demanded = json.dumps({"id_token": {"sub": {"value": sub}}})
    assert _read(desk, {"claims": demanded}).hinted_sub == sub
    assert _read(desk, {"claims": demanded, "id_token_hint": old}).hinted_sub == sub
    other = json.dumps({"id_token": {"sub": {"value": "somebody else"}}})
    assert _refusal(desk, {"claims": other, "id_token_hint": old}).error == "invalid_request"


def test_a_client_without_the_response_type(desk: Desk) -> None:
    """A machine client has no redirect URI at all, so there is nowhere to go."""
    with desk.work() as ctx:
        cast.register_api(ctx)
    forget_snapshot(desk.gateway)
    with pytest.raises(RelyingPartyMistake):
        _read(desk, {"client_id": "orders-api"})


def test_a_parameter_twice_beside_a_reference(desk: Desk) -> None:
    """invalid_request, and the reference is not used up (RFC 6749 §3.1; req 11)."""
    form = {"response_type": "code", "redirect_uri": cast.REDIRECT, "scope": "openid"}
    pushed = desk.portal.call("/par", form | {"code_challenge": CHALLENGE, "code_challenge_method": "S256"})
    uri = pushed.get_json()["request_uri"]
    server = desk.gateway.server

    def asked(*more: tuple[str, str]) -> AuthorizationRequest:
        exchange = Exchange(server.provider.snapshots.current(), now(), Origin())
        pairs = [("client_id", "portal"), ("redirect_uri", cast.REDIRECT), ("request_uri", uri), *more]
        return read(server, exchange, "GET", pairs)

    for more in ([("request_uri", uri)], [("state", "a"), ("state", "b")]):
        with pytest.raises(OAuth2Error) as refused:
            asked(*more)
        assert refused.value.error == "invalid_request"
    assert asked().scope == "openid"


def test_a_method_without_a_challenge(desk: Desk) -> None:
    """Somebody took the challenge out: refused, also at a client that may come without (RFC 9700 §4.8.2)."""
    with desk.work() as ctx:
        cast.register(ctx, "lax", require_pkce=False)
    forget_snapshot(desk.gateway)
    server = desk.gateway.server
    exchange = Exchange(server.provider.snapshots.current(), now(), Origin())
    plain = {"client_id": "lax", "redirect_uri": cast.REDIRECT, "response_type": "code", "scope": "openid"}
    assert read(server, exchange, "GET", plain.items()).code_challenge is None
    with pytest.raises(OAuth2Error, match="code_challenge is missing"):
        read(server, exchange, "GET", (plain | {"code_challenge_method": "S256"}).items())
