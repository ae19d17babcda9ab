"""The hub's decision, row by row (OIDC Core §3.1.2.3-3.1.2.6; req 12, 13, 75)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import OAuth2Error

from idp.authentication.assurance import AAL1, AAL2, AAL2_PHR, Assurance
from idp.oidc import interaction
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import RegisteredClient
from idp.oidc.consent import Decision, Extent
from idp.oidc.interaction import (
    ChooseAccount,
    ChooseOrganization,
    Consent,
    FindCompany,
    Issue,
    Login,
    Person,
    Refused,
    SaveRecoveryPassword,
    SecondFactor,
    Step,
    Waiting,
)
from tests.builders import membership

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

REQUEST = AuthorizationRequest("portal", "https://portal.example/callback", "openid")
CLIENT = RegisteredClient(
    row_id="c1",
    client_id="portal",
    client_name="Portal",
    kind="web",
    first_party=True,
    redirect_uris=("https://portal.example/callback",),
    post_logout_redirect_uris=(),
    grant_types=frozenset({"authorization_code"}),
    response_types=frozenset({"code"}),
    scopes=frozenset({"openid"}),
    token_endpoint_auth_method="client_secret_basic",
    id_token_signed_response_alg="ES256",
    userinfo_signed_response_alg=None,
    require_pkce=True,
    audiences=(),
    access_token_format="jwt",
    resource_uri=None,
    strict_revocation=False,
    default_acr_values=(),
    default_max_age=None,
    require_membership=False,
    product=None,
    home_uri=None,
    initiate_login_uri=None,
    logo_uri=None,
    policy_uri=None,
    tos_uri=None,
    backchannel_logout_uri=None,
    frontchannel_logout_uri=None,
    allowed_origins=(),
    secrets=(),
    jwks=None,
    jwks_uri=None,
    token_endpoint_auth_signing_alg=None,
    request_object_signing_alg=None,
    require_pushed_authorization_requests=False,
    sector=None,
    dpop_bound_access_tokens=False,
)
PERSON = Person(
    account_id="a1",
    sub="sub-1",
    assurance=Assurance(AAL1, ("pwd",), NOW - timedelta(minutes=10)),
    second_factor_seen=False,
    has_second_factor=False,
    device_trusted=False,
    memberships=(),
)
STRONG = replace(
    PERSON,
    assurance=Assurance(AAL2, ("otp", "pwd", "mfa"), NOW - timedelta(minutes=10)),
    second_factor_seen=True,
    has_second_factor=True,
)
#: proven in this session, but aal2 has lapsed
LAPSED = replace(PERSON, has_second_factor=True, second_factor_seen=True)
DUE = replace(PERSON, recovery_due=True)
REMEMBERED = replace(PERSON, has_second_factor=True, device_trusted=True)

FIRST, OTHER = membership(), membership(id="m2", organization_id="o2", customer_number="100200400")
PENDING = membership(status="pending")
BLOCKED = membership(status="blocked")
DUTY = membership(require_second_factor=True)

JUST_NOW = replace(PERSON, assurance=Assurance(AAL1, ("pwd",), NOW - timedelta(minutes=4)))
SIGNED_IN = {"login": {"account": "a1"}}
SOMEBODY_ELSE = {"login": {"account": "a2"}, "account": {"account": "a2"}}
CHOSEN = {"account": {"account": "a1"}}


def _step(
    request: dict[str, Any],
    person: Person | None = PERSON,
    done: dict[str, Any] | None = None,
    **client: Any,
) -> Step:
    return interaction.next_step(
        replace(REQUEST, **request), replace(CLIENT, **client), person, done or {}, NOW
    )


def _members(person: Person, *memberships: Any, **facts: Any) -> Person:
    return replace(person, memberships=memberships, **facts)


LOGIN = [
    ("nobody is signed in", {}, None, {}, Login()),
    ("somebody is", {}, PERSON, {}, Issue(None)),
    ("prompt=login asks again", {"prompt": ("login",)}, PERSON, {}, Login()),
    ("prompt=login is content after a sign-in here", {"prompt": ("login",)}, PERSON, SIGNED_IN, Issue(None)),
    ("another account's sign-in does not count", {"prompt": ("login",)}, PERSON, SOMEBODY_ELSE, Login()),
    ("max_age not yet over", {"max_age": 600}, PERSON, {}, Issue(None)),
    ("max_age over", {"max_age": 599}, PERSON, {}, Login()),
    ("max_age=0 asks", {"max_age": 0}, PERSON, {}, Login()),
    ("max_age=0 after a sign-in here", {"max_age": 0}, JUST_NOW, SIGNED_IN, Issue(None)),
    ("but not for ever", {"max_age": 0}, PERSON, SIGNED_IN, Login()),
    ("and never shorter than asked", {"max_age": 600}, PERSON, SIGNED_IN, Issue(None)),
    ("the hint names this person", {"hinted_sub": "sub-1"}, PERSON, {}, Issue(None)),
    ("the hint names another", {"hinted_sub": "sub-2"}, PERSON, {}, Login()),
    ("select_account", {"prompt": ("select_account",)}, PERSON, {}, ChooseAccount()),
    ("select_account, chosen", {"prompt": ("select_account",)}, PERSON, CHOSEN, Issue(None)),
    ("select_account, signed in here", {"prompt": ("select_account",)}, PERSON, SIGNED_IN, Issue(None)),
    ("another's choice", {"prompt": ("select_account",)}, PERSON, SOMEBODY_ELSE, ChooseAccount()),
    ("both prompts: first sign in", {"prompt": ("login", "select_account")}, PERSON, CHOSEN, Login()),
]


@pytest.mark.parametrize(
    ("request_", "person", "done", "step"), [row[1:] for row in LOGIN], ids=[r[0] for r in LOGIN]
)
def test_who_signs_in(
    request_: dict[str, Any], person: Person | None, done: dict[str, Any], step: Step
) -> None:
    """prompt, max_age and hints (req 12); done-marks count for the account they name alone (req 75)."""
    assert _step(request_, person, done) == step


def test_somebody_else_than_hinted_signed_in() -> None:
    """The portal hears it: asking again and again would be a dead end (OIDC Core §3.1.2.1)."""
    with pytest.raises(OAuth2Error) as caught:
        _step({"hinted_sub": "sub-2"}, PERSON, SIGNED_IN)
    assert caught.value.error == "login_required"


WANTED = {"acr_values": (AAL2,)}
DEMANDED = {**WANTED, "essential_acr": True}
FACTORS: list[tuple[str, dict[str, Any], Person, Step | str]] = [
    ("no factor, nothing asked", {}, PERSON, Issue(None)),
    ("a factor is asked for once", {}, replace(PERSON, has_second_factor=True), SecondFactor()),
    ("but not on a remembered device", {}, REMEMBERED, Issue(None)),
    ("a wish for aal2 beats the remembered device", WANTED, REMEMBERED, SecondFactor()),
    ("a wish without a factor is answered with what there is", WANTED, PERSON, Issue(None)),
    ("a demand without a factor fails", DEMANDED, PERSON, "unmet_authentication_requirements"),
    ("a wish that is met", WANTED, STRONG, Issue(None)),
    ("a demand that is met", DEMANDED, STRONG, Issue(None)),
    ("a lapsed proof still counts where nothing is asked", {}, LAPSED, Issue(None)),
    ("a recovery password that is due", {}, DUE, SaveRecoveryPassword()),
    ("but the factor first", {}, replace(DUE, has_second_factor=True), SecondFactor()),
    ("and before the organisation", {}, replace(DUE, memberships=(FIRST, OTHER)), SaveRecoveryPassword()),
    ("a lapsed proof is renewed for a wish", WANTED, LAPSED, SecondFactor()),
    ("more than anybody can reach, as a wish", {"acr_values": (AAL2_PHR,)}, STRONG, Issue(None)),
    (
        "more than anybody can reach, as a demand",
        {"acr_values": (AAL2_PHR,), "essential_acr": True},
        STRONG,
        "unmet_authentication_requirements",
    ),
    ("the first of several that is met does", {"acr_values": (AAL2_PHR, AAL1)}, PERSON, Issue(None)),
    ("unknown values are a wish nobody has to meet", {"acr_values": ("1", "2")}, PERSON, Issue(None)),
    (
        "unknown values as a demand fail, whatever the person has",
        {"acr_values": ("1",), "essential_acr": True},
        LAPSED,
        "unmet_authentication_requirements",
    ),
]


@pytest.mark.parametrize(
    ("request_", "person", "step"), [row[1:] for row in FACTORS], ids=[row[0] for row in FACTORS]
)
def test_which_level_is_asked(request_: dict[str, Any], person: Person, step: Step | str) -> None:
    """acr_values is a wish, essential is a must (design §2, acr; req 13)."""
    if isinstance(step, str):
        with pytest.raises(OAuth2Error) as caught:
            _step(request_, person)
        assert caught.value.error == step
    else:
        assert _step(request_, person) == step


ORGANIZATIONS: list[tuple[str, dict[str, Any], Person, dict[str, Any], bool, Step]] = [
    ("none, none needed", {}, PERSON, {}, False, Issue(None)),
    ("none, but one is needed", {}, PERSON, {}, True, FindCompany()),
    ("the only one", {}, _members(PERSON, FIRST), {}, True, Issue("m1")),
    ("several", {}, _members(PERSON, FIRST, OTHER), {}, False, ChooseOrganization((FIRST, OTHER))),
    (
        "several, chosen here",
        {},
        _members(PERSON, FIRST, OTHER),
        {"organization": {"account": "a1", "membership": "m2"}},
        False,
        Issue("m2"),
    ),
    (
        "several, chosen by somebody else",
        {},
        _members(PERSON, FIRST, OTHER),
        {"organization": {"account": "a2", "membership": "m2"}},
        False,
        ChooseOrganization((FIRST, OTHER)),
    ),
    (
        "several, chosen in this session",
        {},
        _members(PERSON, FIRST, OTHER, session_membership="m2"),
        {},
        False,
        Issue("m2"),
    ),
    (
        "named by the portal",
        {"organization": "100200400"},
        _members(PERSON, FIRST, OTHER),
        {},
        False,
        Issue("m2"),
    ),
    ("a foreign one is named", {"organization": "999"}, _members(PERSON, FIRST), {}, False, Refused()),
    ("waiting", {}, _members(PERSON, PENDING), {}, True, Waiting((PENDING,))),
    ("waiting where none is needed", {}, _members(PERSON, PENDING), {}, False, Issue(None)),
    ("blocked", {}, _members(PERSON, BLOCKED), {}, False, Refused((BLOCKED,))),
    ("the organisation's duty, met", {}, _members(STRONG, DUTY), {}, False, Issue("m1")),
    ("the organisation's duty, to be met", {}, _members(REMEMBERED, DUTY), {}, False, SecondFactor()),
]


@pytest.mark.parametrize(
    ("request_", "person", "done", "required", "step"),
    [row[1:] for row in ORGANIZATIONS],
    ids=[row[0] for row in ORGANIZATIONS],
)
def test_for_which_organisation(
    request_: dict[str, Any], person: Person, done: dict[str, Any], required: bool, step: Step
) -> None:
    """One active organisation a token; who is blocked or waits hears so (req 23)."""
    assert _step(request_, person, done, require_membership=required) == step


def test_an_organisations_duty_that_cannot_be_met_reaches_the_portal() -> None:
    """No second factor at all: the portal hears it, as with an essential acr."""
    with pytest.raises(OAuth2Error) as caught:
        _step({}, _members(PERSON, DUTY))
    assert caught.value.error == "unmet_authentication_requirements"


WIDE = {"scope": "openid email", "claims": {"userinfo": {"gender": None}}}
THIRD = {"first_party": False, "scopes": frozenset({"openid", "email"})}
ASKS = {"prompt": ("consent",)}
ALLOWED = Decision(Extent(frozenset({"openid", "email"}), frozenset({"gender"})))
LESS = Decision(Extent(frozenset({"openid"})))
REFUSED_ONE = Decision(Extent(frozenset({"openid"}), frozenset({"gender"})), Extent(frozenset({"email"})))
GIVEN = {"consent": {"account": "a1", "given": True}}
BY_ANOTHER = {"consent": {"account": "a2", "given": True}}
CONSENT: list[tuple[str, dict[str, Any], dict[str, Any], Decision | None, dict[str, Any], Step]] = [
    ("the operator's own", WIDE, {}, None, {}, Issue(None)),
    ("the operator's own, asked", ASKS, {}, None, {}, Consent(None)),
    ("the operator's own, answered", ASKS, {}, None, GIVEN, Issue(None)),
    ("a third party", {}, THIRD, None, {}, Consent(None)),
    ("a mark is no consent", {}, THIRD, None, GIVEN, Consent(None)),
    ("allowed before", WIDE, THIRD, ALLOWED, {}, Issue(None)),
    ("less than before", {}, THIRD, ALLOWED, {}, Issue(None)),
    ("more than before", WIDE, THIRD, LESS, {}, Consent(None)),
    ("decided before, one of it against", WIDE, THIRD, REFUSED_ONE, {}, Issue(None)),
    ("prompt=consent asks again", WIDE | ASKS, THIRD, ALLOWED, {}, Consent(None)),
    ("but once", WIDE | ASKS, THIRD, ALLOWED, GIVEN, Issue(None)),
    ("another person's answer", WIDE | ASKS, THIRD, ALLOWED, BY_ANOTHER, Consent(None)),
    ("prompt=login first", {"prompt": ("login",)}, THIRD, None, {}, Login()),
]


@pytest.mark.parametrize(
    ("request_", "client", "decision", "done", "step"),
    [row[1:] for row in CONSENT],
    ids=[row[0] for row in CONSENT],
)
def test_consent(
    request_: dict[str, Any],
    client: dict[str, Any],
    decision: Decision | None,
    done: dict[str, Any],
    step: Step,
) -> None:
    """Third parties ask until all of it was decided; the mark says only who was asked here (req 16, 75)."""
    assert _step(request_, replace(PERSON, decision=decision), done, **client) == step


def test_the_membership_goes_with_the_question() -> None:
    """The page shows the organisation that the answer will speak of."""
    assert _step({}, _members(PERSON, FIRST), **THIRD) == Consent("m1")


def test_who_gave_nothing_is_not_asked_again() -> None:
    """The portal hears access_denied (OIDC Core §3.1.2.6)."""
    with pytest.raises(OAuth2Error) as caught:
        _step({}, PERSON, {"consent": {"account": "a1", "given": False}}, **THIRD)
    assert caught.value.error == "access_denied"


def test_a_silent_request_hears_that_consent_is_missing() -> None:
    """prompt=none: consent_required."""
    with pytest.raises(OAuth2Error) as caught:
        _step({"prompt": ("none",)}, PERSON, **THIRD)
    assert caught.value.error == "consent_required"


KNOWS_COMPANIES = Decision(Extent(frozenset({"openid", "organization"})))


@pytest.mark.parametrize(
    ("request_", "decision", "person"),
    [
        ({"organization": "100200300"}, None, PERSON),
        ({"organization": "100200300"}, None, _members(PERSON, FIRST)),
        ({"organization": "100200300"}, LESS, PERSON),
        ({"organization": "100200300"}, LESS, _members(PERSON, FIRST)),
        ({}, None, _members(PERSON, BLOCKED)),
        ({}, None, _members(PERSON, FIRST, OTHER)),
        (DEMANDED, None, PERSON),
        (DEMANDED, None, STRONG),
        (WANTED, None, LAPSED),
    ],
)
def test_a_third_party_that_asks_unseen_learns_nothing(
    request_: dict[str, Any], decision: Decision | None, person: Person
) -> None:
    """(req 16, 59): neither which company somebody belongs to, nor what protects the account."""
    with pytest.raises(OAuth2Error) as caught:
        _step({"prompt": ("none",)} | request_, replace(person, decision=decision), **THIRD)
    assert caught.value.error == "consent_required"


def test_a_third_party_that_may_know_companies_names_one_unseen() -> None:
    """The person let it know the company it acts for."""
    allowed = replace(_members(PERSON, FIRST), decision=KNOWS_COMPANIES)
    named = {"prompt": ("none",), "organization": FIRST.customer_number}
    assert _step(named, allowed, **THIRD) == Issue("m1")
    with pytest.raises(OAuth2Error) as caught:
        _step(named | {"organization": "100200999"}, allowed, **THIRD)
    assert caught.value.error == "access_denied"


SILENT: list[tuple[str, dict[str, Any], Person | None, bool, str]] = [
    ("nobody", {}, None, False, "login_required"),
    ("too old", {"max_age": 1}, PERSON, False, "login_required"),
    ("somebody else", {"hinted_sub": "sub-2"}, PERSON, False, "login_required"),
    ("second factor", WANTED, LAPSED, False, "interaction_required"),
    ("recovery password due", {}, DUE, False, "interaction_required"),
    ("several organisations", {}, _members(PERSON, FIRST, OTHER), False, "account_selection_required"),
    ("waiting", {}, _members(PERSON, PENDING), True, "access_denied"),
    ("blocked", {}, _members(PERSON, BLOCKED), True, "access_denied"),
    ("demanded", DEMANDED, PERSON, False, "unmet_authentication_requirements"),
]


@pytest.mark.parametrize(
    ("request_", "person", "required", "error"), [row[1:] for row in SILENT], ids=[row[0] for row in SILENT]
)
def test_prompt_none_never_asks(
    request_: dict[str, Any], person: Person | None, required: bool, error: str
) -> None:
    """Where a page would be shown, the portal gets the error of OIDC Core §3.1.2.6 (req 12).

    Authlib's own check knows of "no user" only.
    """
    with pytest.raises(OAuth2Error) as caught:
        _step({**request_, "prompt": ("none",)}, person, require_membership=required)
    assert caught.value.error == error


def test_prompt_none_answers_where_nothing_is_to_be_asked() -> None:
    """The other side."""
    assert _step({"prompt": ("none",)}, STRONG) == Issue(None)


def test_account_selection_under_prompt_none_cannot_be_reached() -> None:
    """The request itself is refused before (none stands alone); the rule holds all the same."""
    with pytest.raises(OAuth2Error) as caught:
        _step({"prompt": ("none", "select_account")}, PERSON)
    assert caught.value.error == "account_selection_required"
