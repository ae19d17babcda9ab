"""People at a portal: they sign in, get codes in an open session, redeem, refresh, and try what is used."""

import base64
import hashlib
import html
import itertools
import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from idp.audit.events import Event
from tests.faults.installation import PASSWORD, PORTAL, REDIRECT, SCOPE, Installation
from tests.faults.ledger import Ledger, Seen

ANSWER_SECONDS = 10
TWICE_EVERY = 10
"""Of so many turns, in one something is presented twice."""
SIGN_OUT_EVERY = 5
_TLS = ssl.create_default_context()  # never used, but each client would load one
_USED_AGAIN = {
    "code": (Event.CODE_REPLAYED, Event.AUTHORIZATION_REVOKED),
    "refresh": (Event.REFRESH_TOKEN_REUSED, Event.AUTHORIZATION_REVOKED),
}


class Lost(Exception):
    """A request brought nothing to go on with."""


class Refused(Lost):
    """It was answered, by a refusal: to ask again would not help."""


def _goes_on(answer: httpx.Response) -> bool:
    location = answer.headers.get("Location", "")
    return answer.status_code < 400 and (not location.startswith(REDIRECT) or "code=" in location)


@dataclass
class Caller:
    """A client that writes down every answer; *address*: where it comes from, as the proxy says."""

    installation: Installation
    ledger: Ledger
    address: str = "127.0.0.1"
    username: str = ""
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.installation.issuer, timeout=ANSWER_SECONDS, verify=_TLS)

    def ask(
        self,
        kind: str,
        method: str,
        url: str,
        wanted: Callable[[httpx.Response], bool] = _goes_on,
        **options: object,
    ) -> httpx.Response:
        """Send a request; raises Lost where no answer came, or one that is not as *wanted*."""
        began = time.monotonic()
        # what httpx takes; it checks it itself
        headers = {"X-Forwarded-For": self.address, **options.pop("headers", {})}  # type: ignore[dict-item]
        try:
            answer = self.http.request(method, url, headers=headers, **options)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            took = time.monotonic() - began
            self.ledger.note(Seen(kind, began, took, 0, False, False, who=self.username))
            raise Lost(kind) from error
        took, status, fits = time.monotonic() - began, answer.status_code, wanted(answer)
        trace = status >= 500 and ("Traceback" in answer.text or 'File "' in answer.text)
        more = {"who": self.username, "request_id": answer.headers.get("X-Request-Id", "")}
        later = "Retry-After" in answer.headers
        self.ledger.note(Seen(kind, began, took, status, later, trace, wanted=fits, **more))
        if not fits:
            raise (Lost if status >= 500 else Refused)(f"{kind}: {status}")
        return answer


@dataclass(frozen=True, slots=True)
class Grant:
    """A code or a refresh token: what works once."""

    kind: str
    value: str
    form: Mapping[str, str]


def refreshing(token: str) -> Grant:
    """Return a refresh token as what works once."""
    return Grant("refresh", token, {"grant_type": "refresh_token", "refresh_token": token})


