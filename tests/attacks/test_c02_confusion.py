"""C2: an artefact opens its own endpoint, to its own client, unchanged (req 7, 18, 24, 25, 27)."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import select

from idp.accounts.models import Account
from idp.crypto import random_token
from idp.oidc.logout import logout_token
from tests import cast
from tests.attacks.live import ISSUER, Live
from tests.attacks.parties import Party, other_portal, parsed
from tests.attacks.visitor import Visitor
from tests.builders import PASSWORD
from tests.installation import unit_of_work
from tests.plain_browser import basic, claims
from tests.provers import Prover
from tests.signers import Signer, posted

pytestmark = pytest.mark.enable_socket

CODE, ACCESS, REFRESH, ID = "code", "access token", "refresh token", "ID token"
LOGOUT, SECRET, COOKIE, FLOW, FORM, CLIENT_ACCESS = (
    "logout token",
    "client secret",
    "session cookie",
    "flow cookie",
    "form token",
    "access token of a client",
)
PUSHED, ASSERTION, OBJECT = "pushed request", "client assertion", "request object"
OPAQUE = "opaque access token"
PROOF = "DPoP proof"
DEVICE_CODE, USER_CODE = "device code", "user code"
SIGNER = Signer()


@dataclass
class Bench:
    """Two portals, an API, a person, and one artefact of each kind that belongs to the first portal."""

    live: Live
    own: Party
    other: Party
    api: Party
    #: a portal whose access tokens are opaque, with the first one's audience
    opaque: Party
    visitor: Visitor
    device: Party
    other_device: Party
    #: a browser in front of the sign-in page, to which the form token belongs
    page: Visitor = field(init=False)

    def artefacts(self) -> dict[str, str]:
        """Make one of each kind."""
        tokens = self.own.tokens(self.visitor)
        code = self.own.code(self.visitor)
        page = self.page = Visitor(self.live)
        page.get("/authorize", **self.own.parameters(prompt="login"))
        provider = self.live.gateway.server.provider
        with unit_of_work(self.live.services) as ctx:
            sub = ctx.db.scalar(select(Account.sub).where(Account.username_key == "anna"))
        payload = {"client_id": "portal", "sub": sub, "sid": claims(tokens["id_token"])["sid"]}
        own = parsed(self.own.call("/token", {"grant_type": "client_credentials"}))
        devices = parsed(self.device.call("/device_authorization", {"scope": "openid"}))
        self._connect(devices["user_code"])
        waiting = parsed(self.device.call("/device_authorization", {"scope": "openid"}))
        return {
            CODE: code,
            ACCESS: tokens["access_token"],
            REFRESH: tokens["refresh_token"],
            ID: tokens["id_token"],
            LOGOUT: logout_token(provider, payload, now=datetime.now(UTC), jti=random_token(16)),
            SECRET: str(self.own.registered.secret),
            COOKIE: self.visitor.cookies["__Host-sid"],
            FLOW: self.visitor.cookies["__Host-flow"],
            FORM: page.form("/login").fields["csrf_token"],
            CLIENT_ACCESS: own["access_token"],
            DEVICE_CODE: devices["device_code"],
            USER_CODE: waiting["user_code"],
            PUSHED: parsed(self.own.call("/par", self.own.parameters()))["request_uri"],
            ASSERTION: SIGNER.sign(SIGNER.assertion_claims(ISSUER)),
            OPAQUE: self.opaque.tokens(self.visitor)["access_token"],
            OBJECT: SIGNER.sign(SIGNER.object_claims(ISSUER, self.own.parameters(client_id="signer"))),
            PROOF: Prover().proof(f"{ISSUER}/token"),
        }

    def _connect(self, user_code: str) -> None:
        browser = Visitor(self.live, dict(self.visitor.cookies))
        browser.get("/device")
        browser.submit("/device", code=user_code)
        browser.submit("/device/", choice="connect")


@pytest.fixture
def bench(live: Live, portal: Party, visitor: Visitor) -> Bench:
    with unit_of_work(live.services) as ctx:
        other, api = other_portal(ctx, jwks=Signer("other", number=1).jwks), cast.register_api(ctx)
        cast.register(ctx, "signer", token_endpoint_auth_method="private_key_jwt", jwks=SIGNER.jwks)
        opaque = cast.register(ctx, "opaque", access_token_format="opaque", audiences=["portal"])
        devices = [Party(live, cast.register_device(ctx, name)) for name in ("device", "other-device")]
    return Bench(live, portal, Party(live, other), Party(live, api), Party(live, opaque), visitor, *devices)


def _accepts_session(live: Live, value: str) -> bool:
    """Tell whether a value opens a session: only then the start page offers to sign out."""
    holder = Visitor(live, {"__Host-sid": value})
    answer = holder.once("GET", "/")
    assert answer.status == 200
    return "anna@muster.example" in answer.text


def _accepts_hint(live: Live, value: str) -> bool:
    answer = live.send("GET", f"/logout?id_token_hint={quote(value)}")
    assert answer.status in (303, 400), answer.text
    # an empty parameter counts as left out: then the person is asked
    return answer.status == 303 and value != ""


def _begins(live: Live, **parameters: str) -> bool:
    """Tell whether an authorization request is taken."""
    answer = live.send("GET", f"/authorize?{urlencode(parameters)}")
    assert answer.status in (303, 400), answer.text
    return answer.status == 303 and "error" not in answer.arrived


def _authenticates(live: Live, assertion: str, **more: str) -> bool:
    form = {"grant_type": "client_credentials", **posted(assertion), **more}
    return live.form("/token", form).status == 200


def _proves(party: Party, proof: str) -> bool:
    form = {"grant_type": "client_credentials"}
    credentials = basic(party.registered.client_id, str(party.registered.secret))
    answer = party.live.form("/token", form, Authorization=credentials, DPoP=proof)
    assert answer.status in (200, 400), answer.text
    return answer.status == 200


def _polls(device: Party, value: str) -> bool:
    form = {"grant_type": cast.DEVICE_GRANT, "device_code": value}
    return device.call("/token", form).status == 200


def _waits(live: Live, value: str) -> bool:
    """Tell whether a user code begins something."""
    browser = Visitor(live)
    browser.get("/device")
    return "kennen wir nicht" not in (shown := browser.submit("/device", code=value).text) and (
        "8 Buchstaben" not in shown
    )


def _goes_on(bench: Bench, flow_cookie: str) -> bool:
    """Tell whether a value is the secret of the browser whose sign-in is under way."""
    page = Visitor(bench.live, dict(bench.visitor.cookies))
    target = page.get("/authorize", **bench.own.parameters(prompt="login")).url
    answer = Visitor(bench.live, {"__Host-flow": flow_cookie}).once("GET", target)
    assert answer.status in (200, 400), answer.text
    return answer.status == 200


def _changes(bench: Bench, token: str) -> bool:
    """Tell whether a value is taken as the token of our own form, in the browser that has it."""
    form = bench.page.form("/login")
    fields = form.fields | {"username": "anna", "password": PASSWORD, "csrf_token": token}
    holder = Visitor(bench.live, dict(bench.page.cookies))
    return "__Host-sid" in holder.post_once(form.action, fields).cookies()


Endpoint = Callable[[Bench, str], bool]

#: endpoint → the artefacts it accepts from the first portal
ENDPOINTS: dict[str, tuple[Endpoint, frozenset[str]]] = {
    "refresh": (lambda b, v: b.own.refresh(v).status == 200, frozenset({REFRESH})),
    "userinfo": (lambda b, v: b.own.userinfo(v).status == 200, frozenset({ACCESS, OPAQUE})),
    "introspection": (
        lambda b, v: parsed(b.own.introspect(v)).get("active") is True,
        frozenset({ACCESS, CLIENT_ACCESS, OPAQUE}),
    ),
    "session": (lambda b, v: _accepts_session(b.live, v), frozenset({COOKIE})),
    "flow": (_goes_on, frozenset({FLOW})),
    "form": (_changes, frozenset({FORM})),
    "id_token_hint": (lambda b, v: _accepts_hint(b.live, v), frozenset({ID})),
    "client secret": (
        lambda b, v: (
            b.live.form(
                "/token", {"grant_type": "client_credentials"}, Authorization=basic("portal", v)
            ).status
            == 200
        ),
        frozenset({SECRET}),
    ),
    "code": (lambda b, v: b.own.redeem(v).status == 200, frozenset({CODE})),
    "request_uri": (
        lambda b, v: bool(v) and _begins(b.live, client_id="portal", request_uri=v),
        frozenset({PUSHED}),
    ),
    "device code": (lambda b, v: _polls(b.device, v), frozenset({DEVICE_CODE})),
    "user code": (lambda b, v: _waits(b.live, v), frozenset({USER_CODE})),
    "client_assertion": (lambda b, v: _authenticates(b.live, v), frozenset({ASSERTION})),
    "request": (lambda b, v: _begins(b.live, client_id="signer", request=v), frozenset({OBJECT})),
    "DPoP": (lambda b, v: _proves(b.own, v), frozenset({PROOF})),
}

#: the same endpoints asked by the other portal: nothing of the first one's opens there
STRANGERS: dict[str, Endpoint] = {
    "refresh": lambda b, v: b.other.refresh(v).status == 200,
    "introspection": lambda b, v: parsed(b.other.introspect(v)).get("active") is True,
    "introspection by an API that is not named": lambda b, v: parsed(b.api.introspect(v))["active"] is True,
    "client secret": lambda b, v: (
        b.live.form("/token", {"grant_type": "client_credentials"}, Authorization=basic("other", v)).status
        == 200
    ),
    "device code": lambda b, v: _polls(b.other_device, v),
    "request_uri": lambda b, v: _begins(b.live, client_id="other", request_uri=v),
    "client_assertion": lambda b, v: _authenticates(b.live, v, client_id="other"),
    "request": lambda b, v: _begins(b.live, client_id="other", request=v),
    "code": lambda b, v: (
        b.other.redeem(v, redirect_uri=b.own.registered.redirect_uri, code_verifier=b.own.verifier).status
        == 200
    ),
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_only_the_diagonal_works(bench: Bench, name: str) -> None:
    """Every artefact at every endpoint, with its own client's credentials (req 24)."""
    endpoint, right = ENDPOINTS[name]
    made = bench.artefacts()
    worked = {kind for kind, value in made.items() if endpoint(bench, value)}
    assert worked == right


