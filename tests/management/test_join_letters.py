"""Letters with codes: for whom, once, with an address (design §2, posted_code)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from idp.audit.events import Event
from idp.audit.log import tail
from idp.context import Services
from idp.errors import Refusal
from idp.management import accounts, join_approval, join_codes, join_letters, organizations
from tests.builders import OPERATOR, make_account
from tests.installation import NOW, unit_of_work
from tests.joining import ADDRESS, MUSTER, ask, by_post, letters, membership_id, people, person

DAY = timedelta(days=1)


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Ben waits for Muster GmbH, which gets letters."""
    made = people(services)
    by_post(services, made["muster"])
    ask(services, made["ben"])
    return made


def test_a_letter_is_made_once(services: Services, ids: dict[str, str]) -> None:
    """With everything it says; again only where that is wanted (req 106)."""
    [letter] = letters(services)
    assert replace(letter, code="") == join_letters.Letter(
        organization="Muster GmbH",
        customer_number=MUSTER,
        address=ADDRESS,
        person="Ben Brandt",
        asked_at=NOW,
        code="",
        until=NOW + join_codes.LIFETIME,
    )
    groups = letter.code.split("-")
    assert [len(group) for group in groups] == [4, 4, 4]
    assert set("".join(groups)) <= set(join_codes.SIGNS)
    assert letter.code not in repr(letter)
    assert letters(services) == []
    [second] = letters(services, again=True, later=DAY)
    assert second.code != letter.code
    with unit_of_work(services, actor=OPERATOR) as ctx:
        [entry] = tail(ctx, limit=1, event=Event.JOIN_LETTER_CREATED)
        assert (entry.new, entry.organization) == ({"again": True}, ids["muster"])
        assert join_approval.waiting(ctx)[0].letter_at == NOW + DAY


def test_for_whom_there_is_none(services: Services, ids: dict[str, str]) -> None:
    """Other policies, a company without an address or suspended, what is decided, another company."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert join_letters.due(ctx, ids["beispiel"]) == []
        assert len(join_letters.due(ctx, ids["muster"])) == 1
        organizations.change(ctx, ids["muster"], address=())
        [homeless] = join_letters.due(ctx)
        assert homeless.address == ()
        assert join_letters.make(ctx, [homeless]) == []
        assert len(join_letters.due(ctx)) == 1
        organizations.change(ctx, ids["muster"], address=ADDRESS, join_policy="admin_approval")
        assert join_letters.due(ctx) == []
        organizations.change(ctx, ids["muster"], join_policy="posted_code")
        organizations.suspend(ctx, ids["muster"])
        assert join_letters.due(ctx) == []
        organizations.resume(ctx, ids["muster"])
        join_approval.approve(ctx, ids["muster"], membership_id(services, ids["muster"], ids["ben"]))
        assert join_letters.due(ctx, again=True) == []


def test_two_who_print_at_once_make_one_letter(services: Services, ids: dict[str, str]) -> None:
    """What was seen before another made it is left out, also where both print again (req 22)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        seen = join_letters.due(ctx)
    assert len(letters(services)) == 1
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert join_letters.make(ctx, seen) == []
        again = join_letters.due(ctx, again=True)
    assert len(letters(services, again=True, later=DAY)) == 1
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert join_letters.make(ctx, again) == []


def test_a_name_is_cut_before_it_is_a_message(services: Services, ids: dict[str, str]) -> None:
    """Whoever asks chose it, and it would stand on our paper (C5); who has none goes by the user name."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        name = "Überweisen Sie sofort zehntausend Euro an DE00 1234, sonst "
        long = make_account(ctx, "long", profile={"name": (name * 2).strip()})
        plain = accounts.create(ctx, username="plain")
    ask(services, long)
    ask(services, plain)
    names = [letter.person for letter in letters(services)]
    assert [len(name) for name in names] == [len("Ben Brandt"), 60, len("plain")]
    assert names[1].endswith("…")


def test_only_operators_make_letters(services: Services, ids: dict[str, str]) -> None:
    """Neither the list nor the codes are for the person (req 91)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        seen = join_letters.due(ctx)
    with unit_of_work(services, actor=person(ids["ben"])) as ctx:
        with pytest.raises(Refusal, match=r"actor\.not_allowed"):
            join_letters.due(ctx)
        with pytest.raises(Refusal, match=r"actor\.not_allowed"):
            join_letters.make(ctx, seen)
