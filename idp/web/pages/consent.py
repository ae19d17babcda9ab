"""L-11: what a portal may have, with the own values (OIDC Core §3.1.2.4; screens L-11; req 16, 75)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.context import Actor
from idp.flows import engine
from idp.flows.models import Flow
from idp.management.ending import end_consent
from idp.oidc import consent, interaction
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import RegisteredClient
from idp.oidc.consent import Decision, Extent
from idp.organizations import memberships
from idp.organizations.memberships import MembershipFacts
from idp.web import disclosure, hub
from idp.web.browser_session import browser
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import go_on, required_flow
from idp.web.flow_pages import show as show_page
from idp.web.portals import provider
from idp.web.wording import word

bp = Blueprint("consent", __name__)

ALLOW, DECLINE = "allow", "decline"
OTHER_PERSON = "consent.other_person"


@dataclass(frozen=True, slots=True)
class Question:
    """Who is asked for what, from stored facts alone."""

    wanted: AuthorizationRequest
    client: RegisteredClient
    live: LiveSession
    membership: MembershipFacts | None

    @property
    def extent(self) -> Extent:
        """All that is wanted."""
        return consent.asked(self.client, self.wanted.scope, self.wanted.claims)

    @property
    def choices(self) -> Extent:
        """What of it can be ticked."""
        return self.extent - consent.fixed(self.client, self.extent)

    @property
    def organization_id(self) -> str | None:
        """The company whose values the page shows."""
        return self.membership.organization_id if self.membership else None

    @property
    def shown(self) -> str:
        """Whose values the page shows: an answer counts for these alone."""
        return f"{self.live.account.id}.{self.membership.id if self.membership else ''}"


@bp.get("/consent")
def show() -> Response:
    """Show what the portal wants, with what was allowed before ticked."""
    flow = required_flow()
    question = _question(flow)
    if question is None:
        return go_on(flow)
    return _page(flow, question, _allowed_before(question))


@bp.post("/consent")
@shows_stale_form
def submit() -> Response:
    """Take the answer; the hub goes on from what is stored then."""
    flow = required_flow(lock=True)
    question = _question(flow)
    if question is None:
        return go_on(flow)
    ticked = disclosure.ticked(question.choices, request.form)
    problem = _problem(question, ticked)
    if problem is not None:
        # what somebody else ticked is not offered to the next person
        ticked = _allowed_before(question) if problem == OTHER_PERSON else ticked
        return _page(flow, question, ticked, [("", word(problem))])
    account_id, client = question.live.account.id, question.client
    ctx = current().acting(Actor("account", account_id))
    allowed = request.form["choice"] == ALLOW
    if not allowed:
        consent.decline(ctx, account_id, client)
    elif consent.decide(
        ctx, account_id, client, question.extent, ticked, organization_id=question.organization_id
    ):
        # taken back in part: tokens, offline access too, still hold what was allowed before (req 23)
        end_consent(ctx, account_id, client.row_id)
    membership_id = question.membership.id if question.membership else None
    engine.mark(flow, interaction.CONSENT, account=account_id, membership=membership_id, given=allowed)
    return go_on(flow)


def _question(flow: Flow) -> Question | None:
    """Return what is asked now, None where the hub would do something else."""
    wanted, client = hub.stored(provider(), flow)
    live, mine = browser().person(current())
    try:
        step = hub.next_step(current(), wanted, client, live, flow, mine=mine)
    except OAuth2Error:
        return None  # the portal hears it from the hub
    if live is None or not isinstance(step, interaction.Consent):
        return None
    membership = memberships.find(current(), step.membership_id) if step.membership_id else None
    return Question(wanted, client, live, membership)


def _allowed_before(question: Question) -> Extent:
    known = consent.find(current(), question.live.account.id, question.client.row_id) or Decision()
    return known.reach


def _problem(question: Question, ticked: Extent) -> str | None:
    """Return why an answer does not count, as a code for words, or None."""
    if request.form.get("person") != question.shown:
        return OTHER_PERSON
    if is_stale():
        return "form.stale"
    choice = request.form.get("choice")
    if choice not in (ALLOW, DECLINE):
        return "consent.choice"
    given = consent.fixed(question.client, question.extent) | ticked
    if choice == ALLOW and question.extent and not given:
        return "consent.nothing"
    return None


def _page(
    flow: Flow, question: Question, ticked: Extent, errors: list[tuple[str, str]] | None = None
) -> Response:
    client, account_id = question.client, question.live.account.id

    def told(extent: Extent) -> list[disclosure.Item]:
        return disclosure.items(client, account_id, question.membership, extent)

    on = {disclosure.scope_field(scope) for scope in ticked.scopes}
    on |= {disclosure.claim_field(claim) for claim in ticked.claims}
    return show_page(
        "pages/consent.html",
        flow,
        action=url_for("consent.submit", flow=flow.id),
        person=question.shown,
        first_party=client.first_party,
        host=urlsplit(question.wanted.redirect_uri).netloc,
        fixed=told(question.extent - question.choices),
        choices=told(question.choices),
        ticked=on,
        duration=disclosure.duration(client),
        portals_url=url_for("own_portals.show"),
        errors=errors or [],
    )
