"""The hub of the authorization endpoint: what becomes of a request (OIDC Core §3.1.2; architecture §7).

A request that needs no page is answered at once.  Any other becomes a flow; each page returns to the hub, and
the hub alone decides the next step.  No web framework in here: what needs no page is answered without one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from authlib.oauth2.rfc6749 import OAuth2Error

from idp.authentication import live_sessions
from idp.authentication.assurance import FIRST_FACTORS
from idp.authentication.live_sessions import Held, LiveSession
from idp.context import Actor, Context
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.management import affiliation
from idp.oidc import consent, interaction, subject
from idp.oidc.authorization import issue
from idp.oidc.authorization_request import AuthorizationRequest, read
from idp.oidc.authorization_response import AuthorizationResponse, error_response, success_response
from idp.oidc.clients import RegisteredClient
from idp.oidc.provider import Provider
from idp.oidc.request import Exchange
from idp.oidc.server import ProtocolServer, note_refusal
from idp.organizations.memberships import MembershipFacts
from idp.web.browser import Browser

PAGES: Final[Mapping[type[Any], str]] = {
    interaction.Login: "/login",
    interaction.SecondFactor: "/login/totp",
    interaction.SaveRecoveryPassword: "/recovery",
    interaction.ChooseAccount: "/choose-account",
    interaction.ChooseOrganization: "/choose-organization",
    interaction.FindCompany: "/link",
    interaction.Consent: "/consent",
}
"""The page of each step that a person can take; any other step is a state, and shown where the hub is."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The portal gets its answer."""

    response: AuthorizationResponse
    #: the request it answers, None where that could not be read
    wanted: AuthorizationRequest | None


@dataclass(frozen=True, slots=True)
class Asking:
    """The person is asked or told something first."""

    step: interaction.Step
    flow: Flow
    wanted: AuthorizationRequest
    client: RegisteredClient

    @property
    def page(self) -> str | None:
        """The address of the step's page, None for a state."""
        path = PAGES.get(type(self.step))
        return f"{path}?flow={self.flow.id}" if path else None


Outcome = Answered | Asking

DECLINED: Final = "declined"
"""Mark of a flow that the person gave up."""
DECIDED: Final = "lotse.decided"
"""Key of a :class:`Decided` in a request whose answer is a page."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What came out for a request, or the error that its page has to tell."""

    outcome: Outcome | Exception
    #: ``Set-Cookie`` headers that belong to the answer
    cookies: tuple[str, ...] = ()