@pytest.mark.parametrize("name", STRANGERS)
def test_nothing_works_for_another_client(bench: Bench, name: str) -> None:
    """An authenticated other client gets nothing for the first one's artefacts (req 7, 27)."""
    made = bench.artefacts()
    worked = {kind for kind, value in made.items() if STRANGERS[name](bench, value)}
    assert worked == set()


def test_a_stranger_revokes_nothing(bench: Bench) -> None:
    """Another client's revocation changes nothing; wrong kinds are no error (RFC 7009 §2.1, req 27)."""
    made = bench.artefacts()
    before = bench.live.rows()
    for value in made.values():
        assert bench.other.revoke(value).status in (200, 400)
    assert bench.live.rows() == before
    assert bench.own.userinfo(made[ACCESS]).status == 200
    assert bench.own.refresh(made[REFRESH]).status == 200


def test_a_code_shown_by_another_client_is_burnt(bench: Bench) -> None:
    """Presented by another authenticated client it fails, also afterwards for its own (req 7)."""
    code = bench.own.code(bench.visitor)
    answer = bench.other.redeem(code, redirect_uri=bench.own.registered.redirect_uri)
    assert answer.status == 400
    assert parsed(answer)["error"] == "invalid_grant"
    assert bench.own.redeem(code).status == 400


