"""Authorizations: what is issued, what ends, and what of both is in the log (req 6, 22, 23, 44)."""

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.authentication import live_sessions, sessions
from idp.db import to_micros
from idp.errors import Refusal
from idp.flows import one_time_secrets
from idp.flows.models import OneTimeSecret
from idp.management import permissions
from idp.oidc import authorization
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import load_clients
from idp.oidc.models import Authorization
from idp.organizations.models import Membership
from tests import cast
from tests.builders import OPERATOR, make_catalogue, make_membership, make_organization
from tests.world import CHALLENGE, Desk, forget_snapshot, verified

LONG = "a reason that is longer than the column of its row"


def test_a_code_is_in_the_log(desk: Desk) -> None:
    """Whose, for which company, which client, in which session, with what (design §2, audit)."""
    with desk.work() as ctx:
        organization = make_organization(ctx)
        member = make_membership(ctx, organization, desk.account_id)
    issued = desk.code(membership=member)
    with desk.services.database.session() as db:
        (event,) = db.scalars(select(AuditEvent).where(AuditEvent.event == Event.CODE_ISSUED))
        row = db.get_one(Authorization, issued.authorization_id)
    assert (event.target_id, event.client) == (desk.account_id, "portal")
    assert (event.organization, event.session) == (organization, row.session_id)
    assert issued.authorization_id in (event.new or "")


def test_each_end_of_an_authorization_is_in_the_log(desk: Desk) -> None:
    """With its reason, whole, of which the row has what fits (design §2, audit)."""
    issued = desk.code()
    with desk.work() as ctx:
        assert authorization.revoke(ctx, LONG, account_id=desk.account_id) == [issued.authorization_id]
        assert authorization.revoke(ctx, "again", account_id=desk.account_id) == []
        assert ctx.db.get_one(Authorization, issued.authorization_id).revoke_reason == LONG[:32]
    with desk.services.database.session() as db:
        (event,) = db.scalars(select(AuditEvent).where(AuditEvent.event == Event.AUTHORIZATION_REVOKED))
    assert (event.target_id, event.reason) == (issued.authorization_id, LONG)


def test_nothing_is_issued_for_who_may_not_act(desk: Desk) -> None:
    """The last look, under the lock: no session, a company that is not the person's, or blocked there."""
    with desk.work() as ctx:
        mine, theirs = make_organization(ctx), make_organization(ctx, "100200400", "Beispiel AG")
        member = make_membership(ctx, mine, desk.account_id)
        foreign = make_membership(ctx, theirs, cast.person(ctx, "felix"))
        client = load_clients(ctx.db)["portal"]
        live, *_ = sessions.start(ctx, ctx.db.get_one(Account, desk.account_id), methods=(("pwd", None),))
        wanted = AuthorizationRequest("portal", cast.REDIRECT, "openid", code_challenge=CHALLENGE)
        held = live_sessions.hold(ctx, live.session.id, client.row_id)
        assert authorization.issue(ctx, wanted, client, held, member)
        for no_session, company in ((True, None), (True, member), (False, foreign), (False, "gone")):
            with pytest.raises(Refusal) as refused:
                authorization.issue(ctx, wanted, client, None if no_session else held, company)
            assert refused.value.code == "principal.may_not_act"
        ctx.db.execute(update(Membership).where(Membership.id == member).values(status="blocked"))
        held = live_sessions.hold(ctx, live.session.id, client.row_id)
        with pytest.raises(Refusal) as refused:
            authorization.issue(ctx, wanted, client, held, member)
        assert refused.value.code == "principal.may_not_act"


