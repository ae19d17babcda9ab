"""The hub's decision, row by row (OIDC Core §3.1.2.3-3.1.2.6; req 12, 13, 75)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import OAuth2Error

from idp.authentication.assurance import AAL1, AAL2_PHR, Assurance
from idp.oidc.interaction import (
    ChooseAccount,
    ChooseOrganization,
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
from tests.oidc.deciding import (
    BLOCKED,
    DEMANDED,
    DUE,
    FIRST,
    LAPSED,
    NOW,
    OTHER,
    PENDING,
    PERSON,
    STRONG,
    WANTED,
    decide,
    members,
)

REMEMBERED = replace(PERSON, has_second_factor=True, device_trusted=True)
DUTY = membership(require_second_factor=True)

JUST_NOW = replace(PERSON, assurance=Assurance(AAL1, ("pwd",), NOW - timedelta(minutes=4)))
SIGNED_IN = {"login": {"account": "a1"}}
SOMEBODY_ELSE = {"login": {"account": "a2"}, "account": {"account": "a2"}}
CHOSEN = {"account": {"account": "a1"}}

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
    assert decide(request_, person, done) == step


def test_somebody_else_than_hinted_signed_in() -> None:
    """The portal hears it: asking again and again would be a dead end (OIDC Core §3.1.2.1)."""
    with pytest.raises(OAuth2Error) as caught:
        decide({"hinted_sub": "sub-2"}, PERSON, SIGNED_IN)
    assert caught.value.error == "login_required"


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
            decide(request_, person)
        assert caught.value.error == step
    else:
        assert decide(request_, person) == step


ORGANIZATIONS: list[tuple[str, dict[str, Any], Person, dict[str, Any], bool, Step]] = [
    ("none, none needed", {}, PERSON, {}, False, Issue(None)),
    ("none, but one is needed", {}, PERSON, {}, True, FindCompany()),
    ("the only one", {}, members(PERSON, FIRST), {}, True, Issue("m1")),
    ("several", {}, members(PERSON, FIRST, OTHER), {}, False, ChooseOrganization((FIRST, OTHER))),
    (
        "several, chosen here",
        {},
        members(PERSON, FIRST, OTHER),
        {"organization": {"account": "a1", "membership": "m2"}},
        False,
        Issue("m2"),
    ),
    (
        "several, chosen by somebody else",
        {},
        members(PERSON, FIRST, OTHER),
        {"organization": {"account": "a2", "membership": "m2"}},
        False,
        ChooseOrganization((FIRST, OTHER)),
    ),
    (
        "several, chosen in this session",
        {},
        members(PERSON, FIRST, OTHER, session_membership="m2"),
        {},
        False,
        Issue("m2"),
    ),
    (
        "named by the portal",
        {"organization": "100200400"},
        members(PERSON, FIRST, OTHER),
        {},
        False,
        Issue("m2"),
    ),
    ("a foreign one is named", {"organization": "999"}, members(PERSON, FIRST), {}, False, Refused()),
    ("waiting", {}, members(PERSON, PENDING), {}, True, Waiting((PENDING,))),
    ("waiting where none is needed", {}, members(PERSON, PENDING), {}, False, Issue(None)),
    ("blocked", {}, members(PERSON, BLOCKED), {}, False, Refused((BLOCKED,))),
    ("the organisation's duty, met", {}, members(STRONG, DUTY), {}, False, Issue("m1")),
    ("the organisation's duty, to be met", {}, members(REMEMBERED, DUTY), {}, False, SecondFactor()),
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
    assert decide(request_, person, done, require_membership=required) == step


def test_an_organisations_duty_that_cannot_be_met_reaches_the_portal() -> None:
    """No second factor at all: the portal hears it, as with an essential acr."""
    with pytest.raises(OAuth2Error) as caught:
        decide({}, members(PERSON, DUTY))
    assert caught.value.error == "unmet_authentication_requirements"
