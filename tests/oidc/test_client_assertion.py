"""``private_key_jwt``: what an assertion must say, at every endpoint, each once (RFC 7523 §3; req 18, 19)."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from idp.context import Services
from idp.oidc import retention
from idp.oidc.client_jwt import SKEW, ClientJwtRefused
from idp.oidc.models import UsedJti
from idp.web.gateway import Gateway
from tests import cast
from tests.cast import REDIRECT
from tests.installation import unit_of_work
from tests.signers import Signer, SigningPortal, posted
from tests.world import CHALLENGE, Desk, forget_snapshot, machine, now

SIGNER = Signer()


@pytest.fixture
def signing(desk: Desk) -> SigningPortal:
    """A portal that signs with one registered key."""
    with desk.work() as ctx:
        registered = cast.register(
            ctx, "signer", token_endpoint_auth_method="private_key_jwt", jwks=SIGNER.jwks
        )
    forget_snapshot(desk.gateway)
    return SigningPortal(desk.gateway, registered, signer=SIGNER)


def _token(gateway: Gateway, credentials: dict[str, str]) -> TestResponse:
    return machine(gateway, "POST", "/token", data={"grant_type": "client_credentials"} | credentials)


FORMS = {
    "/token": {"grant_type": "client_credentials"},
    "/introspect": {"token": "x"},
    "/revoke": {"token": "x"},
    "/par": {
        "response_type": "code",
        "scope": "openid",
        "redirect_uri": REDIRECT,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    },
}


def test_every_endpoint_takes_it_and_nothing_else(signing: SigningPortal, desk: Desk) -> None:
    """The registered method alone, at token, introspection, revocation and PAR (req 18)."""
    for path, form in FORMS.items():
        assert signing.call(path, form).status_code == (201 if path == "/par" else 200), path
        for wrong in (
            {"client_id": "signer"},
            {"client_id": "signer", "client_secret": "x"},
            SIGNER.credentials(desk.issuer) | {"client_assertion_type": "urn:x"},
            SIGNER.credentials(desk.issuer, sub="portal", iss="portal"),
        ):
            answer = machine(desk.gateway, "POST", path, data=form | wrong)
            assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client"), path


def test_a_client_with_a_secret_cannot_sign(desk: Desk) -> None:
    """Also where it has registered keys, for its request objects (req 18)."""
    with desk.work() as ctx:
        cast.register(ctx, "signer", jwks=SIGNER.jwks)
    forget_snapshot(desk.gateway)
    answer = _token(desk.gateway, SIGNER.credentials(desk.issuer))
    assert answer.get_json()["error_description"] == (
        "this client is registered for client_secret_basic, received private_key_jwt"
    )


WRONG: list[tuple[str, Callable[[str, float], dict[str, Any]]]] = [
    ("iss", lambda issuer, now: {"iss": "portal"}),
    ("iss", lambda issuer, now: {"iss": None}),
    ("iss", lambda issuer, now: {"iss": ["signer"]}),
    ("aud", lambda issuer, now: {"aud": None}),
    ("aud", lambda issuer, now: {"aud": issuer + "/"}),
    ("aud", lambda issuer, now: {"aud": issuer + "/token"}),
    ("aud", lambda issuer, now: {"aud": [issuer]}),
    ("aud", lambda issuer, now: {"aud": [issuer, "https://other.example"]}),
    ("aud", lambda issuer, now: {"aud": "https://other.example"}),
    ("exp", lambda issuer, now: {"exp": None}),
    ("exp", lambda issuer, now: {"exp": int(now) - 31}),
    ("exp", lambda issuer, now: {"exp": int(now) + 340}),
    ("exp", lambda issuer, now: {"exp": str(int(now) + 60)}),
    ("exp", lambda issuer, now: {"exp": True}),
    ("exp", lambda issuer, now: {"exp": float("nan")}),
    ("exp", lambda issuer, now: {"exp": 10**400}),
    ("nbf", lambda issuer, now: {"nbf": int(now) + 60}),
    ("nbf", lambda issuer, now: {"nbf": "x"}),
    ("nbf", lambda issuer, now: {"nbf": float("nan")}),
    ("iat", lambda issuer, now: {"iat": int(now) + 60}),
    ("iat", lambda issuer, now: {"iat": True}),
    ("jti", lambda issuer, now: {"jti": None}),
    ("jti", lambda issuer, now: {"jti": ""}),
    ("jti", lambda issuer, now: {"jti": 1}),
]


def test_what_an_assertion_must_say(signing: SigningPortal, desk: Desk) -> None:
    """Each claim wrong once: 401 and a description that names it; nothing is remembered of it (req 19)."""
    for claim, changes in WRONG:
        wrong = changes(desk.issuer, time.time())
        answer = _token(desk.gateway, SIGNER.credentials(desk.issuer, **wrong))
        assert answer.status_code == 401, wrong
        found = answer.get_json()
        assert found["error"] == "invalid_client"
        assert found["error_description"].startswith(f"client_assertion: {claim} must"), (wrong, found)
    with desk.services.database.session() as db:
        assert db.scalar(select(func.count()).select_from(UsedJti)) == 0


def test_clocks_may_differ_a_little(signing: SigningPortal, desk: Desk) -> None:
    """By half a minute, and a time may have a fraction."""
    now = time.time()
    for changes in ({"exp": now - 20}, {"exp": int(now) + 320}, {"iat": now + 20, "nbf": now + 20}):
        assert _token(desk.gateway, SIGNER.credentials(desk.issuer, **changes)).status_code == 200, changes


def test_a_clock_that_is_wrong_can_be_seen(signing: SigningPortal, desk: Desk) -> None:
    """The developer reads which time was received and which it is here."""
    for name, received in (("exp", 1_000_000_000), ("iat", 4_000_000_000)):
        answer = _token(desk.gateway, SIGNER.credentials(desk.issuer, **{name: received}))
        said = answer.get_json()["error_description"]
        assert re.search(rf"; received {received}, it is [0-9]{{10}} here$", said)


def test_an_assertion_counts_once(signing: SigningPortal, desk: Desk, services: Services) -> None:
    """At whatever endpoint it comes again, also where the first request failed; kept until it has expired."""
    failed = SIGNER.credentials(desk.issuer)
    first = machine(desk.gateway, "POST", "/token", data={"grant_type": "refresh_token"} | failed)
    assert first.get_json()["error"] == "invalid_request"
    for path, form in FORMS.items():
        again = machine(desk.gateway, "POST", path, data=form | failed)
        assert (again.status_code, again.get_json()["error"]) == (401, "invalid_client"), path
    same_jti = SIGNER.sign(SIGNER.assertion_claims(desk.issuer, jti="j"))
    assert _token(desk.gateway, posted(same_jti)).status_code == 200
    other = SIGNER.credentials(desk.issuer, jti="j", exp=int(time.time()) + 200)
    assert _token(desk.gateway, other).status_code == 401
    with services.database.session() as db:
        ends = db.scalars(select(UsedJti.expires_at)).all()
    assert len(ends) == 2
    assert all(end.timestamp() > time.time() + 60 for end in ends)


def test_it_is_remembered_for_as_long_as_it_would_count(signing: SigningPortal, desk: Desk) -> None:
    """To the last moment of a time with a fraction, purged or not (req 19)."""
    provider = desk.gateway.server.provider
    client = provider.snapshots.current().clients["signer"]
    expires = int(time.time()) + 60.9
    assertion = SIGNER.sign(SIGNER.assertion_claims(desk.issuer, exp=expires))
    provider.client_assertions.check(client, assertion, now())
    last = datetime.fromtimestamp(expires + SKEW - 0.1, UTC)
    with unit_of_work(desk.services, last) as ctx:
        assert retention.purge(ctx, 100) == 0
    with pytest.raises(ClientJwtRefused, match="presented before"):
        provider.client_assertions.check(client, assertion, last)


def test_two_clients_may_choose_the_same_jti(signing: SigningPortal, desk: Desk) -> None:
    """It is unique for its issuer only (RFC 7519 §4.1.7)."""
    other = Signer("other")
    with desk.work() as ctx:
        cast.register(ctx, "other", token_endpoint_auth_method="private_key_jwt", jwks=other.jwks)
    forget_snapshot(desk.gateway)
    for signer in (SIGNER, other):
        assert _token(desk.gateway, signer.credentials(desk.issuer, jti="j")).status_code == 200


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256", "EdDSA"])
def test_each_algorithm_and_only_the_registered_one(services: Services, gateway: Gateway, alg: str) -> None:
    """token_endpoint_auth_signing_alg pins it; without, any the key is fit for (req 19)."""
    signer, issuer = Signer("pinned", alg=alg), gateway.server.provider.issuer
    other = Signer("pinned", alg="RS256" if alg == "PS256" else "PS256")
    keys = {"keys": [signer.jwk, *([other.jwk | {"kid": "k2"}] if alg in ("ES256", "EdDSA") else [])]}
    method = {"token_endpoint_auth_method": "private_key_jwt", "jwks": keys}
    with unit_of_work(services) as ctx:
        cast.register(ctx, "pinned", token_endpoint_auth_signing_alg=alg, **method)
        cast.register(ctx, "free", **method)
    assert _token(gateway, signer.credentials(issuer)).status_code == 200
    unpinned = Signer("free", alg=alg)
    assert _token(gateway, unpinned.credentials(issuer)).status_code == 200
    kid = "k2" if alg in ("ES256", "EdDSA") else "k1"
    assert _token(gateway, posted(other.sign(other.assertion_claims(issuer), kid=kid))).status_code == 401
    foreign = Signer("free", alg=other.alg)
    assert _token(gateway, posted(foreign.sign(foreign.assertion_claims(issuer), kid=kid))).status_code == 200
