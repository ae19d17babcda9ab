"""Codes of an authenticator app (RFC 6238; req 22, 37, 54, 61-63)."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from idp.authentication import totp
from idp.authentication.models import Authenticator
from idp.context import Services
from idp.errors import Refusal
from tests.authentication.people import add_account
from tests.installation import NOW, unit_of_work


def _enrolled(services: Services) -> tuple[str, str]:
    """Return account id and secret."""
    secret = totp.new_secret()
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        totp.enroll(ctx, account, secret, "App")
        return account.id, secret


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_vectors_of_the_specification(seconds: int, code: str) -> None:
    """RFC 6238, appendix B, last six of the eight digits."""
    at = datetime.fromtimestamp(seconds, UTC)
    secret = b"12345678901234567890"
    assert totp.matching_step(secret, code, at) == seconds // 30
    assert totp.matching_step(secret, code, at + timedelta(seconds=30)) == seconds // 30
    assert totp.matching_step(secret, code, at + timedelta(seconds=60)) is None
    assert totp.matching_step(secret, code, at - timedelta(seconds=30)) is None


def test_secrets_have_160_bit_and_are_sealed(services: Services) -> None:
    """(req 37, 61)"""
    _, secret = _enrolled(services)
    plain = base64.b32decode(secret)
    assert len(plain) == 20
    with unit_of_work(services) as ctx:
        row = ctx.db.query(Authenticator).one()
        assert plain not in (row.sealed or b"")


@pytest.mark.parametrize("secret", ["", "AAAA", "A" * 24, "not base 32!", "A" * 31 + "1"])
def test_weak_or_broken_secrets_are_refused(services: Services, secret: str) -> None:
    """(req 61)"""
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        with pytest.raises(ValueError, match="secret"):
            totp.enroll(ctx, account, secret, "App")


def test_of_64_uses_of_one_code_at_once_one_succeeds(services: Services) -> None:
    """(req 22, 62; C16)"""
    account_id, secret = _enrolled(services)
    code = pyotp.TOTP(secret).at(NOW)
    barrier = threading.Barrier(4)

    def use(number: int) -> str:
        if number < 4:
            barrier.wait()
        with unit_of_work(services) as ctx:
            try:
                totp.verify(ctx, account_id, code)
            except Refusal as refusal:
                return refusal.code
            return "accepted"

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(use, range(64)))
    assert (said.count("accepted"), said.count("totp.used")) == (1, 63)


def test_a_hundred_wrong_codes_switch_the_app_off(services: Services) -> None:
    """(req 54): consecutive ones; a right code before begins the count again."""
    account_id, secret = _enrolled(services)
    wrong = next(
        c for c in ("111111", "222222") if totp.matching_step(base64.b32decode(secret), c, NOW) is None
    )
    with unit_of_work(services) as ctx:
        for _ in range(99):
            with pytest.raises(Refusal, match=r"code\.wrong"):
                totp.verify(ctx, account_id, wrong)
        totp.verify(ctx, account_id, pyotp.TOTP(secret).at(NOW))
        for _ in range(100):
            with pytest.raises(Refusal, match=r"code\.wrong"):
                totp.verify(ctx, account_id, wrong)
    with unit_of_work(services, NOW + timedelta(minutes=1)) as ctx:
        with pytest.raises(Refusal, match=r"code\.wrong"):
            totp.verify(ctx, account_id, pyotp.TOTP(secret).at(ctx.now))
        assert ctx.db.query(Authenticator).one().failures == 100


def test_codes_of_other_accounts_are_wrong(services: Services) -> None:
    first, secret = _enrolled(services)
    second, _ = _enrolled(services)
    with unit_of_work(services) as ctx:
        app = totp.apps(ctx, first)[0]
        with pytest.raises(Refusal, match=r"authenticator\.unknown"):
            totp.verify(ctx, second, pyotp.TOTP(secret).at(NOW), authenticator_id=app.id)
        with pytest.raises(Refusal, match=r"code\.wrong"):
            totp.verify(ctx, second, pyotp.TOTP(secret).at(NOW))
        accepted = totp.verify(ctx, first, pyotp.TOTP(secret).at(NOW), authenticator_id=app.id)
        assert (accepted.id, accepted.last_used_at, accepted.last_step) == (
            app.id,
            NOW,
            int(NOW.timestamp()) // 30,
        )


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12345a", "１２３４５６", "12 34 5"])
def test_what_is_no_code_is_not_compared(services: Services, typed: str) -> None:
    account_id, _ = _enrolled(services)
    with unit_of_work(services) as ctx, pytest.raises(Refusal, match=r"code\.length"):
        totp.verify(ctx, account_id, typed)


def test_an_account_without_an_app_has_no_right_code(services: Services) -> None:
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        with pytest.raises(Refusal, match=r"authenticator\.unknown"):
            totp.verify(ctx, account.id, "123456")
