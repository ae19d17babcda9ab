"""Request objects: what counts, what they must say (RFC 9101; OIDC Core §6; req 15)."""

import time
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import OAuth2Error

from idp.context import Origin
from idp.oidc.authorization_request import AuthorizationRequest, RelyingPartyMistake, read
from idp.oidc.request import Exchange
from tests import cast
from tests.cast import REDIRECT
from tests.signers import Signer
from tests.world import CHALLENGE, Desk, forget_snapshot, now

SIGNER = Signer()
EVIL = "https://evil.example/"
INSIDE: dict[str, Any] = {
    "response_type": "code",
    "client_id": "signer",
    "redirect_uri": REDIRECT,
    "scope": "openid",
    "state": "inside",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """A client whose request objects are signed with any algorithm of its key, and one that is pinned."""
    with desk.work() as ctx:
        cast.register(ctx, "signer", jwks=SIGNER.jwks)
        both = {"keys": [Signer(alg="RS256").jwk, Signer(kid="k2").jwk]}
        cast.register(ctx, "pinned", jwks=both, request_object_signing_alg="PS256")
    forget_snapshot(desk.gateway)
    return desk


def _read(desk: Desk, outside: dict[str, str], *more: tuple[str, str]) -> AuthorizationRequest:
    server = desk.gateway.server
    exchange = Exchange(server.provider.snapshots.current(), now(), Origin())
    return read(server, exchange, "GET", [*outside.items(), *more])


def _signed(desk: Desk, changes: dict[str, Any] | None = None, **outside: str) -> AuthorizationRequest:
    """Read an object with changed claims; None takes a claim out."""
    claims = SIGNER.object_claims(desk.issuer, INSIDE, **(changes or {}))
    return _read(desk, {"client_id": "signer", "request": SIGNER.sign(claims), **outside})


def _refusal(desk: Desk, changes: dict[str, Any], **outside: str) -> OAuth2Error:
    with pytest.raises(OAuth2Error) as caught:
        _signed(desk, changes, redirect_uri=REDIRECT, state="outside", **outside)
    assert (caught.value.redirect_uri, caught.value.state) == (REDIRECT, "outside")
    return caught.value


def test_what_is_signed_counts_alone(desk: Desk) -> None:
    """What stands outside is ignored, be it another value or one more (RFC 9101 §6.3)."""
    plain = _signed(desk)
    assert (plain.redirect_uri, plain.scope, plain.state) == (REDIRECT, "openid", "inside")
    changed = {"redirect_uri": EVIL, "scope": "openid email", "state": "x", "prompt": "none", "nonce": "n"}
    assert _signed(desk, **changed) == plain
    assert _signed(desk, {"nonce": "n"}).nonce == "n"


def test_numbers_and_objects_are_json(desk: Desk) -> None:
    """``max_age`` and ``claims`` stand there as JSON has them (OIDC Core §6.1); an empty text is none."""
    claims = {"userinfo": {"name": {"essential": True}}}
    found = _signed(desk, {"max_age": 60, "claims": claims, "prompt": "", "extra": "foobar"})
    assert (found.max_age, found.claims, found.prompt) == (60, claims, ())
    assert _signed(desk, {"max_age": "", "claims": "", "state": "", "response_mode": ""}).state is None


def test_response_type_may_stand_outside(desk: Desk) -> None:
    """OIDC Core §6.1 demands it there; where it stands twice, it is the same, as client_id is."""
    assert _signed(desk, {"response_type": None, "client_id": None}, response_type="code") == _signed(desk)
    assert _signed(desk, response_type="code") == _signed(desk)
    for name, value in (("response_type", "token"), ("client_id", "portal")):
        error = _refusal(desk, {name: value}, response_type="code")
        assert (error.error, error.description) == (
            "invalid_request_object",
            f"{name} must be the same inside and outside of request",
        )


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"iss": None}, "iss must"),
    ({"iss": "portal"}, "iss must"),
    ({"aud": None}, "aud must"),
    ({"aud": EVIL}, "aud must"),
    ({"aud": [EVIL]}, "aud must"),
    ({"sub": "signer"}, "sub must not"),
    ({"exp": None}, "exp must"),
    ({"exp": 1}, "exp must"),
    ({"exp": int(time.time()) + 9999}, "exp must"),
    ({"nbf": int(time.time()) + 3600}, "nbf must"),
    ({"request": "x"}, "must not hold request"),
    ({"request_uri": "x"}, "must not hold request_uri"),
    ({"state": True}, "state must be a text"),
    ({"max_age": 1.5}, "max_age must be a text"),
    ({"scope": ["openid"]}, "scope must be a text"),
    ({'a"b': []}, "a?b must be a text"),
    ({"resource": ["https://orders.example/", 1]}, "resource must be a text"),
    ({"state": "half a \ud83d"}, "must be a JWT"),
    ({f"p{number}": "x" for number in range(100)}, "at most 100"),
]


