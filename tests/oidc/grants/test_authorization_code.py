"""The code exchange: what a code is bound to, and what burns it (RFC 6749 §4.1.3; req 5-7, 23)."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, text

from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.authentication import sessions
from idp.context import Services
from idp.flows.models import OneTimeSecret
from idp.management import accounts, clients, memberships, organizations
from idp.oidc.logout import end_session
from idp.oidc.models import Authorization
from tests import cast
from tests.builders import OPERATOR, make_membership, make_organization
from tests.plain_browser import Portal
from tests.world import CHALLENGE, VERIFIER, Desk, forget_snapshot, move_back, verified

INVALID = (400, "invalid_grant")


def _outcome(answer: Any) -> tuple[int, str]:
    return answer.status_code, (answer.get_json() or {}).get("error", "")


def _events(services: Services, event: Event) -> list[AuditEvent]:
    with services.database.session() as db:
        return list(db.scalars(select(AuditEvent).where(AuditEvent.event == event)))


def test_rfc_7636_appendix_b(desk: Desk) -> None:
    """The verifier and challenge of the specification fit."""
    assert desk.redeem(desk.code(code_challenge=CHALLENGE).code, code_verifier=VERIFIER).status_code == 200


def test_a_code_whose_authorization_is_gone(desk: Desk) -> None:
    """It opens nothing, and that is no fault of ours."""
    issued = desk.code()
    with desk.work() as ctx:
        ctx.db.execute(delete(Authorization).where(Authorization.id == issued.authorization_id))
    assert _outcome(desk.redeem(issued.code)) == INVALID


@pytest.mark.parametrize(
    ("challenge", "verifier"),
    [
        (CHALLENGE, None),
        (CHALLENGE, "v" * 43),
        (CHALLENGE, CHALLENGE),
        (CHALLENGE, VERIFIER[:-1]),
        (CHALLENGE, VERIFIER.swapcase()),
        (CHALLENGE, VERIFIER + "\n"),
        (CHALLENGE, "ä" * 43),
        (CHALLENGE, "a" * 129),
        (None, VERIFIER),
        (None, "v"),
    ],
)
def test_a_wrong_verifier_burns_the_code(desk: Desk, challenge: str | None, verifier: str | None) -> None:
    """Missing, another, the challenge itself (``plain``), cut, of wrong characters, or sent for a code that
    has no challenge (req 4, 5).  Authlib's pattern ends in ``$`` and takes a line feed.
    """
    code = desk.code(code_challenge=challenge).code
    assert _outcome(desk.redeem(code, code_verifier=verifier)) == INVALID
    # burnt: the right verifier comes too late (req 7)
    assert _outcome(desk.redeem(code, code_verifier=VERIFIER if challenge else None)) == INVALID


def test_a_code_without_challenge_needs_no_verifier(desk: Desk) -> None:
    """The other side of the downgrade check: the certification's clients."""
    assert desk.redeem(desk.code(code_challenge=None).code, code_verifier=None).status_code == 200


@pytest.mark.parametrize("uri", [None, "https://portal.example/callback/", "https://evil.example/"])
def test_another_redirect_uri_burns_the_code(desk: Desk, uri: str | None) -> None:
    """RFC 6749 §4.1.3 (req 7)."""
    code = desk.code().code
    assert _outcome(desk.redeem(code, redirect_uri=uri)) == INVALID
    assert _outcome(desk.redeem(code)) == INVALID
    assert _events(desk.services, Event.CODE_MISUSED)


def test_a_code_is_burnt_with_its_event(desk: Desk) -> None:
    """Where the one cannot be kept the other is not: a burnt code whose misuse nobody can read (req 7)."""
    code = desk.code().code
    events = AuditEvent.__tablename__
    with desk.services.database.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {events} RENAME TO elsewhere"))
    try:
        assert desk.redeem(code, redirect_uri="https://evil.example/").status_code >= 500
    finally:
        with desk.services.database.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE elsewhere RENAME TO {events}"))
    assert desk.redeem(code).status_code == 200


