"""The hub's one decision: what a request needs next, from stored facts alone (OIDC Core §3.1.2.3-3.1.2.6).

Pure.  Rows are asked in the order of this file; the first that is not content names the step.  Under
``prompt=none`` the same row becomes an error instead of a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error

from idp.authentication.assurance import AAL1, AAL2, LEVELS, Assurance, meets
from idp.oidc.authorization_request import AuthorizationRequest, safe_name
from idp.oidc.clients import RegisteredClient
from idp.oidc.consent import Decision, must_ask
from idp.organizations import policy
from idp.organizations.memberships import MembershipFacts

LOGIN, ACCOUNT, ORGANIZATION, CONSENT = "login", "account", "organization", "consent"
"""Done-marks of a flow."""

_FRESH = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in in this browser, as far as the decision needs it."""

    account_id: str
    #: as the asking client knows it
    sub: str
    assurance: Assurance
    #: a second factor was proven in this session, however long ago
    second_factor_seen: bool
    has_second_factor: bool
    device_trusted: bool
    memberships: Sequence[MembershipFacts]
    session_membership: str | None = None
    #: a recovery password has to be saved first
    recovery_due: bool = False
    #: what was decided about the asking client before; of no interest for a first-party one
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """Show the sign-in page."""


@dataclass(frozen=True, slots=True)
class ChooseAccount:
    """Show who is signed in and offer another account."""


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """Ask for a second factor."""


@dataclass(frozen=True, slots=True)
class SaveRecoveryPassword:
    """Have a recovery password saved."""