def test_what_an_object_must_say(desk: Desk) -> None:
    """Each wrong once: invalid_request_object at the registered address, and what is expected."""
    for changes, words in WRONG:
        error = _refusal(desk, changes)
        assert error.error == "invalid_request_object", changes
        assert words in error.description, changes


def test_the_audience_may_be_a_list(desk: Desk) -> None:
    """Signed for several servers, us among them; unlike an assertion it proves nothing by being presented."""
    assert _signed(desk, {"aud": [EVIL, desk.issuer]}) == _signed(desk)


def test_the_same_checks_follow(desk: Desk) -> None:
    """Signed nonsense is nonsense; from here on the signed address and state count."""
    with pytest.raises(OAuth2Error) as caught:
        _signed(desk, {"prompt": "none login"}, state="outside", redirect_uri=EVIL)
    assert caught.value.error == "invalid_request"
    assert (caught.value.redirect_uri, caught.value.state) == (REDIRECT, "inside")
    with pytest.raises(RelyingPartyMistake):
        _signed(desk, {"redirect_uri": EVIL}, redirect_uri=REDIRECT)


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
def test_the_signed_mode_counts(desk: Desk, mode: str) -> None:
    """For the answer and for an error in it; of an object that is refused only the outside is known."""
    outside = "fragment" if mode == "query" else "query"
    assert _signed(desk, {"response_mode": mode}, response_mode=outside).response_mode == mode
    with pytest.raises(OAuth2Error) as caught:
        _signed(desk, {"response_mode": mode, "prompt": "none login"}, response_mode=outside)
    assert (caught.value.error, caught.value.response_mode) == ("invalid_request", mode)
    error = _refusal(desk, {"response_mode": mode, "iss": "portal"}, response_mode=outside)
    assert (error.error, error.response_mode) == ("invalid_request_object", outside)


def test_without_a_registered_address_outside_a_page_says_what_is_wrong(desk: Desk) -> None:
    """There is nowhere to redirect to (req 2)."""
    for outside, parameter in (({}, "request"), ({"redirect_uri": EVIL}, "redirect_uri")):
        with pytest.raises(RelyingPartyMistake) as caught:
            _signed(desk, {"iss": "portal"}, **outside)
        assert caught.value.parameter == parameter
        assert caught.value.client is not None
    assert caught.value.error == "invalid_request"
    with pytest.raises(RelyingPartyMistake) as caught:
        _read(desk, {"client_id": "signer", "request_uri": "urn:ietf:params:oauth:request_uri:x"})
    assert (caught.value.error, caught.value.parameter) == ("invalid_request_uri", "request_uri")
    assert caught.value.received == "urn:ietf:params:oauth:request_uri:x"


def test_two_objects_are_none(desk: Desk) -> None:
    """A repeated parameter beside an object is a mistake too (req 11)."""
    signed = SIGNER.request_object(desk.issuer, INSIDE)
    for more in (("request", signed), ("state", "x")):
        outside = {"client_id": "signer", "request": signed, "redirect_uri": REDIRECT, "state": "s"}
        with pytest.raises(OAuth2Error) as caught:
            _read(desk, outside, more)
        assert caught.value.error == "invalid_request"


def test_the_registered_algorithm_alone_counts(desk: Desk) -> None:
    """request_object_signing_alg (req 15); a JWE is refused, whatever it wraps."""
    for signer, taken in (
        (Signer("pinned", alg="PS256"), True),
        (Signer("pinned", alg="RS256"), False),
        (Signer("pinned", kid="k2"), False),
        (Signer("pinned", alg="PS256", number=1), False),
    ):
        signed = signer.request_object(desk.issuer, INSIDE | {"client_id": "pinned"})
        outside = {"client_id": "pinned", "request": signed, "redirect_uri": REDIRECT}
        if taken:
            assert _read(desk, outside).client_id == "pinned"
            continue
        with pytest.raises(OAuth2Error) as caught:
            _read(desk, outside)
        assert caught.value.error == "invalid_request_object"
    with pytest.raises(OAuth2Error) as caught:
        _read(desk, {"client_id": "pinned", "request": "a.b.c.d.e", "redirect_uri": REDIRECT})
    assert caught.value.error == "invalid_request_object"


def test_a_client_without_keys_has_no_objects(desk: Desk) -> None:
    """Nor may one sign for another."""
    signed = SIGNER.request_object(desk.issuer, INSIDE, iss="portal", client_id="portal")
    with pytest.raises(OAuth2Error) as caught:
        _read(desk, {"client_id": "portal", "request": signed, "redirect_uri": REDIRECT})
    assert caught.value.error == "invalid_request_object"
