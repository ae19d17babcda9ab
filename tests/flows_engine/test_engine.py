"""The engine of multi-step work (req 22, 41, 75)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from idp.context import Services
from idp.crypto import sha256
from idp.errors import Refusal
from idp.flows import engine
from tests.builders import make_account
from tests.installation import NOW, unit_of_work

MINE, OTHER = sha256("mine"), sha256("other")


def _start(services: Services, browser_hash: bytes = MINE) -> str:
    with unit_of_work(services) as ctx:
        return engine.start(ctx, "sign_in", browser_hash=browser_hash, request={"scope": "openid"}).id


def test_a_flow_is_found_by_its_own_browser(services: Services) -> None:
    flow_id = _start(services)
    with unit_of_work(services) as ctx:
        flow = engine.load(ctx, flow_id, MINE)
        assert (flow.purpose, flow.request, flow.done) == ("sign_in", {"scope": "openid"}, {})
        assert flow.expires_at == NOW + timedelta(minutes=60)


@pytest.mark.parametrize("browser_hash", [OTHER, None, b""])
def test_another_browser_cannot_go_on(services: Services, browser_hash: bytes | None) -> None:
    """(req 41)"""
    flow_id = _start(services)
    with unit_of_work(services) as ctx, pytest.raises(Refusal, match=r"flow\.other_browser"):
        engine.load(ctx, flow_id, browser_hash)


@pytest.mark.parametrize("flow_id", ["", "x", "a" * 43, "a" * 5000, "\0" * 43, "ä" * 43, "../" * 14 + "a"])
def test_what_is_no_flow_is_lost(services: Services, flow_id: str) -> None:
    """(req 29)"""
    with unit_of_work(services) as ctx:
        with pytest.raises(Refusal, match=r"flow\.lost"):
            engine.load(ctx, flow_id, MINE)
        with pytest.raises(Refusal, match=r"flow\.lost"):
            engine.take(ctx, flow_id, MINE)


def test_a_flow_ends_by_age(services: Services) -> None:
    flow_id = _start(services)
    with unit_of_work(services, NOW + timedelta(minutes=59, seconds=59)) as ctx:
        engine.load(ctx, flow_id, MINE)
    with unit_of_work(services, NOW + timedelta(minutes=60)) as ctx:
        with pytest.raises(Refusal, match=r"flow\.expired"):
            engine.load(ctx, flow_id, MINE)
        with pytest.raises(Refusal, match=r"flow\.expired"):
            engine.load_finished(ctx, flow_id, MINE)


def test_a_finished_flow_does_not_go_on_but_can_be_told_of(services: Services) -> None:
    flow_id = _start(services)
    with unit_of_work(services) as ctx:
        with pytest.raises(Refusal, match=r"flow\.expired"):
            engine.load_finished(ctx, flow_id, MINE)
        assert engine.finish(ctx, engine.load(ctx, flow_id, MINE, lock=True))
    with unit_of_work(services) as ctx:
        assert engine.load_finished(ctx, flow_id, MINE).id == flow_id
        with pytest.raises(Refusal, match=r"flow\.expired"):
            engine.load(ctx, flow_id, MINE)
        with pytest.raises(Refusal, match=r"flow\.other_browser"):
            engine.load_finished(ctx, flow_id, OTHER)


def _answered(services: Services, purpose: str = engine.AUTHORIZATION) -> str:
    with unit_of_work(services) as ctx:
        flow = engine.start(ctx, purpose, browser_hash=MINE, request={"scope": "openid"})
        assert engine.finish(ctx, flow)
        return flow.id


def test_a_flow_that_was_just_answered_begins_again(services: Services) -> None:
    """As a flow of its own: what was asked is the same, what was done is not."""
    flow_id = _answered(services)
    with unit_of_work(services, NOW + engine.JUST_ANSWERED) as ctx:
        flow = engine.again(ctx, engine.load_answered(ctx, flow_id, MINE))
    assert flow.id != flow_id
    with unit_of_work(services, NOW + engine.JUST_ANSWERED) as ctx:
        found = engine.load(ctx, flow.id, MINE)
        assert (found.purpose, found.request, found.done) == ("authorization", {"scope": "openid"}, {})


def test_what_does_not_begin_again(services: Services) -> None:
    """An open flow, one of another browser, other work, and one that was answered longer ago (req 22, 41)."""
    mine, other, open_one = _answered(services), _answered(services, engine.SIGN_IN), _start(services)
    with unit_of_work(services) as ctx:
        for flow_id, browser in ((other, MINE), (open_one, MINE)):
            with pytest.raises(Refusal, match=r"flow\.expired"):
                engine.load_answered(ctx, flow_id, browser)
        with pytest.raises(Refusal, match=r"flow\.other_browser"):
            engine.load_answered(ctx, mine, OTHER)
    late = NOW + engine.JUST_ANSWERED + timedelta(seconds=1)
    with unit_of_work(services, late) as ctx, pytest.raises(Refusal, match=r"flow\.expired"):
        engine.load_answered(ctx, mine, MINE)


def test_marks_hold_the_facts_they_were_made_with(services: Services) -> None:
    """(req 75)"""
    flow_id = _start(services)
    with unit_of_work(services) as ctx:
        flow = engine.load(ctx, flow_id, MINE, lock=True)
        engine.mark(flow, "login", account="a", at=7)
        engine.mark(flow, "organization", membership="m")
    with unit_of_work(services) as ctx:
        flow = engine.load(ctx, flow_id, MINE, lock=True)
        assert flow.done == {"login": {"account": "a", "at": 7}, "organization": {"membership": "m"}}
        engine.unmark(flow, "login", "never set")
    with unit_of_work(services) as ctx:
        assert engine.load(ctx, flow_id, MINE).done == {"organization": {"membership": "m"}}


def test_marks_kept_by_a_statement_stand_beside_earlier_changes(services: Services) -> None:
    """What was changed before is written too, and the object says what the row does (req 75)."""
    flow_id = _start(services)
    with unit_of_work(services) as ctx:
        account_id = make_account(ctx)
        flow = engine.load(ctx, flow_id, MINE, lock=True)
        flow.form_data = b"sealed"
        engine.mark(flow, "login", account="someone else")
        engine.keep(ctx, flow, done={"login": {"account": account_id}}, account_id=account_id)
        assert (flow.done, flow.account_id) == ({"login": {"account": account_id}}, account_id)
    with unit_of_work(services) as ctx:
        flow = engine.load(ctx, flow_id, MINE)
        assert (flow.done, flow.account_id) == ({"login": {"account": account_id}}, account_id)
        assert flow.form_data == b"sealed"


def test_an_unbound_flow_belongs_to_whoever_opens_it_first(services: Services) -> None:
    """(req 41): a request that another site's form began, which carries no cookie."""
    flow_id = _start(services, engine.UNBOUND)
    with unit_of_work(services) as ctx:
        with pytest.raises(Refusal, match=r"flow\.other_browser"):
            engine.load(ctx, flow_id, MINE)
        assert engine.take(ctx, flow_id, MINE).browser_hash == MINE
    with unit_of_work(services) as ctx:
        with pytest.raises(Refusal, match=r"flow\.other_browser"):
            engine.take(ctx, flow_id, OTHER)
        engine.load(ctx, flow_id, MINE)
        with pytest.raises(Refusal, match=r"flow\.other_browser"):
            engine.load(ctx, flow_id, OTHER)


def test_one_of_many_ends_a_flow(services: Services) -> None:
    """(req 22)"""
    flow_id = _start(services)

    def finish(_: int) -> bool:
        with unit_of_work(services) as ctx:
            try:
                return engine.finish(ctx, engine.load(ctx, flow_id, MINE, lock=True))
            except Refusal:
                return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(finish, range(16))) == 1


def test_marks_of_two_tabs_do_not_undo_each_other(services: Services) -> None:
    """(req 75): a step that marks holds the row, so nothing read before is written back."""
    flow_id = _start(services)

    def note(number: int) -> None:
        with unit_of_work(services) as ctx:
            engine.mark(engine.load(ctx, flow_id, MINE, lock=True), f"step {number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(note, range(8)))
    with unit_of_work(services) as ctx:
        assert len(engine.load(ctx, flow_id, MINE).done) == 8