@dataclass
class Person(Caller):
    """One person at one portal."""

    username: str = "person0"
    #: the family that goes on from turn to turn
    refresh_token: str = ""
    id_token: str = ""

    def turn(self) -> None:
        """Get a code, by a sign-in where there is no session, redeem it, and refresh."""
        token = self.redeem(self.code())
        self.refresh_token = self.refresh_token or token
        self.refresh()

    def refresh(self) -> None:
        """Go on with the family; where that fails, the next turn begins another."""
        token, self.refresh_token = self.refresh_token, ""
        self.refresh_token = self.redeem(refreshing(token))

    def code(self) -> Grant:
        """Get a code by the browser."""
        verifier = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        wanted = {"response_type": "code", "client_id": PORTAL, "redirect_uri": REDIRECT, "scope": SCOPE}
        wanted |= {"state": "s", "code_challenge": challenge, "code_challenge_method": "S256"}
        began = time.monotonic()
        answer = self.ask("authorize", "GET", "/authorize", params=wanted)
        while not (location := answer.headers.get("Location", "")).startswith(REDIRECT):
            began = time.monotonic()
            answer = self.ask("page", "GET", location) if location else self._sign_in(answer)
        code = parse_qs(urlsplit(location).query)["code"][0]
        self.ledger.promise(code, Event.CODE_ISSUED)
        self.ledger.active(self.username, began)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
        return Grant("code", code, {**form, "code_verifier": verifier})

    def _sign_in(self, page: httpx.Response) -> httpx.Response:
        action = re.search(r'<form[^>]* action="([^"]*login[^"]*)"', page.text)
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)
        if action is None or token is None:
            raise Lost("page")
        form = {"csrf_token": token[1], "username": self.username, "password": PASSWORD}
        target = urljoin(str(page.url), html.unescape(action[1]))
        headers, began = {"Origin": self.installation.issuer}, time.monotonic()

        def let_in(answer: httpx.Response) -> bool:
            return answer.is_redirect and _goes_on(answer)

        answer = self.ask("sign-in", "POST", target, let_in, data=form, headers=headers)
        self.ledger.promise(answer.cookies["sid"], Event.SIGN_IN_SUCCEEDED, Event.SESSION_STARTED)
        self.ledger.active(self.username, began)
        return answer

    def redeem(self, grant: Grant) -> str:
        """Redeem what works once and return the refresh token.

        Whoever loses the answer tries once more: it must not work twice, and where it has worked, its family
        is at its end.
        """
        try:
            return self._present(grant.kind, grant, (200,))
        except Refused:
            raise
        except Lost:
            return self._present("lost", grant, (200, 400))

    def _present(self, kind: str, grant: Grant, wanted: tuple[int, ...]) -> str:
        began, auth = time.monotonic(), (PORTAL, self.installation.secret)
        answer = self.ask(
            kind, "POST", "/token", lambda answer: answer.status_code in wanted, data=grant.form, auth=auth
        )
        if answer.status_code == 400:
            if self.username not in self.ledger.blocked:  # a block has ended the family before
                self.ledger.promise(answer.headers["X-Request-Id"], *_USED_AGAIN[grant.kind])
            raise Refused(kind)
        tokens = answer.json()
        self.id_token = tokens["id_token"]
        token: str = tokens["refresh_token"]
        self.ledger.active(self.username, began)
        self.ledger.got(used=grant.value, refresh_token=token)
        return token

    def again(self, grant: Grant) -> None:
        """Present what was used just now: it has to be refused, and its family ends."""
        refused = self._refused("again", grant)
        self.ledger.tried_twice(f"{grant.kind} again", [] if refused is None else [refused])

    def at_once(self, grant: Grant) -> None:
        """Present something fresh twice at the same time: it has to work once, and its family ends."""
        with ThreadPoolExecutor(2) as pool:
            tries = [pool.submit(self._refused, "at once", grant) for _ in range(2)]
        answers = [answer for each in tries if (answer := each.result()) is not None]
        self.ledger.tried_twice(f"{grant.kind} at once", answers)

    def _refused(self, kind: str, grant: Grant) -> bool | None:
        """Tell whether it was refused; None where no answer came.  What works twice, the ledger counts."""
        try:
            self._present(kind, grant, (200, 400))
        except Refused:
            return True
        except Lost:
            return None
        return False


@dataclass
class Dweller(Person):
    """Stays signed in: each turn gets a code in the open session, and now and then presents one twice."""

    honest: bool = False
    _turns: Iterator[int] = field(default_factory=itertools.count)

    def turn(self) -> None:
        """Get a code, redeem it and refresh, as others do; in one of ten turns, one of the two twice."""
        turn = next(self._turns)
        if self.honest or not self.refresh_token or turn % TWICE_EVERY:
            super().turn()
        else:
            self._twice(turn // TWICE_EVERY % 4)

    def _twice(self, how: int) -> None:
        """Try it with a family of its own, since that ends by it."""
        grant = self.code()
        if how == 0:
            self.at_once(grant)
        else:
            token = self.redeem(grant)
            if how == 1:
                self.again(grant)
            elif how == 2:
                self.at_once(refreshing(token))
            else:
                self.redeem(refreshing(token))
                self.again(refreshing(token))
        self.refresh()


@dataclass
class Newcomer(Person):
    """Somebody else each time, in a fresh browser at another address; every fifth signs out."""

    usernames: tuple[str, ...] = ()
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def turn(self) -> None:
        """Sign in, redeem, refresh, and leave."""
        number = next(self.numbers)
        self.http.cookies.clear()
        self.refresh_token = ""
        self.username = self.usernames[number % len(self.usernames)]
        self.address = f"203.{number // 62_500}.{number // 250 % 250}.{number % 250}"
        super().turn()
        if number % SIGN_OUT_EVERY == 0:
            session = self.http.cookies["sid"]
            self.ask("sign-out", "GET", "/logout", params={"id_token_hint": self.id_token})
            self.ledger.promise(session, Event.SESSION_ENDED)
