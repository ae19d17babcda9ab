"""A full house: places are kept for browsers that somebody signed in from, and no others (A5, F12).

The lines are the real ones; what sign-ins wait for is held back.
"""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from idp.authentication import devices
from idp.authentication.devices import DeviceCookie
from idp.cli.arrivals import Arrivals
from idp.cli.sign_in_lines import KNOWN_PLACES, PLACES
from idp.context import Services
from idp.installation import Vault
from idp.web.gateway import Gateway
from tests import cast
from tests.arriving import Protocol, SlowHashes, scope
from tests.installation import unit_of_work
from tests.plain_browser import Browser

Post = Callable[[str], Protocol]


@pytest.fixture
def post(gateway: Gateway) -> Iterator[Post]:
    """Sends a sign-in with a device cookie, to a server whose line for all is full."""
    hashes = SlowHashes()
    taker = Arrivals(hashes, known_as=gateway.known_as, sign_ins=2)

    def send(cookie: str) -> Protocol:
        protocol = Protocol()
        sent = scope(("cookie", f"form=x; dev={cookie}"), method="POST", path="/login")
        taker._take(SimpleNamespace(scope=sent, proto=protocol))
        return protocol

    for _ in range(2):
        send("")
        assert hashes.began.acquire(timeout=30)
    assert all(send("").sent is None for _ in range(PLACES))
    assert is_turned_away(send(""))
    yield send
    hashes.go.set()


def is_turned_away(protocol: Protocol) -> bool:
    return protocol.sent is not None and protocol.sent[0] == 503


def signed_in(gateway: Gateway, username: str) -> str:
    """Return the device cookie of a new browser that somebody has signed in from."""
    browser = Browser(gateway)
    browser.get("/login")
    browser.sign_in(username)
    found = browser.client.get_cookie("dev", domain="localhost")
    assert found is not None
    return found.value


@pytest.fixture
def anna(services: Services, gateway: Gateway) -> str:
    """A browser that Anna signed in from."""
    with unit_of_work(services) as ctx:
        cast.person(ctx, "anna")
        cast.person(ctx, "ben")
    return signed_in(gateway, "anna")


def test_a_known_browser_waits_where_others_are_turned_away(gateway: Gateway, anna: str, post: Post) -> None:
    ben = signed_in(gateway, "ben")
    assert post(anna).sent is None
    assert post(ben).sent is None


def test_one_cookie_takes_one_place(gateway: Gateway, anna: str, post: Post) -> None:
    """A copy of somebody's cookie leaves the line to others."""
    ben = signed_in(gateway, "ben")
    assert [is_turned_away(post(anna)) for _ in range(4)] == [False] + [True] * 3
    assert post(ben).sent is None


def test_many_cookies_of_one_account_take_one_place(gateway: Gateway, anna: str, post: Post) -> None:
    """Cookies are free for whoever has an account: each new browser gets one."""
    ben = signed_in(gateway, "ben")
    others = [signed_in(gateway, "anna") for _ in range(4)]
    assert [is_turned_away(post(cookie)) for cookie in (anna, *others)] == [False] + [True] * 4
    assert post(ben).sent is None


def test_the_line_of_known_browsers_is_bounded(services: Services, post: Post) -> None:
    """However many accounts somebody has."""
    made = [str(marked(services.vault, f"account {number}")) for number in range(KNOWN_PLACES + 3)]
    assert [is_turned_away(post(cookie)) for cookie in made] == [False] * KNOWN_PLACES + [True] * 3


def marked(vault: Vault, account_id: str) -> DeviceCookie:
    return devices.marked(vault, DeviceCookie.new(), account_id)


STRANGER = DeviceCookie.new().name
FORGERIES = {
    "no mark": "{name}",
    "an empty mark": "{name}~",
    "no mark but a name": "{name}~{whose}",
    "a mark without a name": "{name}~{mark}",
    "another browser": STRANGER + "~{whose}{mark}",
    "made up": STRANGER + "~" + "A" * 59,
    "another account": "{name}~" + "A" * 16 + "{mark}",
    "another mark": "{name}~{whose}" + "A" * 43,
    "cut": "{name}~{whose}{short}",
    "longer": "{name}~{whose}{mark}A",
    "not of our signs": "{name}~" + "\u00e4" * 59,
    "endless": "~" * 9000,
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_mark_has_no_place(anna: str, post: Post, forgery: str) -> None:
    """Neither a made-up cookie nor parts of a good one."""
    name, _, mark = anna.partition("~")
    parts = {"name": name, "whose": mark[:16], "mark": mark[16:], "short": mark[16:-1]}
    assert is_turned_away(post(FORGERIES[forgery].format(**parts)))
    assert post(anna).sent is None


def test_a_mark_of_another_installation_has_no_place(services: Services, post: Post) -> None:
    strange = {purpose: {1: bytes(32)} for purpose in services.vault.secrets}
    assert is_turned_away(post(str(marked(Vault(services.vault.sealer, strange), "account"))))
