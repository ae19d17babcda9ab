"""Consent and silent requests at the hub (OIDC Core §3.1.2.4, §3.1.2.6; req 12, 16, 59, 75)."""

from dataclasses import replace
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import OAuth2Error

from idp.oidc.consent import Decision, Extent
from idp.oidc.interaction import Consent, Issue, Login, Person, Step
from tests.oidc.deciding import (
    BLOCKED,
    DEMANDED,
    DUE,
    FIRST,
    LAPSED,
    OTHER,
    PENDING,
    PERSON,
    STRONG,
    WANTED,
    decide,
    members,
)

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
    assert decide(request_, replace(PERSON, decision=decision), done, **client) == step


def test_the_membership_goes_with_the_question() -> None:
    """The page shows the organisation that the answer will speak of."""
    assert decide({}, members(PERSON, FIRST), **THIRD) == Consent("m1")


def test_who_gave_nothing_is_not_asked_again() -> None:
    """The portal hears access_denied (OIDC Core §3.1.2.6)."""
    with pytest.raises(OAuth2Error) as caught:
        decide({}, PERSON, {"consent": {"account": "a1", "given": False}}, **THIRD)
    assert caught.value.error == "access_denied"


def test_a_silent_request_hears_that_consent_is_missing() -> None:
    """prompt=none: consent_required."""
    with pytest.raises(OAuth2Error) as caught:
        decide({"prompt": ("none",)}, PERSON, **THIRD)
    assert caught.value.error == "consent_required"


@pytest.mark.parametrize(
    ("request_", "decision", "person"),
    [
        ({"organization": "100200300"}, None, PERSON),
        ({"organization": "100200300"}, None, members(PERSON, FIRST)),
        ({"organization": "100200300"}, LESS, PERSON),
        ({"organization": "100200300"}, LESS, members(PERSON, FIRST)),
        ({}, None, members(PERSON, BLOCKED)),
        ({}, None, members(PERSON, FIRST, OTHER)),
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
        decide({"prompt": ("none",)} | request_, replace(person, decision=decision), **THIRD)
    assert caught.value.error == "consent_required"


@pytest.mark.parametrize("scope", ["organization", "permissions"])
def test_a_third_party_that_may_know_companies_names_one_unseen(scope: str) -> None:
    """The person let it know the company it acts for."""
    decision = Decision(
        Extent(frozenset({"openid", scope})), organizations=frozenset({(scope, FIRST.organization_id)})
    )
    allowed = replace(members(PERSON, FIRST, OTHER), decision=decision)
    named = {"prompt": ("none",), "organization": FIRST.customer_number}
    assert decide(named, allowed, **THIRD) == Issue("m1")
    assert decide(named | {"organization": FIRST.organization_id}, allowed, **THIRD) == Issue("m1")
    for number in ("100200999", OTHER.customer_number, OTHER.organization_id):
        with pytest.raises(OAuth2Error) as caught:
            decide(named | {"organization": number}, allowed, **THIRD)
        assert caught.value.error == "consent_required"
    with pytest.raises(OAuth2Error) as caught:
        decide(named, replace(members(PERSON, BLOCKED), decision=decision), **THIRD)
    assert caught.value.error == "access_denied"


def test_another_company_is_another_question() -> None:
    """What was allowed for the first is asked about the second, with its values (req 16)."""
    wanted = {"scope": "openid organization"}
    client = THIRD | {"scopes": frozenset({"openid", "organization"})}
    decision = Decision(
        Extent(frozenset({"openid", "organization"})),
        organizations=frozenset({("organization", FIRST.organization_id)}),
    )
    person = replace(members(PERSON, FIRST, OTHER), decision=decision)
    assert decide(wanted, replace(person, session_membership="m1"), **client) == Issue("m1")
    second = replace(person, session_membership="m2")
    assert decide(wanted, second, **client) == Consent("m2")
    with pytest.raises(OAuth2Error) as caught:
        decide(wanted | {"prompt": ("none",)}, second, **client)
    assert caught.value.error == "consent_required"


SILENT: list[tuple[str, dict[str, Any], Person | None, bool, str]] = [
    ("nobody", {}, None, False, "login_required"),
    ("too old", {"max_age": 1}, PERSON, False, "login_required"),
    ("somebody else", {"hinted_sub": "sub-2"}, PERSON, False, "login_required"),
    ("second factor", WANTED, LAPSED, False, "interaction_required"),
    ("recovery password due", {}, DUE, False, "interaction_required"),
    ("several organisations", {}, members(PERSON, FIRST, OTHER), False, "account_selection_required"),
    ("waiting", {}, members(PERSON, PENDING), True, "access_denied"),
    ("blocked", {}, members(PERSON, BLOCKED), True, "access_denied"),
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
        decide({**request_, "prompt": ("none",)}, person, require_membership=required)
    assert caught.value.error == error


def test_prompt_none_answers_where_nothing_is_to_be_asked() -> None:
    """The other side."""
    assert decide({"prompt": ("none",)}, STRONG) == Issue(None)


def test_account_selection_under_prompt_none_cannot_be_reached() -> None:
    """The request itself is refused before (none stands alone); the rule holds all the same."""
    with pytest.raises(OAuth2Error) as caught:
        decide({"prompt": ("none", "select_account")}, PERSON)
    assert caught.value.error == "account_selection_required"
