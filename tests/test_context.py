"""The first argument of every operation: one time, one actor, one unit of work."""

from datetime import UTC, datetime

from idp.context import Actor, Origin, Services

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_time_is_read_once_unless_handed_in(services: Services) -> None:
    """An operation has one moment, aware and in UTC (design §2, Time)."""
    before = datetime.now(UTC)
    with services.database.session() as db:
        ctx = services.context(db)
        assert services.context(db, now=NOW).now == NOW

    assert before <= ctx.now <= datetime.now(UTC)
    assert ctx.now is ctx.now


def test_context_carries_the_services_of_its_process(services: Services) -> None:
    """What a process makes once is the same in every context."""
    with services.database.session() as db:
        ctx = services.context(db, origin=Origin(ip="192.0.2.1"))

        assert (ctx.db, ctx.settings, ctx.vault) == (db, services.settings, services.vault)
        assert (ctx.throttle, ctx.passwords) == (services.throttle, services.passwords)
        assert ctx.origin.ip == "192.0.2.1"
        assert ctx.actor == Actor(kind="system")


def test_another_actor_changes_nothing_else(services: Services) -> None:
    """The same unit of work goes on in another name."""
    anna = Actor(kind="account", id="anna", role="administrator")
    with services.database.session() as db:
        ctx = services.context(db, now=NOW)
        acting = ctx.acting(anna)

    assert (acting.actor, acting.now, acting.db) == (anna, NOW, ctx.db)
    assert ctx.actor.kind == "system"
