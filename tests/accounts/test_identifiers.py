"""User names and addresses (req 38, 88)."""

import pytest

from idp.accounts import identifiers
from idp.accounts.models import Account, Identifier
from idp.context import Context, Services
from idp.errors import Refusal
from tests.authentication.people import add_account
from tests.installation import unit_of_work


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        (" Ben ", "ben"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ｂｅｎ", "ben"),
        ("Jose\u0301", "jos\u00e9"),
        ("", ""),
    ],
)
def test_user_names_are_compared_folded(typed: str, key: str) -> None:
    assert identifiers.username_key(typed) == key


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Ben@Muster.Example", "ben@muster.example"),
        ("ben@Bücher.example", "ben@xn--bcher-kva.example"),
        ("ben@Straße.example", "ben@xn--strae-oqa.example"),
        ("ben@STRASSE.example", "ben@strasse.example"),
        (" Ben@muster.example ", "ben@muster.example"),
        ("a@b@c.example", "a@b@c.example"),
        ("ben@", "ben@"),
        ("ben@" + "ü" * 80 + ".example", "ben@" + "ü" * 80 + ".example"),
    ],
)
def test_addresses_are_compared_folded_and_their_domain_as_dns_has_it(typed: str, key: str) -> None:
    assert identifiers.email_key(typed) == key


def _named(ctx: Context, name: str) -> Account:
    account = add_account(ctx)
    identifiers.set_username(ctx, account, name)
    return account


def test_an_account_is_found_by_name_and_by_each_verified_address(services: Services) -> None:
    with unit_of_work(services) as ctx:
        account = _named(ctx, "Ben")
        identifiers.add_email(ctx, account.id, "Ben@Muster.example", verified=True)
        pending = identifiers.add_email(ctx, account.id, "neu@muster.example")
        for typed in ("ben", "BEN ", "ben@muster.example"):
            found = identifiers.find_account(ctx, typed)
            assert found is not None
            assert found.id == account.id
        assert identifiers.find_account(ctx, "neu@muster.example") is None
        identifiers.verify(ctx, pending)
        found = identifiers.find_account(ctx, "neu@muster.example")
        assert found is not None
        assert found.id == account.id
        assert account.username == "Ben"


@pytest.mark.parametrize(
    "typed", ["", " ", "nobody", "nobody@muster.example", "\0", "a" * 300, "@", "%", "_en"]
)
def test_nobody_is_found_by_anything_else(services: Services, typed: str) -> None:
    """(req 29)"""
    with unit_of_work(services) as ctx:
        _named(ctx, "ben")
        assert identifiers.find_account(ctx, typed) is None


@pytest.mark.parametrize("name", ["", "  ", "ben@muster.example", "a" * 129, "be\x00n", "be\nn"])
def test_user_names_that_are_none(services: Services, name: str) -> None:
    with unit_of_work(services) as ctx, pytest.raises(Refusal, match=r"username\.format"):
        _named(ctx, name)


def test_a_name_is_given_once(services: Services) -> None:
    with unit_of_work(services) as ctx:
        ben = _named(ctx, "ben")
        identifiers.set_username(ctx, ben, "Ben")
        with pytest.raises(Refusal, match=r"username\.taken"):
            _named(ctx, "ＢＥＮ")


@pytest.mark.parametrize(
    "address",
    ["", "ben", "@muster.example", "ben@", "ben@localhost", "a b@c.example", "a" * 250 + "@b.example"],
)
def test_addresses_that_are_none(services: Services, address: str) -> None:
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        with pytest.raises(Refusal, match=r"email\.format"):
            identifiers.add_email(ctx, account.id, address)


def test_addresses_are_sealed(services: Services) -> None:
    """(req 37)"""
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        identifiers.add_email(ctx, account.id, "ben@muster.example", verified=True)
    with unit_of_work(services) as ctx:
        (row,) = identifiers.of_account(ctx, account.id, identifiers.EMAIL)
        assert b"muster" not in row.sealed + row.lookup
        assert identifiers.text_of(ctx, row) == "ben@muster.example"
        assert identifiers.of_account(ctx, account.id, identifiers.PHONE) == []


def test_the_owner_who_proves_an_address_gets_it_from_those_who_wait_beside_it(services: Services) -> None:
    """(req 88)"""
    with unit_of_work(services) as ctx:
        squatter, owner = add_account(ctx), add_account(ctx)
        identifiers.add_email(ctx, squatter.id, "ben@muster.example")
        mine = identifiers.add_email(ctx, owner.id, "ben@muster.example")
        identifiers.verify(ctx, mine)
    with unit_of_work(services) as ctx:
        assert [row.account_id for row in ctx.db.query(Identifier)] == [owner.id]
        late = identifiers.add_email(ctx, squatter.id, "BEN@muster.example")
        with pytest.raises(Refusal, match=r"email\.taken"):
            identifiers.verify(ctx, late)
        with pytest.raises(Refusal, match=r"email\.taken"):
            identifiers.add_email(ctx, squatter.id, "ben@muster.example", verified=True)


@pytest.mark.parametrize(
    ("typed", "kept"), [("+49 341 5550100", "+493415550100"), ("+49 (341) 555-01.00", "+493415550100")]
)
def test_telephone_numbers(services: Services, typed: str, kept: str) -> None:
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        row = identifiers.add_phone(ctx, account.id, typed, verified=True)
        assert identifiers.text_of(ctx, row) == kept
        assert row.purpose == "factor"


@pytest.mark.parametrize(
    "number", ["", "0341 5550100", "+49", "+49 341 x", "+" + "1" * 16, "+４９３４１５５５"]
)
def test_numbers_that_are_none(services: Services, number: str) -> None:
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        with pytest.raises(Refusal, match=r"phone\.format"):
            identifiers.add_phone(ctx, account.id, number)


def test_masked_addresses() -> None:
    assert identifiers.mask_email("anna@muster.example") == "a…@muster.example"