@dataclass(frozen=True, slots=True)
class ChooseOrganization:
    """Ask for which organisation the person acts."""

    memberships: tuple[MembershipFacts, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Say that the membership waits for its activation."""

    memberships: tuple[MembershipFacts, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Say that the access is blocked (with memberships) or that a membership is missing (without)."""

    memberships: tuple[MembershipFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class FindCompany:
    """Have somebody who belongs to no company bring an old account along, or ask a company."""


@dataclass(frozen=True, slots=True)
class Consent:
    """Ask what the client may have."""

    membership_id: str | None


@dataclass(frozen=True, slots=True)
class Issue:
    """Answer the request."""

    membership_id: str | None


Step = (
    Login
    | ChooseAccount
    | SecondFactor
    | SaveRecoveryPassword
    | ChooseOrganization
    | Waiting
    | Refused
    | FindCompany
    | Consent
    | Issue
)


def next_step(
    request: AuthorizationRequest,
    client: RegisteredClient,
    person: Person | None,
    done: Mapping[str, Any],
    now: datetime,
) -> Step:
    """Return the next step.

    :param done: the flow's done-marks; each counts only for the account it names (req 75).
    :raises OAuth2Error: what the portal has to hear: ``unmet_authentication_requirements``,
        ``access_denied``, and for ``prompt=none`` what OIDC Core §3.1.2.6 has for the step.
    """
    step = _decide(request, client, person, done, now)
    if "none" in request.prompt and not isinstance(step, Issue):
        raise _silent_refusal(step)
    return step


def _decide(
    request: AuthorizationRequest,
    client: RegisteredClient,
    person: Person | None,
    done: Mapping[str, Any],
    now: datetime,
) -> Step:
    if person is None or _must_sign_in(request, person, done, now):
        return Login()
    if "none" in request.prompt:
        _keep_quiet(request, client, person)
    # a fresh sign-in in this flow was a choice too
    chosen = _marked(done, ACCOUNT, person) or _marked(done, LOGIN, person)
    if "select_account" in request.prompt and not chosen:
        return ChooseAccount()
    if _must_prove_more(request, person):
        return SecondFactor()
    if person.recovery_due:
        return SaveRecoveryPassword()
    choice = policy.choose(
        person.memberships,
        requested_organization=request.organization,
        session_membership=_chosen_membership(done, person),
        require_membership=client.require_membership,
    )
    if isinstance(choice, policy.Missing) and request.organization is None:
        return FindCompany()
    step = _membership_step(choice, person)
    if isinstance(step, Issue) and _must_consent(request, client, person, done, step.membership_id):
        return Consent(step.membership_id)
    return step


def _keep_quiet(request: AuthorizationRequest, client: RegisteredClient, person: Person) -> None:
    """Refuse before companies and factors are looked at, where the answer would tell what nobody allowed.

    :raises OAuth2Error: ``consent_required``: else a client that somebody meets for the first time would ask,
        number by number and unseen, which company the person belongs to (req 16, 59).
    """
    if client.first_party:
        return
    unknown = request.organization is not None and not _may_know(person, request.organization)
    if unknown or must_ask(client, request.scope, request.claims, person.decision, organization_id=None):
        raise _silent_refusal(Consent(None))


def _may_know(person: Person, organization: str) -> bool:
    """Tell whether the person let the client know that they belong to this company."""
    known = {company for _, company in person.decision.organizations} if person.decision else ()
    return any(
        membership.organization_id in known and policy.is_named(membership, organization)
        for membership in person.memberships
    )


def _must_sign_in(
    request: AuthorizationRequest, person: Person, done: Mapping[str, Any], now: datetime
) -> bool:
    fresh = _marked(done, LOGIN, person)
    if "login" in request.prompt and not fresh:
        return True
    if request.hinted_sub is not None and request.hinted_sub != person.sub:
        if fresh:  # asked once, and it was somebody else: OIDC Core §3.1.2.1 wants an error then
            raise OAuth2Error("another person signed in than id_token_hint names", error="login_required")
        return True
    return is_too_old(person.assurance.auth_time, request.max_age, now, fresh=fresh)


def is_too_old(auth_time: datetime, max_age: int | None, now: datetime, *, fresh: bool) -> bool:
    """Tell whether a sign-in is older than a request allows (OIDC Core §3.1.2.1, ``max_age``).

    :param max_age: seconds, None where any will do.
    :param fresh: made for this very request, it counts for a while, or ``max_age=0`` would ask for ever.
    """
    if max_age is None:
        return False
    allowed = timedelta(seconds=max_age)
    return now - auth_time > (max(allowed, _FRESH) if fresh else allowed)


def _must_prove_more(request: AuthorizationRequest, person: Person) -> bool:
    """Tell whether to ask for a second factor before anything else (design §2, acr).

    :raises OAuth2Error: one must be proven and the account has none, or a level is demanded that is none.
    """
    # whoever has a second factor is always asked for it once, unless the device is remembered
    if person.has_second_factor and not person.second_factor_seen and not person.device_trusted:
        return True
    wanted = [value for value in request.acr_values if value in LEVELS]
    if any(meets(person.assurance.acr, value) for value in wanted):
        return False
    if not wanted and request.essential_acr:
        received = ", ".join(safe_name(value) for value in request.acr_values[:3])
        raise OAuth2Error(
            f"acr must be one of {', '.join(LEVELS)}; received {received}",
            error="unmet_authentication_requirements",
        )
    if not wanted:  # a wish for nothing we know
        return False
    return _raises_level(person, essential=request.essential_acr)


def _raises_level(person: Person, *, essential: bool) -> bool:
    """Tell whether a second factor would raise the level; where it must and cannot, the portal hears so."""
    if person.has_second_factor and person.assurance.acr == AAL1:
        return True
    if essential:
        raise OAuth2Error(
            "the person cannot reach the demanded acr", error="unmet_authentication_requirements"
        )
    return False


def _chosen_membership(done: Mapping[str, Any], person: Person) -> str | None:
    if _marked(done, ORGANIZATION, person):
        return str(done[ORGANIZATION]["membership"])
    return person.session_membership


def _membership_step(choice: policy.Choice, person: Person) -> Step:
    match choice:
        case policy.Active(membership):
            if membership.require_second_factor and not meets(person.assurance.acr, AAL2):
                # the organisation's duty: must, like an essential acr
                _raises_level(person, essential=True)
                return SecondFactor()
            return Issue(membership.id)
        case policy.NoOrganization():
            return Issue(None)
        case policy.Choose(memberships):
            return ChooseOrganization(memberships)
        case policy.Pending(memberships):
            return Waiting(memberships)
        case policy.Blocked(memberships):
            return Refused(memberships)
    return Refused()  # policy.Missing: a company was named that the person does not belong to


def _must_consent(
    request: AuthorizationRequest,
    client: RegisteredClient,
    person: Person,
    done: Mapping[str, Any],
    membership_id: str | None,
) -> bool:
    """Tell whether to ask what the client may have (req 16).

    The mark says only that the person was asked in this flow, with the values of which company; what was
    allowed is read where it is stored.

    :raises OAuth2Error: the person was asked here, and gave nothing.
    """
    answered = _marked(done, CONSENT, person)
    if answered and not done[CONSENT]["given"]:
        raise OAuth2Error("the person did not consent", error="access_denied")
    if "consent" in request.prompt and not (answered and done[CONSENT].get("membership") == membership_id):
        return True
    acting_for = next((mine.organization_id for mine in person.memberships if mine.id == membership_id), None)
    return must_ask(client, request.scope, request.claims, person.decision, organization_id=acting_for)


def _marked(done: Mapping[str, Any], step: str, person: Person) -> bool:
    return bool(step in done and done[step].get("account") == person.account_id)


def _silent_refusal(step: Step) -> OAuth2Error:
    """Return the error of OIDC Core §3.1.2.6 that says what a page would have asked."""
    match step:
        case Login():
            return OAuth2Error("the person must sign in", error="login_required")
        case ChooseAccount() | ChooseOrganization():
            return OAuth2Error("the person must choose", error="account_selection_required")
        case Waiting() | Refused() | FindCompany():
            return OAuth2Error("the person has no usable membership", error="access_denied")
        case Consent():
            return OAuth2Error("the person has not consented to all of this", error="consent_required")
        case SaveRecoveryPassword():
            return OAuth2Error("the person must save a recovery password", error="interaction_required")
    return OAuth2Error("the person must be asked for a second factor", error="interaction_required")
