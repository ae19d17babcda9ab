"""The recovery password itself: how it is drawn, read and kept (req 22, 54-59, 70)."""

import math

import pytest
from sqlalchemy import select

from idp.authentication import recovery_password
from idp.authentication.models import RecoveryPassword
from idp.context import Services
from idp.crypto import sha256
from idp.management import accounts
from tests.authentication.people import add_account
from tests.builders import OPERATOR
from tests.driver import counted
from tests.installation import NOW, unit_of_work

LOOK_ALIKES = ("0O", "1IL", "2Z", "5S", "8B", "UV")


def test_it_has_more_than_128_bits_and_no_look_alikes() -> None:
    """(req 70)"""
    text = recovery_password.draw()
    groups = text.split("-")
    assert [len(group) for group in groups] == [5] * 6
    assert len("".join(groups)) * math.log2(len(recovery_password.ALPHABET)) > 128
    assert len(set(recovery_password.ALPHABET)) == len(recovery_password.ALPHABET)
    for pair in LOOK_ALIKES:
        assert not set(pair) & set(recovery_password.ALPHABET)
    assert {sign for _ in range(100) for sign in recovery_password.draw()} == set(
        recovery_password.ALPHABET
    ) | {"-"}


@pytest.mark.parametrize(
    "typed",
    ["abc-de", "ABCDE", " a b c d e ", "a\N{EM DASH}bc\N{NON-BREAKING HYPHEN}de", "ａｂｃｄｅ", "a\tbc\nde"],
)
def test_how_it_is_read(typed: str) -> None:
    assert recovery_password.plain(typed) == "ABCDE"


def test_only_a_hash_is_stored(services: Services) -> None:
    """(req 105)"""
    text = recovery_password.draw()
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        assert recovery_password.created_at(ctx, account.id) is None
        assert not recovery_password.replace(ctx, account.id, text)
        row = ctx.db.scalars(select(RecoveryPassword)).one()
        assert row.hash == sha256(text.replace("-", ""))
        assert recovery_password.created_at(ctx, account.id) == NOW


def test_one_counts_at_a_time_and_once(services: Services) -> None:
    """(req 22, 70)"""
    old, text = recovery_password.draw(), recovery_password.draw()
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        other = add_account(ctx)
        recovery_password.replace(ctx, account.id, old)
        assert recovery_password.replace(ctx, account.id, text)
        kept = sha256(recovery_password.plain(text))
        assert recovery_password.is_current(ctx, account.id, kept)
        assert not recovery_password.is_current(ctx, account.id, sha256(recovery_password.plain(old)))
        assert not recovery_password.is_current(ctx, other.id, kept)
        assert not recovery_password.consume(ctx, account.id, sha256(recovery_password.plain(old)))
        assert not recovery_password.consume(ctx, other.id, kept)
        assert recovery_password.consume(ctx, account.id, kept)
        assert not recovery_password.consume(ctx, account.id, kept)
        assert recovery_password.created_at(ctx, account.id) is None


@pytest.mark.parametrize("name", ["nobody", "", "nobody@muster.example", "\0"])
def test_nobodys_fits_nothing(services: Services, name: str) -> None:
    """(req 59)"""
    with unit_of_work(services) as ctx:
        candidate = recovery_password.look_up(ctx, name)
        assert candidate.account is None
        assert not recovery_password.fits(candidate, "")
        assert not recovery_password.fits(candidate, recovery_password.draw())


def test_the_statements_are_the_same_for_nobody(services: Services) -> None:
    """(req 59)"""
    with unit_of_work(services) as ctx:
        key = accounts.create(ctx.acting(OPERATOR), username="ben", password="ein Kahn auf der Elbe")
        recovery_password.replace(ctx, key, recovery_password.draw())
    seen = []
    for name in ("ben", "nobody"):
        with counted(services.database) as traffic, unit_of_work(services) as ctx:
            traffic.clear()
            recovery_password.look_up(ctx, name)
            seen.append(len(traffic.statements))
    assert seen[0] == seen[1] > 0
