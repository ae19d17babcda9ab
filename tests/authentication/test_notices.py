"""Mails about new devices, failures before a success, wrong codes: told, and not too often (req 60, 72)."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from idp.accounts import identifiers
from idp.authentication import devices, notices
from idp.authentication.devices import DeviceCookie
from idp.context import Context, Origin, Services
from idp.delivery import mails
from idp.delivery.preview import Shown, list_shown
from idp.prepared import insert_rows
from tests.authentication.people import add_account
from tests.driver import counted
from tests.installation import NOW, unit_of_work

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def account_id(services: Services) -> str:
    """Somebody with two proven addresses and one that is not."""
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        for address in ("ben@muster.example", "ben@privat.example"):
            identifiers.add_email(ctx, account.id, address, verified=True)
        identifiers.add_email(ctx, account.id, "fremd@muster.example")
        return account.id


def _sign_in(
    services: Services,
    account_id: str,
    cookie: DeviceCookie | None = None,
    *,
    failures: int = 0,
    later: timedelta = timedelta(0),
) -> int:
    """Sign in from a browser, a new one unless given, and return how many mails it caused."""
    with unit_of_work(services, NOW + later) as ctx:
        ctx = _at_firefox(ctx)
        device, _, known = devices.recognise(ctx, account_id, cookie)
        rows = notices.of_sign_in(ctx, account_id, device, known=known, failures=failures, portal="Portal")
        if rows:
            insert_rows(ctx.db, *rows)
        return len(rows)


def _at_firefox(ctx: Context) -> Context:
    return replace(ctx, origin=Origin(user_agent=FIREFOX))


def _shown(services: Services) -> list[Shown]:
    with unit_of_work(services) as ctx:
        return list_shown(ctx)


def _known(services: Services, account_id: str) -> DeviceCookie:
    """Return the cookie of a browser that the account knows."""
    with unit_of_work(services) as ctx:
        return devices.recognise(ctx, account_id, None)[1]


class TestNewDevice:
    """(M07)"""

    def test_every_proven_address_hears_of_it(self, services: Services, account_id: str) -> None:
        """Device, portal and time; nobody else does (req 72)."""
        assert _sign_in(services, account_id) == 0  # the first one of all
        home = _known(services, account_id)
        assert _sign_in(services, account_id, home) == 0
        assert _sign_in(services, account_id) == 2
        shown = _shown(services)
        assert {mail.to for mail in shown} == {"ben@muster.example", "ben@privat.example"}
        assert {mail.subject for mail in shown} == {"Neue Anmeldung"}
        assert "Firefox" in shown[0].text
        assert "Portal" in shown[0].text

    def test_a_known_one_costs_no_statement(self, services: Services, account_id: str) -> None:
        """And a new one a single read: the mails go with the audit row (design §6)."""
        home = _known(services, account_id)
        for cookie, read in ((home, 0), (None, 1)):
            with counted(services.database) as traffic, unit_of_work(services) as ctx:
                device, _, known = devices.recognise(ctx, account_id, cookie)
                traffic.clear()
                notices.of_sign_in(ctx, account_id, device, known=known, failures=4, portal="")
                assert len(traffic.statements) == read, traffic.statements

    def test_five_a_day(self, services: Services, account_id: str) -> None:
        """Who knows the password does not fill the mailbox, from however many browsers."""
        _sign_in(services, account_id)
        day = timedelta(days=1)
        assert [_sign_in(services, account_id, later=day) for _ in range(7)] == [2] * 5 + [0] * 2
        assert _sign_in(services, account_id, later=2 * day + timedelta(minutes=1)) == 2

    def test_of_another_account_in_the_same_browser(self, services: Services, account_id: str) -> None:
        """Each account knows its own devices."""
        home = _known(services, account_id)
        with unit_of_work(services) as ctx:
            other = add_account(ctx)
            identifiers.add_email(ctx, other.id, "eve@muster.example", verified=True)
        assert _sign_in(services, other.id) == 0
        assert _sign_in(services, other.id, home) == 1


class TestFailures:
    """A success after many wrong passwords (req 60)."""

    @pytest.mark.parametrize(("failures", "told"), [(4, 0), (5, 2), (23, 2)])
    def test_from_a_known_device(self, services: Services, account_id: str, failures: int, told: int) -> None:
        home = _known(services, account_id)
        assert _sign_in(services, account_id, home, failures=failures) == told

    def test_from_the_first_one_of_all(self, services: Services, account_id: str) -> None:
        """Who guessed the password of an account that nobody used yet."""
        assert _sign_in(services, account_id, failures=5) == 2

    def test_from_a_new_one_it_is_one_mail(self, services: Services, account_id: str) -> None:
        _sign_in(services, account_id)
        assert _sign_in(services, account_id, failures=7) == 2
        assert "7" in _shown(services)[0].text
        assert {mail.subject for mail in _shown(services)} == {"Neue Anmeldung nach falschen Versuchen"}

    def test_five_a_day(self, services: Services, account_id: str) -> None:
        home = _known(services, account_id)
        assert [_sign_in(services, account_id, home, failures=9) for _ in range(7)] == [2] * 5 + [0] * 2
        assert _sign_in(services, account_id, home, failures=9, later=timedelta(days=1)) == 2


class TestWrongCodes:
    """A right password, and codes that were not (req 60)."""

    def test_five_a_day(self, services: Services, account_id: str) -> None:
        for _ in range(7):
            with unit_of_work(services) as ctx:
                notices.wrong_codes(ctx, account_id, portal="Portal")
        assert len(_shown(services)) == 10
        assert {mail.subject for mail in _shown(services)} == {"Falsche Codes nach Ihrem richtigen Passwort"}

    def test_what_the_first_proof_was(self, services: Services, account_id: str) -> None:
        with unit_of_work(services) as ctx:
            notices.wrong_codes(ctx, account_id, portal="", means="link")
        assert "mit dem Link aus unserer E-Mail" in _shown(services)[0].text


@pytest.mark.parametrize(("limited", "told"), [(mails.DeletionUndone(), 5), (mails.PasswordChanged(), 7)])
def test_what_can_be_done_again_and_again(
    services: Services, account_id: str, limited: mails.Mail, told: int
) -> None:
    """Five mails of a kind a day; a new password is told always (req 72)."""
    with unit_of_work(services) as ctx:
        for _ in range(7):
            notices.tell(ctx, account_id, limited)
    assert len(_shown(services)) == told * 2


def test_each_thing_about_recovery_data_is_told(services: Services, account_id: str) -> None:
    """That it was used, too, after it was made anew many times (req 72)."""
    with unit_of_work(services) as ctx:
        for _ in range(7):
            notices.tell(ctx, account_id, _recovery("replaced"))
        notices.tell(ctx, account_id, _recovery("used"))
    assert len(_shown(services)) == 6 * 2


def _recovery(event: Literal["replaced", "used"]) -> mails.Mail:
    return mails.RecoveryData(secret="recovery_password", event=event)


def test_without_a_proven_address_nobody_is_told(services: Services) -> None:
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        identifiers.add_email(ctx, account.id, "fremd@muster.example")
        notices.tell(ctx, account.id, mails.DeletionUndone())
    assert _shown(services) == []
