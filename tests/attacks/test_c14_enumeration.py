"""C14: the answers do not tell who has an account, in which state (req 59)."""

import re
from dataclasses import dataclass
from datetime import timedelta

import pytest

from idp.management import accounts, erasure
from tests import cast
from tests.attacks.live import Answer, Live
from tests.attacks.parties import Party
from tests.attacks.visitor import Visitor
from tests.builders import OPERATOR, PASSWORD, make_account
from tests.installation import NOW, unit_of_work

pytestmark = pytest.mark.enable_socket

#: all of one length, so that an answer that repeats the name has one length too
NOBODY, KNOWN, BLOCKED, DELETED, ERASED, EMPTY, APP = (
    "nobody",
    "gerda1",
    "block1",
    "delet1",
    "erase1",
    "nopas1",
    "clara1",
)
NAMES = (KNOWN, BLOCKED, DELETED, ERASED, EMPTY, APP)
PASSING = frozenset({"date", "x-request-id", "set-cookie", "retry-after"})


@pytest.fixture
def house(live: Live, portal: Party) -> Party:
    with unit_of_work(live.services) as ctx:
        acting = ctx.acting(OPERATOR)
        ids = {name: cast.person(ctx, name, app=name == APP) for name in NAMES if name != EMPTY}
        make_account(ctx, EMPTY, emails=[f"{EMPTY}@muster.example"])
        accounts.block(acting, ids[BLOCKED])
        accounts.delete(acting, ids[DELETED])
        accounts.delete(acting, ids[ERASED])
    with unit_of_work(live.services, NOW + timedelta(days=60)) as ctx:
        erasure.erase(ctx.acting(OPERATOR), ids[ERASED])
    return portal


@dataclass(frozen=True, slots=True)
class Seen:
    """What an outsider can tell apart."""

    status: int
    headers: tuple[tuple[str, str], ...]
    cookies: frozenset[str]
    length: int
    body: str


def _seen(answer: Answer, typed: str) -> Seen:
    body = re.sub(r'name="csrf_token" value="[^"]*"', "", answer.text)
    body = re.sub(r"[=/][\w-]{43}\b", "", body).replace(typed, "")
    # how long to wait counts from the request itself
    body = re.sub(r"<time[^>]*>.*?</time>|\d\d:\d\d Uhr", "", body)
    headers = tuple(
        (name, value)
        for name, value in answer.headers
        if name.lower() not in PASSING and (name.lower() != "content-length" or answer.status != 429)
    )
    return Seen(answer.status, headers, frozenset(answer.cookies()), len(body), body)


def _try(portal: Party, typed: str, password: str, times: int = 1) -> list[Seen]:
    visitor = Visitor(portal.live)
    visitor.get("/authorize", **portal.parameters())
    form = visitor.form("/login")
    fields = form.fields | {"username": typed, "password": password}
    return [_seen(visitor.post_once(form.action, fields), typed) for _ in range(times)]


@pytest.mark.parametrize("suffix", ["", "@muster.example"], ids=["user name", "address"])
@pytest.mark.parametrize("password", ["wrong password", "x", "ä" * 900], ids=["wrong", "short", "long"])
def test_a_wrong_password_answers_alike(house: Party, password: str, suffix: str) -> None:
    """Unknown, known, blocked, deleted, erased, without password, with a second factor (req 59)."""
    expected = _try(house, NOBODY + suffix, password)
    assert expected[0].status == 200
    for name in NAMES:
        assert _try(house, name + suffix, password) == expected, name
    assert house.live.rows()["outbox"] == [], "somebody got a message and somebody else did not"


def test_the_throttle_answers_alike(house: Party) -> None:
    """The sixth try is refused for everybody, known or not, with the same words (req 56, 59)."""
    expected = _try(house, NOBODY, "wrong password", times=7)
    assert [one.status for one in expected] == [200] * 5 + [429] * 2
    for name in NAMES:
        assert _try(house, name, "wrong password", times=7) == expected, name


def test_a_right_password_of_who_is_gone_answers_like_a_wrong_one(house: Party) -> None:
    """Deleted and erased accounts do not know their passwords any more (req 23, 59)."""
    expected = _try(house, NOBODY, PASSWORD)
    for name in (DELETED, ERASED):
        assert _try(house, name, PASSWORD) == expected, name


def test_a_hint_does_not_tell_an_account(house: Party) -> None:
    """``login_hint`` fills in a name and asks nobody whether it exists (req 59)."""
    seen = []
    for name in (NOBODY, *NAMES):
        visitor = Visitor(house.live)
        seen.append(_seen(visitor.get("/authorize", **house.parameters(login_hint=name)), name))
        silent = Visitor(house.live).get("/authorize", **house.parameters(login_hint=name, prompt="none"))
        assert silent.arrived["error"] == "login_required", name
    assert len(set(seen)) == 1


def test_an_organization_that_is_asked_for_does_not_tell_customers(house: Party) -> None:
    """Known and unknown customer numbers answer alike to who belongs to neither (design §2)."""
    visitor = Visitor(house.live)
    house.code(visitor, "anna")
    with unit_of_work(house.live.services) as ctx:
        cast.make_organization(ctx, "100200999", "Fremde AG")
    seen = []
    for number in ("100200999", "100200998"):
        answer = visitor.get("/authorize", **house.parameters(organization=number))
        seen.append((answer.status, answer.location, _seen(answer, number).body))
    assert seen[0] == seen[1]
