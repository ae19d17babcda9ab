"""A portal's session: areas by permission, refresh, signing out here and elsewhere."""

import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from clients.customer_portal import areas
from clients.shared.sessions import ABSOLUTE, IDLE, MOST, Pending, PortalSession, SessionStore
from tests.attacks.forged import Forger
from tests.clients.foreign_issuer import LOGOUT_EVENT, PERSON, ForeignIssuer

pytestmark = pytest.mark.enable_socket


def sign_in(browser: FlaskClient, issuer: ForeignIssuer, **claims: Any) -> None:
    """Signs the browser in."""
    answer = browser.get(issuer.accept(browser.get("/login").location, **claims))
    assert answer.status_code == 303


def form_token(browser: FlaskClient) -> str:
    """The token of the form for signing out."""
    return browser.get("/").text.split('name="csrf_token" value="')[1].split('"')[0]


def expired_sign_in(browser: FlaskClient, issuer: ForeignIssuer) -> str:
    """Signs in with an access token that is used up at once; returns the refresh token."""
    location = browser.get("/login").location
    nonce = parse_qs(urlsplit(location).query)["nonce"][0]
    id_token = issuer.sign(issuer.claims(nonce=nonce, permissions=["documents"]), "JWT")
    answer = issuer.tokens(id_token, expires_in=0)
    assert browser.get(issuer.accept(location, answer)).status_code == 303
    return str(answer["refresh_token"])


@pytest.mark.parametrize("area", areas.AREAS, ids=lambda area: area.key)
def test_area_opens_with_its_permission_only(
    portal: FlaskClient, issuer: ForeignIssuer, area: areas.Area
) -> None:
    """R-06: the page behind a tile checks for itself."""
    others = [other.key for other in areas.AREAS if other.key != area.key]
    sign_in(portal, issuer, permissions=others)
    refused = portal.get(f"/area/{area.key}")
    assert refused.status_code == 403
    assert "Dieser Bereich ist für Sie nicht freigegeben" in refused.text
    assert f"/area/{area.key}" not in portal.get("/").text
    sign_in(portal, issuer, permissions=[area.key])
    assert area.description[0] in portal.get(f"/area/{area.key}").text
    assert f'href="/area/{area.key}"' in portal.get("/").text


@pytest.mark.parametrize("claim", [None, "documents", {"documents": True}, [1, None]])
def test_permissions_of_another_shape_open_nothing(
    portal: FlaskClient, issuer: ForeignIssuer, claim: object
) -> None:
    """Only a list of texts is a list of permissions."""
    sign_in(portal, issuer, permissions=claim)
    assert portal.get("/area/documents").status_code == 403
    assert "noch kein Bereich" in portal.get("/").text