def test_a_token_in_the_url_is_no_token(bench: Bench) -> None:
    """Bearer tokens and secrets count in header and form body only (req 25)."""
    made = bench.artefacts()
    live = bench.live
    assert live.send("GET", f"/userinfo?access_token={made[ACCESS]}").status == 401
    assert live.form(f"/userinfo?access_token={made[ACCESS]}", {}).status in (400, 401)
    query = f"/token?grant_type=refresh_token&refresh_token={made[REFRESH]}&client_id=portal"
    assert live.form(f"{query}&client_secret={made[SECRET]}", {}).status in (400, 401)
    assert live.form("/userinfo", {"access_token": made[ACCESS]}).status == 200
    assert bench.own.refresh(made[REFRESH]).status == 200


def variations(value: str) -> Iterator[tuple[str, str]]:
    """Yield copies that are not the artefact: cut, lengthened, letter case, single bits, other encodings."""
    for cut in (1, 2, len(value) // 2):
        yield f"{cut} cut from the end", value[:-cut]
        yield f"{cut} cut from the start", value[cut:]
    for tail in ("A", "=", "==", ".", "%00", " x", "\u00e4", "/", "AAAA"):
        yield f"lengthened by {tail!r}", value + tail
    yield "lengthened at the start", f"A{value}"
    yield "twice", value + value
    yield "case flipped", value.swapcase()
    for place in (0, len(value) // 3, len(value) // 2, len(value) - 2):
        yield f"letter at {place} changed", _with_letter(value, place)
    yield "reversed", value[::-1]
    yield "encoded again", base64.urlsafe_b64encode(value.encode()).decode()
    yield "in quotation marks", f'"{value}"'
    yield "empty", ""


def _with_letter(value: str, place: int) -> str:
    return value[:place] + ("B" if value[place] == "A" else "A") + value[place + 1 :]


ONCE = {"refresh": REFRESH, "code": CODE, "request_uri": PUSHED, "client_assertion": ASSERTION, "DPoP": PROOF}
ONCE |= {"device code": DEVICE_CODE}
OFTEN = {
    "userinfo": ACCESS,
    "introspection": ACCESS,
    "session": COOKIE,
    "flow": FLOW,
    "id_token_hint": ID,
    "client secret": SECRET,
    "request": OBJECT,
}


@pytest.mark.parametrize("name", [*ONCE, *OFTEN])
def test_a_changed_copy_is_worth_nothing(bench: Bench, name: str) -> None:
    """Not one copy works (ZITADEL CVE-2026-27840: cut tokens were valid), the original still does (C2)."""
    endpoint, _ = ENDPOINTS[name]
    value = bench.artefacts()[(ONCE | OFTEN)[name]]
    # the quotation marks of RFC 6265 §4.1.1 are no part of a cookie's value
    quoted = f'"{value}"' if name in ("session", "flow") else None
    worked = [what for what, copy in variations(value) if copy != quoted and endpoint(bench, copy)]
    assert worked == []
    assert endpoint(bench, value), "the original stopped working"


def test_a_bit_of_a_signature_is_not_redundant(bench: Bench) -> None:
    """Flipping any single letter of the signature, the last included, spoils a token (RFC 7515 §5.2)."""
    token = bench.artefacts()[ACCESS]
    head, _, signature = token.rpartition(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(signature[-1])
    # the last letter of 86 carries four bits: letters that differ in the unused bits mean the same bytes
    spare = {alphabet[(last & ~3 & 63) | low] for low in range(4)} if len(signature) % 4 == 2 else set()
    for place in range(0, len(signature) - 1, 5):
        assert bench.own.userinfo(f"{head}.{_with_letter(signature, place)}").status == 401
    for letter in set(alphabet[::7]) - {signature[-1]} - spare:
        assert bench.own.userinfo(f"{head}.{signature[:-1]}{letter}").status == 401


@pytest.mark.parametrize(
    "way",
    ["post", "none", "basic twice", "both", "assertion", "wrong scheme", "empty secret", "other's secret"],
)
def test_a_client_authenticates_only_as_registered(bench: Bench, way: str) -> None:
    """The registered method, at every endpoint, in one way at once (req 18)."""
    own, secret = "portal", str(bench.own.registered.secret)
    credentials: dict[str, tuple[dict[str, str], dict[str, str]]] = {
        "post": ({"client_id": own, "client_secret": secret}, {}),
        "none": ({"client_id": own}, {}),
        "basic twice": ({}, {"Authorization": f"{basic(own, secret)}, {basic(own, secret)}"}),
        "both": ({"client_id": own, "client_secret": secret}, {"Authorization": basic(own, secret)}),
        "assertion": (
            {
                "client_id": own,
                "client_assertion": "x.y.z",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            },
            {},
        ),
        "wrong scheme": ({}, {"Authorization": basic(own, secret).replace("Basic", "Bearer")}),
        "empty secret": ({}, {"Authorization": basic(own, "")}),
        "other's secret": ({}, {"Authorization": basic(own, str(bench.other.registered.secret))}),
    }
    fields, headers = credentials[way]
    token = bench.artefacts()[ACCESS]
    before = bench.live.rows()
    for path, form in (
        ("/token", {"grant_type": "client_credentials"}),
        ("/introspect", {"token": token}),
        ("/revoke", {"token": token}),
    ):
        answer = bench.live.form(path, form | fields, **headers)
        assert answer.status in (400, 401), (path, answer.text)
        assert parsed(answer)["error"] in ("invalid_client", "invalid_request")
    assert bench.live.rows() == before
