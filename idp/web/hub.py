"""What the hub decides by, for itself and for the page that shows what the hub is about to ask."""

from flask import g

from idp.authentication.assurance import FIRST_FACTORS
from idp.authentication.sessions import LiveSession
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.oidc import consent, interaction, subject
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import RegisteredClient
from idp.organizations import memberships
from idp.web.context import current
from idp.web.portals import provider


def stored(flow: Flow) -> tuple[AuthorizationRequest, RegisteredClient]:
    """Return the request a flow holds and its client, as it is registered now.

    :raises Refusal: ``flow.lost``: other work, or no such client any more; ``flow.expired``: the redirect URI
        was taken out of the registration meanwhile.
    """
    client = provider().snapshots.current().by_row.get(flow.client_id or "")
    if flow.purpose != engine.AUTHORIZATION or client is None:
        raise Refusal("flow.lost")
    wanted = AuthorizationRequest.from_json(flow.request)
    if not client.check_redirect_uri(wanted.redirect_uri):
        raise Refusal("flow.expired", client_id=client.row_id)
    g.ui_locales = wanted.ui_locales
    return wanted, client


def next_step(
    wanted: AuthorizationRequest, client: RegisteredClient, live: LiveSession | None, flow: Flow | None
) -> interaction.Step:
    """Return the next step of a request; raises as ``interaction.next_step`` does."""
    done = {} if flow is None else flow.done
    return interaction.next_step(wanted, client, _person(client, live), done, current().now)


def _person(client: RegisteredClient, live: LiveSession | None) -> interaction.Person | None:
    if live is None:
        return None
    ctx, account_id = current(), live.account.id
    return interaction.Person(
        account_id=account_id,
        sub=subject.seen_by(ctx.vault, client, live.account.sub),
        assurance=live.assurance,
        second_factor_seen=any(proof.method not in FIRST_FACTORS for proof in live.proofs),
        has_second_factor=bool(live.second_factors),
        device_trusted=live.device_trusted,
        memberships=memberships.for_account(ctx, account_id),
        session_membership=live.session.membership_id,
        decision=None if client.first_party else consent.find(ctx, account_id, client.row_id),
    )