def test_a_change_that_spares_a_session_ends_its_offline_access(desk: Desk) -> None:
    """What outlives the session that a new password was chosen in is not spared with it."""
    bound, offline = desk.code(), desk.code()
    with desk.work() as ctx:
        mine = ctx.db.get_one(Authorization, bound.authorization_id).session_id
        ctx.db.execute(
            update(Authorization)
            .where(Authorization.id == offline.authorization_id)
            .values(session_id=mine, offline=True)
        )
        ended = authorization.revoke(ctx, "made up", account_id=desk.account_id, spared_session=mine)
    assert ended == [offline.authorization_id]


def test_the_end_of_a_clients_own_tokens_is_not_that_of_its_peoples(desk: Desk) -> None:
    """Opaque tokens of people name an authorization, which says whether they count (design §6)."""
    with desk.work() as ctx:
        opaque = cast.register(ctx, "opaque", access_token_format="opaque")
    forget_snapshot(desk.gateway)
    other = Desk(desk.services, desk.gateway, opaque, desk.account_id)
    theirs = other.tokens()["access_token"]
    own = other.portal.call("/token", {"grant_type": "client_credentials"}).get_json()["access_token"]
    with desk.work() as ctx:
        authorization.end_own_tokens(ctx, load_clients(ctx.db)["opaque"].row_id)
    assert other.introspect(own) == {"active": False}
    assert other.introspect(theirs)["active"] is True


def test_permissions_are_those_of_this_client_that_this_organisation_holds(desk: Desk) -> None:
    """In token and ID token: nothing of another portal, nothing that the company lost (design §5; req 92)."""
    with desk.work() as ctx:
        cast.register(ctx, "other")
        make_catalogue(ctx, "portal", ["orders", "bills", "shop"])
        make_catalogue(ctx, "portal", ["shop", "orders", "bills"])  # in a new order
        make_catalogue(ctx, "other", ["secrets"])
        mine, theirs = make_organization(ctx), make_organization(ctx, "100200400", "Beispiel AG")
        member = make_membership(ctx, mine, desk.account_id)
        acting = ctx.acting(OPERATOR)
        for organization in (mine, theirs):
            permissions.grant_to_organization(acting, organization, "portal", ["*"])
        permissions.grant_to_organization(acting, mine, "other", ["*"])
        permissions.grant_to_member(acting, mine, member, "portal", ["*"])
        permissions.grant_to_member(acting, mine, member, "other", ["*"])
    forget_snapshot(desk.gateway)

    def told() -> list[str]:
        tokens = desk.tokens(scope="openid permissions", membership=member)
        found = [verified(desk.gateway, tokens[name])[1] for name in ("access_token", "id_token")]
        assert found[0]["permissions"] == found[1]["permissions"]
        return list(found[0]["permissions"])

    assert told() == ["shop", "orders", "bills"]
    with desk.work() as ctx:
        permissions.withdraw_from_organization(ctx.acting(OPERATOR), mine, "portal", ["orders"])
    assert told() == ["shop", "bills"]


def test_a_secret_of_another_purpose_is_no_code(desk: Desk) -> None:
    """It opens nothing at the token endpoint, and stays what it was (security reference, A1)."""
    issued = desk.code()
    with desk.work() as ctx:
        link = one_time_secrets.create(
            ctx, "password_reset", target=issued.authorization_id, lifetime=timedelta(minutes=1)
        )
    refused = desk.redeem(link)
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")
    with desk.work() as ctx:
        assert one_time_secrets.consume(ctx, "password_reset", link) is not None


def test_a_code_is_over_at_its_last_moment(desk: Desk) -> None:
    """Not a microsecond after ``expires_at`` either way."""
    code = desk.code().code
    hashed = hashlib.sha256(code.encode()).digest()
    statements = desk.gateway.server.provider.statements
    with desk.services.database.session() as db:
        end = db.scalar(select(OneTimeSecret.expires_at).where(OneTimeSecret.hash == hashed))
    assert end is not None
    for moment, found in ((to_micros(end), False), (to_micros(end) - 1, True)):
        with statements.transaction() as transaction:
            assert (transaction.consume_code(hashed, moment) is not None) is found