def test_another_client_burns_the_code(desk: Desk) -> None:
    """Presented by another authenticated client, it fails and is dead for its owner too (req 7)."""
    with desk.work() as ctx:
        thief = Portal(desk.gateway, cast.register(ctx, "thief"), verifier=VERIFIER)
    forget_snapshot(desk.gateway)
    code = desk.code().code
    assert _outcome(thief.exchange(code)) == INVALID
    assert _outcome(desk.redeem(code)) == INVALID


def test_a_replay_revokes_what_came_of_the_code(desk: Desk) -> None:
    """(req 6): access and refresh token die, and the log has it; a successor dies as well."""
    issued = desk.code()
    tokens = desk.redeem(issued.code).get_json()
    newer = desk.portal.refresh(tokens["refresh_token"]).get_json()
    assert _outcome(desk.redeem(issued.code)) == INVALID
    for found in (tokens, newer):
        assert desk.introspect(found["access_token"]) == {"active": False}
    assert _outcome(desk.portal.refresh(newer["refresh_token"])) == INVALID
    replays = _events(desk.services, Event.CODE_REPLAYED)
    assert [event.target_id for event in replays] == [issued.authorization_id]


def test_an_unknown_code_is_nothing(desk: Desk) -> None:
    """No row, no event."""
    assert _outcome(desk.redeem("x" * 43)) == INVALID
    assert _events(desk.services, Event.CODE_REPLAYED) == []


def test_a_code_lives_sixty_seconds(desk: Desk) -> None:
    """(req 6)"""
    code = desk.code().code
    move_back(desk.services, (OneTimeSecret.created_at, OneTimeSecret.expires_at), timedelta(seconds=60))
    assert _outcome(desk.redeem(code)) == INVALID
    code = desk.code().code
    move_back(desk.services, (OneTimeSecret.created_at, OneTimeSecret.expires_at), timedelta(seconds=30))
    assert desk.redeem(code).status_code == 200


def test_missing_code(desk: Desk) -> None:
    """invalid_request."""
    assert _outcome(desk.portal.call("/token", {"grant_type": "authorization_code"})) == (
        400,
        "invalid_request",
    )


def test_a_client_without_the_grant(desk: Desk) -> None:
    """unauthorized_client, and the code is not touched."""
    with desk.work() as ctx:
        machine_client = cast.register_api(ctx)
    forget_snapshot(desk.gateway)
    code = desk.code().code
    other = Portal(desk.gateway, machine_client, verifier=VERIFIER)
    assert _outcome(other.exchange(code)) == (400, "unauthorized_client")
    assert desk.redeem(code).status_code == 200


def test_a_public_client_redeems(desk: Desk) -> None:
    """With the method ``none``, which Authlib's code grant leaves out."""
    with desk.work() as ctx:
        app = cast.register_public(ctx)
    forget_snapshot(desk.gateway)
    public = Desk(desk.services, desk.gateway, app, desk.account_id)
    tokens = public.tokens()
    assert public.portal.refresh(tokens["refresh_token"]).status_code == 200


def test_a_client_without_refresh_gets_none(desk: Desk) -> None:
    """And without openid no ID token."""
    with desk.work() as ctx:
        lone = cast.register(ctx, "lone", grant_types=["authorization_code"])
    forget_snapshot(desk.gateway)
    tokens = Desk(desk.services, desk.gateway, lone, desk.account_id).tokens(scope="profile")
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope"}
    assert tokens["scope"] == "profile"


def test_claims_asked_for_by_name_come_in_the_id_token(desk: Desk) -> None:
    """But ours cannot be overwritten (Authlib: user_info may overwrite iss, aud, exp)."""
    wanted = {"id_token": {"email": None, "iss": {"value": "evil"}, "aud": None, "sub": None}}
    tokens = desk.tokens(claims=wanted)
    _, claims = verified(desk.gateway, tokens["id_token"])
    assert claims["email"] == "paul@muster.example"
    assert (claims["iss"], claims["aud"]) == (desk.issuer, "portal")
    assert "email" not in verified(desk.gateway, desk.tokens()["id_token"])[1]


