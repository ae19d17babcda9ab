"""Codes of letters: one person's, once, for a time, five tries (req 22, 59; C4, C5)."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from idp.audit.events import Event
from idp.audit.log import tail
from idp.context import Origin, Services
from idp.errors import Refusal
from idp.management import accounts, join_approval, join_codes, joining, organizations
from idp.organizations.memberships import for_account
from tests.builders import OPERATOR
from tests.installation import NOW, unit_of_work
from tests.joining import (
    MUSTER,
    NO_TIME,
    UNKNOWN,
    ask,
    by_post,
    letters,
    membership_id,
    people,
    person,
    status,
)

DAY = timedelta(days=1)


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Ben and Clara wait for Muster GmbH, which gets letters."""
    made = people(services)
    by_post(services, made["muster"])
    ask(services, made["ben"])
    ask(services, made["clara"])
    return made


def redeem(
    services: Services, account_id: str, typed: str, *, later: timedelta = NO_TIME
) -> join_codes.Joined | str:
    """Type a code as on the page, with a commit also after a refusal; returns the refusal's code."""
    with services.database.session() as db:
        ctx = services.context(db, now=NOW + later, actor=person(account_id))
        try:
            return join_codes.redeem(ctx, account_id, typed)
        except Refusal as refusal:
            return refusal.code
        finally:
            db.commit()


def codes(services: Services, **options: bool) -> dict[str, str]:
    """Return the codes of new letters by the names on them."""
    return {letter.person: letter.code for letter in letters(services, **options)}


@pytest.mark.parametrize("write", [str, str.lower, lambda code: f" {code.replace('-', '  ')}\t"])
def test_the_code_opens_the_company(
    services: Services, ids: dict[str, str], write: Callable[[str], str]
) -> None:
    """However it is written; the membership is active, the log says by what (req 106)."""
    code = codes(services)["Ben Brandt"]
    joined = redeem(services, ids["ben"], write(code))
    own = membership_id(services, ids["muster"], ids["ben"])
    assert joined == join_codes.Joined(own, "Muster GmbH")
    with unit_of_work(services) as ctx:
        assert [(m.id, m.status) for m in for_account(ctx, ids["ben"])] == [(own, "active")]
        entry = tail(ctx, limit=1)[0]
        assert (entry.event, entry.reason) == (Event.MEMBERSHIP_ACTIVATED, "code of a letter")
        assert joining.open_requests(ctx, ids["ben"]) == []
    assert redeem(services, ids["ben"], code) == "join.code_wrong"


def test_anothers_code_is_good_for_nothing(services: Services, ids: dict[str, str]) -> None:
    """It opens nothing, and it stays good for the one it was made for (C5)."""
    made = codes(services)
    assert redeem(services, ids["ben"], made["Clara Curtius"]) == "join.code_wrong"
    assert redeem(services, ids["anna"], made["Clara Curtius"]) == "join.code_wrong"
    assert status(services, ids["muster"], ids["ben"]) == "pending"
    assert isinstance(redeem(services, ids["clara"], made["Clara Curtius"]), join_codes.Joined)


def test_five_tries_for_known_and_unknown_numbers(services: Services, ids: dict[str, str]) -> None:
    """Wrong codes are worded alike, whether a letter was made or nobody has the number (req 59)."""
    made = codes(services)
    ask(services, ids["anna"], UNKNOWN)
    for name in ("ben", "anna"):
        said = [redeem(services, ids[name], "BCDF-BCDF-BCDF") for _ in range(6)]
        assert said == ["join.code_wrong"] * 5 + ["join.code_used_up"]
    assert redeem(services, ids["ben"], made["Ben Brandt"]) == "join.code_used_up"
    ask(services, ids["ben"])  # asked once more, there are no more tries
    assert redeem(services, ids["ben"], made["Ben Brandt"]) == "join.code_used_up"
    anew = codes(services, again=True)
    assert redeem(services, ids["ben"], made["Ben Brandt"]) == "join.code_wrong"
    assert isinstance(redeem(services, ids["ben"], anew["Ben Brandt"]), join_codes.Joined)


def test_a_code_ends(services: Services, ids: dict[str, str]) -> None:
    """After its time, and when the company has decided or is suspended."""
    made = codes(services)
    assert redeem(services, ids["ben"], made["Ben Brandt"], later=join_codes.LIFETIME) == "join.code_wrong"
    with unit_of_work(services, actor=OPERATOR) as ctx:
        join_approval.decline(ctx, ids["muster"], membership_id(services, ids["muster"], ids["ben"]))
    assert redeem(services, ids["ben"], made["Ben Brandt"]) == "join.code_wrong"
    with unit_of_work(services, actor=OPERATOR) as ctx:
        organizations.suspend(ctx, ids["muster"])
    assert redeem(services, ids["clara"], made["Clara Curtius"]) == "join.code_wrong"
    assert status(services, ids["muster"], ids["clara"]) == "pending"


def test_asked_anew_after_an_end_the_old_letter_is_void(services: Services, ids: dict[str, str]) -> None:
    """The letter of a request that was declined does not open the next one."""
    made = codes(services)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        join_approval.decline(ctx, ids["muster"], membership_id(services, ids["muster"], ids["ben"]))
    ask(services, ids["ben"], MUSTER, later=DAY)
    assert redeem(services, ids["ben"], made["Ben Brandt"], later=DAY) == "join.code_wrong"


def test_nobody_redeems_for_another_or_without_a_live_account(
    services: Services, ids: dict[str, str]
) -> None:
    """Somebody else's id, and a blocked account (req 91)."""
    code = codes(services)["Ben Brandt"]
    with (
        unit_of_work(services, actor=person(ids["clara"])) as ctx,
        pytest.raises(Refusal, match=r"actor\.not_allowed"),
    ):
        join_codes.redeem(ctx, ids["ben"], code)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        accounts.block(ctx, ids["ben"])
    assert redeem(services, ids["ben"], code) == "account.status"


def test_codes_are_counted(services: Services, ids: dict[str, str]) -> None:
    """Five a day, apart from the numbers that were typed."""
    with services.database.session() as db:
        ctx = services.context(db, now=NOW, origin=Origin(ip="198.51.100.1"), actor=person(ids["ben"]))
        for _ in range(5):
            join_codes.admit(ctx, ids["ben"])
        joining.admit(ctx, ids["ben"], MUSTER)
        with pytest.raises(Refusal, match=r"join\.throttled"):
            join_codes.admit(ctx, ids["ben"])


def test_one_of_many_at_once_opens_the_company(services: Services, ids: dict[str, str]) -> None:
    """The same code at the same moment: it is used once, wherever it is typed (req 22; C16)."""
    code = codes(services)["Ben Brandt"]
    barrier = threading.Barrier(4)
    outcomes: list[join_codes.Joined | str] = []

    def run() -> None:
        barrier.wait(30)
        outcomes.append(redeem(services, ids["ben"], code))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, join_codes.Joined) for outcome in outcomes) == 1
    assert len(outcomes) == 4