def test_unknown_area_and_unknown_page(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """What does not exist is said to, also to people who are signed in."""
    sign_in(portal, issuer)
    for path in ("/area/none", "/none"):
        answer = portal.get(path)
        assert answer.status_code == 404
        assert "Diese Seite gibt es nicht" in answer.text
    assert portal.post("/login").status_code == 405


def test_claims_panel_shows_the_id_token(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """Developers see every claim; what people typed into their profile stays text."""
    sign_in(portal, issuer, acr="urn:lotse:acr:aal2", name="<script>x</script>", auth_time=1700000000)
    page = portal.get("/").text
    assert "Was wir über Sie wissen" in page
    assert "2023-11-14 22:13:20 UTC" in page
    assert "Zweistufig angemeldet" in page
    assert "<script>x" not in page


def test_orders_come_with_the_access_token_only(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """The page shows the API's answer, also when it refuses."""
    sign_in(portal, issuer)
    good = portal.get("/orders").text
    assert "A-1047" in good
    assert "14.09.2026" in good
    with_id_token = portal.get("/orders?with=id_token").text
    assert "invalid_token" in with_id_token
    assert "A-1047" not in with_id_token
    assert "Ohne Token gibt es keine Daten" in portal.get("/orders?with=none").text


def test_orders_refused_for_scope_are_explained(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """A token without the scope is good, but not for orders."""
    location = portal.get("/login").location
    nonce = parse_qs(urlsplit(location).query)["nonce"][0]
    answer = issuer.tokens(
        issuer.sign(issuer.claims(nonce=nonce), "JWT"), access_token=issuer.access_token(scope="openid")
    )
    portal.get(issuer.accept(location, answer))
    page = portal.get("/orders").text
    assert "insufficient_scope" in page
    assert "nicht für Aufträge ausgestellt" in page


def test_refresh_brings_new_permissions(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """A used-up access token is refreshed, and the new ID token's permissions count."""
    first = expired_sign_in(portal, issuer)
    fresh = issuer.tokens(issuer.sign(issuer.claims(permissions=["shop"]), "JWT"))
    issuer.refresh_answers[first] = (200, fresh)
    assert portal.get("/area/shop").status_code == 200
    assert portal.get("/area/documents").status_code == 403
    assert issuer.requests.count("/token") == 2


def test_refresh_without_id_token_keeps_what_is_known(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """An ID token with a refresh is optional, and so is a new refresh token (§12.2)."""
    first = expired_sign_in(portal, issuer)
    issuer.refresh_answers[first] = (200, issuer.tokens(None, refresh_token=None, expires_in=0))
    assert portal.get("/area/documents").status_code == 200
    issuer.refresh_answers[first] = (200, issuer.tokens(None))
    assert portal.get("/area/documents").status_code == 200


@pytest.mark.parametrize("fault", ["invalid_grant", "another person"])
def test_refused_refresh_ends_the_session_politely(
    portal: FlaskClient, issuer: ForeignIssuer, fault: str
) -> None:
    """The next click shows that it is over and how to go on; nothing of the person is left."""
    first = expired_sign_in(portal, issuer)
    if fault == "another person":
        foreign = issuer.sign(issuer.claims(sub="person-2"), "JWT")
        issuer.refresh_answers[first] = (200, issuer.tokens(foreign))
    answer = portal.get("/area/documents")
    assert (answer.status_code, answer.location) == (303, "/signed-out")
    page = portal.get("/signed-out").text
    assert "Sie wurden abgemeldet" in page
    assert "Noch einmal anmelden" in page
    assert portal.get("/area/documents").location == "/login?next=/area/documents"


def test_issuer_that_is_away_ends_no_session(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """A refresh that cannot be asked for is asked for again later."""
    first = expired_sign_in(portal, issuer)
    issuer.broken = True
    assert portal.get("/area/documents").status_code == 200
    issuer.broken = False
    issuer.refresh_answers[first] = (400, {"error": "temporarily_unavailable"})
    assert portal.get("/area/documents").status_code == 200
    issuer.refresh_answers[first] = (200, issuer.tokens(None))
    assert portal.get("/area/documents").status_code == 200


def test_logout_ends_here_then_at_the_issuer(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """RP-Initiated Logout 1.0 §2: hint, client, registered address, and a state that comes back (req 46)."""
    sign_in(portal, issuer)
    answer = portal.post("/logout", data={"csrf_token": form_token(portal)})
    address = urlsplit(answer.location)
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert (answer.status_code, address.path) == (303, "/logout")
    assert query["client_id"] == "customer-portal"
    assert query["post_logout_redirect_uri"] == "http://localhost:8001/signed-out"
    assert query["id_token_hint"].count(".") == 2
    assert portal.get("/session").json == {"signed_in": False}
    assert "beim Anmeldedienst beendet" in portal.get(f"/signed-out?state={query['state']}").text
    assert "beim Anmeldedienst beendet" not in portal.get(f"/signed-out?state={query['state']}").text


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        (None, {}),
        ("0" * 64, {}),
        ("right", {"Sec-Fetch-Site": "cross-site"}),
        ("right", {"Sec-Fetch-Site": "same-site"}),
        ("right", {"Origin": "http://localhost:8002"}),
    ],
)
def test_logout_needs_our_own_form(
    portal: FlaskClient, issuer: ForeignIssuer, token: str | None, headers: dict[str, str]
) -> None:
    """No other site signs people out, and no link does (req 98)."""
    sign_in(portal, issuer)
    sent = form_token(portal) if token == "right" else token
    answer = portal.post("/logout", data={"csrf_token": sent} if sent else {}, headers=headers)
    assert answer.status_code == 400
    assert portal.get("/logout").status_code == 405
    assert portal.get("/session").json == {"signed_in": True}


def test_logout_works_without_the_issuer(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """Where the issuer cannot be asked, at least this portal's session is over."""
    sign_in(portal, issuer)
    token = form_token(portal)
    issuer.metadata["end_session_endpoint"] = None
    # globals of a template have no type
    portal.application.jinja_env.globals["portal"].party.issuer._metadata_until = 0.0  # type: ignore[attr-defined]
    assert portal.post("/logout", data={"csrf_token": token}).location == "/signed-out"
    assert portal.get("/session").json == {"signed_in": False}
    assert portal.get("/signed-out").status_code == 200


@pytest.mark.parametrize(
    "who", [{}, {"sub": None}, {"sid": None}], ids=["sid and sub", "sid alone", "sub alone"]
)
def test_back_channel_logout_ends_the_open_tab(
    portal: FlaskClient, issuer: ForeignIssuer, who: dict[str, Any]
) -> None:
    """Back-Channel Logout 1.0 §2.7: the session ends at once, and the page says why (req 47)."""
    sign_in(portal, issuer)
    assert portal.get("/session").json == {"signed_in": True}
    machine = portal.application.test_client()
    answer = machine.post("/backchannel-logout", data={"logout_token": issuer.logout_token(**who)})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert portal.get("/session").json == {"signed_in": False}
    assert portal.get("/").location == "/signed-out"
    assert "Sie wurden abgemeldet" in portal.get("/signed-out").text


@pytest.mark.parametrize("who", [{"sid": "sid-2"}, {"sub": "person-2"}, {"sid": None, "sub": "person-2"}])
def test_back_channel_logout_leaves_others_alone(
    portal: FlaskClient, issuer: ForeignIssuer, who: dict[str, Any]
) -> None:
    """A session of another id, or of another person, goes on."""
    sign_in(portal, issuer)
    answer = portal.post("/backchannel-logout", data={"logout_token": issuer.logout_token(**who)})
    assert answer.status_code == 200
    assert portal.get("/session").json == {"signed_in": True}


BAD_LOGOUT_TOKENS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "support-portal"},
    "expired": {"exp": 1000},
    "no expiry": {"exp": None},
    "no time of issue": {"iat": None},
    "time of issue is true": {"iat": True},
    "old, though it lives long": {"iat": 1700000000, "exp": 99999999999},
    "no jti": {"jti": None},
    "huge jti": {"jti": "x" * 300},
    "no events": {"events": None},
    "events is a list": {"events": [LOGOUT_EVENT]},
    "another event": {"events": {"http://schemas.openid.net/event/other": {}}},
    "event is no object": {"events": {LOGOUT_EVENT: "yes"}},
    "neither sid nor sub": {"sid": None, "sub": None},
    "sid is a number": {"sid": 1},
    "sub is empty": {"sub": ""},
    "a nonce": {"nonce": "n"},
}


@pytest.mark.parametrize("changes", BAD_LOGOUT_TOKENS.values(), ids=BAD_LOGOUT_TOKENS.keys())
def test_bad_logout_token_ends_nothing(
    portal: FlaskClient, issuer: ForeignIssuer, changes: dict[str, Any]
) -> None:
    """Back-Channel Logout 1.0 §2.6: each check, alone, refuses the token (req 47)."""
    sign_in(portal, issuer)
    answer = portal.post("/backchannel-logout", data={"logout_token": issuer.logout_token(**changes)})
    assert answer.status_code == 400
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json is not None
    assert answer.json["error"] == "invalid_request"
    assert portal.get("/session").json == {"signed_in": True}


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "secevent+jwt"])
def test_other_kinds_of_token_log_nobody_out(portal: FlaskClient, issuer: ForeignIssuer, typ: str) -> None:
    """A token is a logout token by its ``typ`` (req 24)."""
    sign_in(portal, issuer)
    answer = portal.post("/backchannel-logout", data={"logout_token": issuer.logout_token(typ)})
    assert answer.status_code == 400
    assert portal.get("/session").json == {"signed_in": True}


def test_forged_logout_tokens_log_nobody_out(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """What somebody without the issuer's key can make of a token they have seen (C10, req 35)."""
    sign_in(portal, issuer)
    keys = issuer.document("/jwks")
    assert keys is not None
    genuine = issuer.logout_token()
    made = [(name, token) for name, token in Forger(genuine, keys["keys"]).forgeries() if token != genuine]
    assert len(made) >= 30
    for name, token in made:
        answer = portal.post("/backchannel-logout", data={"logout_token": token})
        assert answer.status_code == 400, name
    assert portal.get("/session").json == {"signed_in": True}
    assert portal.post("/backchannel-logout", data={"logout_token": genuine}).status_code == 200
    assert portal.get("/session").json == {"signed_in": False}


def test_logout_token_counts_once_alone_and_in_the_body(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """Used again, sent twice, in the query, as garbage: refused without a breakdown."""
    token = issuer.logout_token(sid="sid-9")
    assert portal.post("/backchannel-logout", data={"logout_token": token}).status_code == 200
    assert portal.post("/backchannel-logout", data={"logout_token": token}).status_code == 400
    fresh = issuer.logout_token()
    assert portal.post("/backchannel-logout", data={"logout_token": [fresh, fresh]}).status_code == 400
    assert portal.post(f"/backchannel-logout?logout_token={fresh}").status_code == 400
    for garbage in ("", "a.b.c", "ü.ü.ü", "x" * 20_000, "e30.e30.e30", "....", "\x00"):
        answer = portal.post("/backchannel-logout", data={"logout_token": garbage})
        assert answer.status_code == 400, garbage
    assert portal.post("/backchannel-logout", data={"logout_token": "x" * 70_000}).status_code == 413
    assert portal.get("/backchannel-logout").status_code == 405


def test_logout_token_waits_for_the_keys(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """While the issuer's keys cannot be read the issuer is asked to try again."""
    issuer.broken = True
    token = issuer.logout_token()
    answer = portal.post("/backchannel-logout", data={"logout_token": token})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    issuer.broken = False
    assert portal.post("/backchannel-logout", data={"logout_token": token}).status_code == 200


def test_sign_in_that_comes_after_its_own_logout_opens_nothing(
    portal: FlaskClient, issuer: ForeignIssuer
) -> None:
    """A logout token may overtake the answer to the sign-in it ends."""
    callback = issuer.accept(portal.get("/login").location, sid="sid-7")
    portal.post("/backchannel-logout", data={"logout_token": issuer.logout_token(sid="sid-7")})
    portal.get(callback)
    assert portal.get("/session").json == {"signed_in": False}


def session(key: str, **changes: Any) -> PortalSession:
    """A session begun at second 0."""
    values: dict[str, Any] = {
        "key": key,
        "sub": PERSON,
        "sid": "sid-1",
        "claims": {"sub": PERSON},
        "userinfo": {},
        "id_token": "i",
        "access_token": "a",
        "refresh_token": "r",
        "access_until": 300.0,
        "started_at": 0.0,
        "seen_at": 0.0,
    }
    return PortalSession(**{**values, **changes})


def test_session_ends_when_unused_and_in_the_end_anyway() -> None:
    """Idle and absolute limits hold, each for itself."""
    store = SessionStore()
    idle = store.start(session, now=0.0, replaces=None)
    assert store.find(idle.key, IDLE - 1) is idle
    assert store.find(idle.key, IDLE) is None
    busy = store.start(session, now=0.0, replaces=None)
    assert store.renew(busy, {}, ABSOLUTE - 1)
    assert store.find(busy.key, ABSOLUTE - 1) is busy
    assert store.find(busy.key, ABSOLUTE) is None


def test_refresh_does_not_revive_an_ended_session() -> None:
    """An answer that arrives after the logout brings nothing back."""
    store = SessionStore()
    ended = store.start(session, now=0.0, replaces=None)
    assert store.end_matching(sid="sid-1", sub=None, now=1.0) == 1
    assert not store.renew(ended, {"access_token": "new"}, 2.0)
    assert (ended.access_token, ended.claims, ended.refresh_token) == ("", {}, None)


def test_memory_is_bounded() -> None:
    """Neither sign-ins begun and never ended nor sessions nor used tokens pile up."""
    store = SessionStore()
    oldest = store.start(session, now=0.0, replaces=None)
    store.put_pending("first", Pending("b", 100.0))
    for number in range(MOST):
        store.start(session, now=0.0, replaces=None)
        store.put_pending(str(number), Pending("b", 100.0))
    assert store.find(oldest.key, 1.0) is None
    assert store.take_pending("first", "b", 1.0) is None
    assert store.take_pending("7", "b", 1.0) is not None
    assert store.take_pending("8", "b", 100.0) is None
    for _ in range(MOST + 1):
        assert store.first_use(secrets.token_hex(8), 0.0)
    assert len(store._used_jtis) == MOST