def test_a_nonce_may_come_again(desk: Desk) -> None:
    """Authlib calls a second use of a nonce a replay; it is the portal's to compare (req 39)."""
    for _ in range(2):
        assert verified(desk.gateway, desk.tokens(nonce="same")["id_token"])[1]["nonce"] == "same"


GONE = {
    "account blocked": lambda ctx, desk, _m, _o: accounts.block(ctx, desk.account_id),
    "account deleted": lambda ctx, desk, _m, _o: accounts.delete(ctx, desk.account_id),
    "password changed": lambda ctx, desk, _m, _o: accounts.set_password(
        ctx, desk.account_id, "eine ganz andere Möwe"
    ),
    "membership blocked": lambda ctx, _d, member, organization: memberships.block(ctx, organization, member),
    "membership ended": lambda ctx, _d, member, organization: memberships.end(ctx, organization, member),
    "organisation suspended": lambda ctx, _d, _m, organization: organizations.suspend(ctx, organization),
    "signed out": lambda ctx, desk, _m, _o: [
        end_session(ctx, session_id, "signed out") for session_id in sessions.open_ids(ctx, desk.account_id)
    ],
}


@pytest.mark.parametrize("what", GONE)
def test_who_may_no_longer_act_gets_nothing(desk: Desk, what: str) -> None:
    """Every grant, userinfo and introspection, at once (req 23); a code is its session's (req 7)."""
    with desk.work() as ctx:
        organization = make_organization(ctx)
        member = make_membership(ctx, organization, desk.account_id)
    tokens = desk.tokens(membership=member)
    waiting = desk.code(membership=member).code
    assert desk.introspect(tokens["access_token"])["active"] is True
    with desk.work() as ctx:
        GONE[what](ctx.acting(OPERATOR), desk, member, organization)
    assert _outcome(desk.redeem(waiting)) == INVALID
    assert _outcome(desk.portal.refresh(tokens["refresh_token"])) == INVALID
    assert desk.introspect(tokens["access_token"]) == {"active": False}
    assert desk.portal.userinfo(tokens["access_token"]).status_code == 401


def test_a_disabled_client_gets_nothing(desk: Desk) -> None:
    """(req 23), within the second that snapshots may lag (here: the next look)."""
    tokens = desk.tokens()
    with desk.work() as ctx:
        clients.disable(ctx.acting(OPERATOR), "portal")
        api = Portal(desk.gateway, cast.register(ctx, "other"))
    forget_snapshot(desk.gateway)
    assert _outcome(desk.portal.refresh(tokens["refresh_token"])) == (401, "invalid_client")
    assert desk.portal.userinfo(tokens["access_token"]).status_code == 401
    assert desk.introspect(tokens["access_token"], api) == {"active": False}


def test_an_authorization_whose_time_is_over(desk: Desk) -> None:
    """The absolute limit holds for what is still in hand."""
    code = desk.code().code
    move_back(desk.services, (Authorization.expires_at,), timedelta(days=3650))
    assert _outcome(desk.redeem(code)) == INVALID


def test_unsupported_grant_types(desk: Desk) -> None:
    """The password grant and made-up ones, whatever characters they hold, are 400 (req 9, 29)."""
    for grant_type in ("password", "implicit", 'a"b', "ä\\", "x" * 5000):
        form = {"grant_type": grant_type, "username": "paul", "password": "x"}
        answer = desk.portal.call("/token", form)
        assert _outcome(answer) == (400, "unsupported_grant_type")
        assert "must be one of authorization_code, " in answer.get_json()["error_description"]
    for form in ({"grant_type": ""}, {"granttype": "authorization_code"}):
        missing = desk.portal.call("/token", form)
        assert _outcome(missing) == (400, "invalid_request")  # RFC 6749 section 5.2
        assert missing.get_json()["error_description"] == "grant_type is missing"


def test_a_verifier_has_43_to_128_characters(desk: Desk) -> None:
    """Also where it fits (RFC 7636 §4.1): the entropy of a short one is guessed."""
    for length, status in ((42, 400), (43, 200), (128, 200), (129, 400)):
        verifier = "v" * length
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        code = desk.code(code_challenge=challenge).code
        assert desk.redeem(code, code_verifier=verifier).status_code == status, length