class Hub:
    """Decides for one request of one browser.

    :param ctx: operations run in it; the caller commits.
    """

    def __init__(self, server: ProtocolServer, ctx: Context, browser: Browser) -> None:
        self._server = server
        self._provider = server.provider
        self._ctx = ctx
        self._browser = browser

    def begin(self, method: str, pairs: Iterable[tuple[str, str]]) -> Outcome:
        """Take a request that the browser brings from a portal (OIDC Core §3.1.2.1).

        :raises RelyingPartyMistake: to be shown.
        """
        try:
            wanted, client = self._read(method, pairs)
        except OAuth2Error as error:
            return self._not_read(error)
        return self._decided(wanted, client, self._browser.hold(self._ctx, client.row_id), None)

    def keep(self, method: str, pairs: Iterable[tuple[str, str]]) -> Answered | str:
        """Take a request whose cookies did not come with it, and return the id of its flow.

        :raises RelyingPartyMistake: to be shown.
        """
        try:
            wanted, client = self._read(method, pairs)
        except OAuth2Error as error:
            return self._not_read(error)
        return self._flow(wanted, client, engine.UNBOUND).id

    def resume(self, flow_id: str) -> Outcome:
        """Go on with a flow; raises Refusal as :func:`engine.load` and :func:`stored` do."""
        flow = engine.take(self._ctx, flow_id, self._browser.flow_or_new())
        wanted, client = stored(self._provider, flow)
        return self._decided(wanted, client, self._browser.hold(self._ctx, client.row_id), flow)

    def decide(self, flow: Flow, live: LiveSession) -> Outcome:
        """Decide for a held flow whose person has just signed in; raises Refusal as :func:`stored` does."""
        wanted, client = stored(self._provider, flow)
        held = live_sessions.hold(self._ctx, live.session.id, client.row_id)
        return self._decided(wanted, client, held, flow)

    def decline(self, flow: Flow) -> Answered:
        """End a flow because the person wants to: the portal hears ``access_denied``."""
        wanted, _ = stored(self._provider, flow)
        engine.mark(flow, DECLINED)
        error = OAuth2Error("the person cancelled the sign-in", error="access_denied")
        return self._refused(wanted, error, flow)

    def _read(
        self, method: str, pairs: Iterable[tuple[str, str]]
    ) -> tuple[AuthorizationRequest, RegisteredClient]:
        snapshot = self._provider.snapshots.current()
        exchange = Exchange(snapshot, self._ctx.now, self._ctx.origin)
        wanted = read(self._server, exchange, method, pairs)
        return wanted, snapshot.clients[wanted.client_id]

    def _not_read(self, error: OAuth2Error) -> Answered:
        """Answer a request that cannot be followed, to a redirect URI that was compared before."""
        note_refusal(error, error.client_id)
        return Answered(error_response(self._provider.issuer, error), None)

    def _decided(
        self,
        wanted: AuthorizationRequest,
        client: RegisteredClient,
        held: Held | None,
        flow: Flow | None,
    ) -> Outcome:
        live, mine = (held.live, held.memberships) if held else (None, ())
        try:
            step = next_step(self._ctx, wanted, client, live, flow, mine=mine)
        except OAuth2Error as error:
            return self._refused(wanted, error, flow)
        if isinstance(step, interaction.Issue) and held is not None:
            return self._answered(wanted, client, held, step, flow)
        flow = flow or self._flow(wanted, client, self._browser.flow_or_new())
        return Asking(step, flow, wanted, client)

    def _flow(self, wanted: AuthorizationRequest, client: RegisteredClient, browser_hash: bytes) -> Flow:
        return engine.start(
            self._ctx,
            engine.AUTHORIZATION,
            client_id=client.row_id,
            browser_hash=browser_hash,
            request=wanted.to_json(),
        )

    def _answered(
        self,
        wanted: AuthorizationRequest,
        client: RegisteredClient,
        held: Held,
        step: interaction.Issue,
        flow: Flow | None,
    ) -> Answered:
        if flow is not None and not engine.finish(self._ctx, flow):
            raise Refusal("flow.expired", client_id=client.row_id)
        acting = self._ctx.acting(Actor("account", held.live.account.id))
        code = issue(acting, wanted, client, held, step.membership_id)
        answer = success_response(
            wanted.redirect_uri,
            wanted.response_mode,
            self._provider.issuer,
            code=code,
            state=wanted.state,
        )
        return Answered(answer, wanted)

    def _refused(self, wanted: AuthorizationRequest, error: OAuth2Error, flow: Flow | None) -> Answered:
        if flow is not None:
            engine.finish(self._ctx, flow)
        error.redirect_uri, error.state = wanted.redirect_uri, wanted.state
        error.response_mode = wanted.response_mode
        note_refusal(error, wanted.client_id)
        return Answered(error_response(self._provider.issuer, error), wanted)


def stored(provider: Provider, flow: Flow) -> tuple[AuthorizationRequest, RegisteredClient]:
    """Return the request a flow holds and its client, as it is registered now.

    :raises Refusal: ``flow.lost``: other work, or no such client any more; ``flow.expired``: the redirect URI
        was taken out of the registration meanwhile.
    """
    client = provider.snapshots.current().by_row.get(flow.client_id or "")
    if flow.purpose != engine.AUTHORIZATION or client is None:
        raise Refusal("flow.lost")
    wanted = AuthorizationRequest.from_json(flow.request)
    if not client.check_redirect_uri(wanted.redirect_uri):
        raise Refusal("flow.expired", client_id=client.row_id)
    return wanted, client


def next_step(
    ctx: Context,
    wanted: AuthorizationRequest,
    client: RegisteredClient,
    live: LiveSession | None,
    flow: Flow | None,
    *,
    mine: Sequence[MembershipFacts],
) -> interaction.Step:
    """Return the next step of a request; raises as ``interaction.next_step`` does.

    :param mine: the memberships of who is signed in.
    """
    done = {} if flow is None else flow.done
    step = interaction.next_step(wanted, client, _person(ctx, client, live, mine), done, ctx.now)
    if isinstance(step, interaction.FindCompany) and live is not None:
        # asked for such people alone: all others cost no statement more
        return step if affiliation.can_find_company(ctx, live.account.id) else interaction.Refused()
    return step


def _person(
    ctx: Context, client: RegisteredClient, live: LiveSession | None, mine: Sequence[MembershipFacts]
) -> interaction.Person | None:
    if live is None:
        return None
    account_id = live.account.id
    return interaction.Person(
        account_id=account_id,
        sub=subject.seen_by(ctx.vault, client, live.account.sub),
        assurance=live.assurance,
        second_factor_seen=any(proof.method not in FIRST_FACTORS for proof in live.proofs),
        has_second_factor=bool(live.second_factors),
        device_trusted=live.device_trusted,
        memberships=mine,
        session_membership=live.session.membership_id,
        recovery_due=live.account.recovery_due,
        decision=None if client.first_party else consent.find(ctx, account_id, client.row_id),
    )
