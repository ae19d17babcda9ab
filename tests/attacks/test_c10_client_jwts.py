"""C10, C11: no forged JWT passes as a client's assertion or request object (req 15, 19, 35, 36)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from idp.crypto import b64url, random_token
from tests import cast
from tests.attacks.forged import KIDS, Forger
from tests.attacks.live import ISSUER, Answer, Live
from tests.attacks.parties import Party, parsed
from tests.installation import unit_of_work
from tests.signers import Signer, posted

pytestmark = [pytest.mark.enable_socket, pytest.mark.measured]

SIGNER, READER = Signer(), Signer("reader")


@dataclass
class Entry:
    """One place where a client's JWT is read."""

    party: Party
    send: Callable[[Party, str], Answer]
    signer: Signer
    claims: Callable[[Party], dict[str, Any]]
    #: what a refusal looks like, and the rest a success
    error: str

    def refused(self, token: str) -> bool:
        """Send a token and tell whether it was refused as it must be."""
        answer = self.send(self.party, token)
        found = answer.arrived.get("error") if answer.status == 303 else parsed(answer).get("error")
        return found == self.error

    def genuine(self, **header: Any) -> str:
        """Return a token that this entry takes."""
        return self.signer.sign(self.claims(self.party), **header)


def _authenticate(party: Party, token: str) -> Answer:
    return party.live.form("/token", {"grant_type": "client_credentials", **posted(token)})


def _push(party: Party, token: str) -> Answer:
    return party.call("/par", {"request": token})


def _authorize(party: Party, token: str) -> Answer:
    outside = party.parameters(request=token)
    return party.live.send("GET", f"/authorize?{urlencode(outside)}")


def _assertion(_party: Party) -> dict[str, Any]:
    return SIGNER.assertion_claims(ISSUER)


def _object(party: Party) -> dict[str, Any]:
    return READER.object_claims(ISSUER, party.parameters())


ENTRIES: dict[str, tuple[Callable[[Party, str], Answer], Signer, Any, str]] = {
    "assertion": (_authenticate, SIGNER, _assertion, "invalid_client"),
    "object, pushed": (_push, READER, _object, "invalid_request_object"),
    "object": (_authorize, READER, _object, "invalid_request_object"),
}


@pytest.fixture(params=ENTRIES)
def entry(request: pytest.FixtureRequest, live: Live) -> Entry:
    send, signer, claims, error = ENTRIES[request.param]
    with unit_of_work(live.services) as ctx:
        cast.register(ctx, "signer", token_endpoint_auth_method="private_key_jwt", jwks=SIGNER.jwks)
        reader = cast.register(ctx, "reader", jwks=READER.jwks)
    return Entry(Party(live, reader), send, signer, claims, error)


def test_no_forged_jwt_is_accepted(entry: Entry) -> None:
    """``none``, HMAC with the public key, keys in the header, changed parts, other forms (req 35)."""
    live = entry.party.live
    made = list(Forger(entry.genuine(), entry.signer.jwks["keys"]).forgeries())
    assert len(made) >= 30
    before = live.rows()
    assert [name for name, token in made if not entry.refused(token)] == []
    assert live.rows() == before
    assert not entry.refused(entry.genuine())


def test_a_right_signature_does_not_heal_a_wrong_header(entry: Entry) -> None:
    """crit, b64, zip and types of other purposes, signed with the registered key (req 35)."""
    wrong: list[dict[str, Any]] = [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"typ": "at+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": ["JWT"]},
        {"typ": "client-authentication+jwt" if entry.signer is READER else "oauth-authz-req+jwt"},
        {"alg": "ES384"},
        {"alg": "RS256"},
        {"kid": 1},
        {"kid": "another"},
    ]
    assert [header for header in wrong if not entry.refused(entry.genuine(**header))] == []
    right: list[dict[str, Any]] = [
        {"typ": None},
        {"typ": "application/jwt"},
        {"kid": None},
        {"jku": "https://evil.example/jwks", "x5u": "https://evil.example/cert"},
    ]
    assert [header for header in right if entry.refused(entry.genuine(**header))] == []


def test_claims_that_are_no_object_are_refused(entry: Entry) -> None:
    """Signed rightly: a list, a name that stands twice, half a surrogate pair, NaN, more than 8 KiB."""
    claims = entry.claims(entry.party)
    twice = '{"iss": "x", ' + json.dumps(claims)[1:]
    for content in (
        [claims],
        "text",
        None,
        claims | {"jti": "\ud800"},
        claims | {"exp": float("nan")},
        claims | {"exp": float("inf")},
        claims | {"pad": "x" * 8192},
    ):
        assert entry.refused(entry.signer.sign(content)), content
    head = b64url(json.dumps({"alg": "ES256", "kid": "k1"}).encode())
    body = f"{head}.{b64url(twice.encode())}"
    assert entry.refused(f"{body}.{b64url(entry.signer._signature(body.encode()))}")


def test_a_kid_is_only_a_name(entry: Entry) -> None:
    """Paths, SQL, addresses and 10 kB answer like any unknown kid (req 36)."""
    forger = Forger(entry.genuine(), entry.signer.jwks["keys"])
    send = entry.send
    random = send(entry.party, forger.with_header(kid=random_token()))
    for kid in (*KIDS, "b" * 10_000):
        for token in (forger.with_header(kid=kid), entry.genuine(kid=kid)):
            if send is _authorize and len(token) > 12_000:
                continue  # the address is too long already
            answer = send(entry.party, token)
            assert (answer.status, answer.body) == (random.status, random.body), kid[:40]
            assert answer.location == random.location, kid[:40]
