"""Hashes of passwords: what they are made of and when they are made anew."""

from pathlib import Path

import pytest
from argon2 import extract_parameters

from idp.accounts.passwords import Costs, LocalPasswordHasher, PooledPasswordHasher
from idp.crypto import PasswordHasher, Verification
from idp.errors import Busy

CHEAP = Costs(memory_kib=8, time_cost=1, parallelism=1)
OLD, NEW = b"o" * 32, b"n" * 32
PASSWORD = "neun blaue Fahrräder"


def hasher(peppers: dict[int, bytes] | None = None, costs: Costs = CHEAP) -> LocalPasswordHasher:
    return LocalPasswordHasher(peppers or {1: OLD}, costs)


def test_right_password_is_accepted_and_wrong_ones_are_not() -> None:
    encoded = hasher().hash(PASSWORD)
    assert hasher().verify(encoded, PASSWORD) == Verification(valid=True, needs_rehash=False)
    for wrong in (PASSWORD.upper(), PASSWORD + " ", PASSWORD[:-1], "", "x" * 5000):
        assert hasher().verify(encoded, wrong) == Verification(valid=False, needs_rehash=False)


def test_hash_is_argon2id_with_salt_parameters_and_pepper_version() -> None:
    """(req 52)"""
    encoded = hasher(costs=Costs()).hash(PASSWORD)
    assert encoded.startswith("$lotse$p=1$argon2id$v=19$m=19456,t=2,p=1$")
    found = extract_parameters(encoded.removeprefix("$lotse$p=1"))
    assert (found.salt_len, found.hash_len) == (16, 32)
    assert len(encoded) <= 255
    assert hasher().hash(PASSWORD) != hasher().hash(PASSWORD)


def test_hash_alone_is_worth_nothing_without_the_pepper() -> None:
    """(req 52)"""
    encoded = hasher({1: OLD}).hash(PASSWORD)
    assert not hasher({1: NEW}).verify(encoded, PASSWORD).valid


def test_a_new_pepper_is_taken_up_at_the_next_sign_in() -> None:
    """(req 52)"""
    encoded = hasher({1: OLD}).hash(PASSWORD)
    both = hasher({1: OLD, 2: NEW})
    assert both.verify(encoded, PASSWORD) == Verification(valid=True, needs_rehash=True)
    renewed = both.hash(PASSWORD)
    assert renewed.startswith("$lotse$p=2$")
    assert both.verify(renewed, PASSWORD) == Verification(valid=True, needs_rehash=False)


@pytest.mark.parametrize("changed", [Costs(16, 1, 1), Costs(8, 2, 1), Costs(16, 1, 2)])
def test_new_costs_are_taken_up_at_the_next_sign_in(changed: Costs) -> None:
    """(req 52)"""
    encoded = hasher().hash(PASSWORD)
    assert hasher(costs=changed).verify(encoded, PASSWORD) == Verification(valid=True, needs_rehash=True)
    assert hasher(costs=changed).verify(encoded, "other") == Verification(valid=False, needs_rehash=False)


def test_composition_does_not_matter_and_nothing_is_cut() -> None:
    """(req 49)"""
    encoded = hasher().hash("a\u0308" * 64)
    assert hasher().verify(encoded, "ä" * 64).valid
    long = "y" * 128
    assert not hasher().verify(hasher().hash(long), long[:-1]).valid
    assert not hasher().verify(hasher().hash("ab\0cd"), "ab\0ce").valid


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "plain",
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaA",
        "$lotse$p=7$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaA",
        "$lotse$p=1$argon2id$nonsense",
        "$lotse$p=1$argon2id$v=19$m=8,t=1,p=1$ä$ö",
    ],
)
def test_unreadable_hashes_match_nothing(stored: str) -> None:
    assert hasher().verify(stored, PASSWORD) == Verification(valid=False)


def test_verifying_nothing_does_the_same_work_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """(req 59)"""
    asked: list[tuple[int, int, int]] = []

    class Counting(LocalPasswordHasher):
        def _compare(self, stored: str, keyed: bytes) -> bool:
            found = extract_parameters(stored)
            asked.append((found.memory_cost, found.time_cost, found.parallelism))
            return super()._compare(stored, keyed)

    counting = Counting({1: OLD}, CHEAP)
    encoded = counting.hash(PASSWORD)
    counting.verify(encoded, "wrong")
    counting.verify_nothing("wrong")
    counting.verify("unreadable", "wrong")
    assert asked == [(8, 1, 1)] * 3


def test_both_kinds_are_what_operations_ask_for(tmp_path: Path) -> None:
    kinds: list[PasswordHasher] = [hasher(), PooledPasswordHasher(tmp_path / "none", {1: OLD}, CHEAP)]
    assert kinds[0].verify(kinds[0].hash("a"), "a").valid
    with pytest.raises(Busy) as refused:
        kinds[1].hash("a")
    assert refused.value.retry_after == 2
