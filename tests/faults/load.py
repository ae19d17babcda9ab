"""Base load L: people who sign in, portals that redeem codes and refresh, readers of JWKS and discovery."""

import base64
import hashlib
import html
import random
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from tests.faults.installation import PASSWORD, PORTAL, REDIRECT, SCOPE, Installation
from tests.faults.ledger import Ledger, Seen

ANSWER_SECONDS = 10


class Lost(Exception):
    """A request brought nothing to go on with."""


@dataclass
class Caller:
    """A client that writes down every answer; *address*: where it comes from, as the proxy says."""

    installation: Installation
    ledger: Ledger
    address: str = "127.0.0.1"
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.installation.issuer, timeout=ANSWER_SECONDS)

    def ask(self, kind: str, method: str, url: str, **options: object) -> httpx.Response:
        """Send a request; raises Lost where no answer came, or one that nobody can go on with."""
        began = time.monotonic()
        # what httpx takes; it checks it itself
        headers = {"X-Forwarded-For": self.address, **options.pop("headers", {})}  # type: ignore[dict-item]
        try:
            answer = self.http.request(method, url, headers=headers, **options)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            self.ledger.note(Seen(kind, began, time.monotonic() - began, 0, False, False))
            raise Lost(kind) from error
        trace = answer.status_code >= 500 and ("Traceback" in answer.text or 'File "' in answer.text)
        took = time.monotonic() - began
        self.ledger.note(Seen(kind, began, took, answer.status_code, "Retry-After" in answer.headers, trace))
        if answer.status_code >= 400:
            raise Lost(f"{kind}: {answer.status_code}")
        return answer


@dataclass
class Person(Caller):
    """One person at one portal."""

    username: str = "person0"
    refresh_token: str = ""
    signed_in: bool = False

    def turn(self) -> None:
        """Do one thing: sign in where there is no session, else refresh, or get a new code."""
        if not self.refresh_token:
            self._code_flow()
        else:
            self._refresh()

    def _code_flow(self) -> None:
        verifier = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        wanted = {"response_type": "code", "client_id": PORTAL, "redirect_uri": REDIRECT, "scope": SCOPE}
        wanted |= {"state": "s", "code_challenge": challenge, "code_challenge_method": "S256"}
        answer = self.ask("authorize", "GET", "/authorize", params=wanted)
        while not (location := answer.headers.get("Location", "")).startswith(REDIRECT):
            answer = self.ask("page", "GET", location) if location else self._sign_in(answer)
        self.signed_in = True
        parameters = parse_qs(urlsplit(location).query)
        if "code" not in parameters:
            raise Lost("authorize")
        code = parameters["code"][0]
        with self.ledger._lock:
            self.ledger.codes += 1
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
        self._redeem("code", code, {**form, "code_verifier": verifier})

    def _sign_in(self, page: httpx.Response) -> httpx.Response:
        action = re.search(r'<form[^>]* action="([^"]*login[^"]*)"', page.text)
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)
        if action is None or token is None:
            raise Lost("page")
        form = {"csrf_token": token[1], "username": self.username, "password": PASSWORD}
        target = urljoin(str(page.url), html.unescape(action[1]))
        answer = self.ask("sign-in", "POST", target, data=form, headers={"Origin": self.installation.issuer})
        if not answer.is_redirect:
            raise Lost("sign-in")
        with self.ledger._lock:
            self.ledger.sign_ins += 1
        return answer

    def _refresh(self) -> None:
        # whoever loses the answer tries the same token once more: it must not succeed twice
        token = self.refresh_token
        try:
            self._redeem("refresh", token, {"grant_type": "refresh_token", "refresh_token": token})
        except Lost:
            self.refresh_token = ""
            self._redeem("refresh", token, {"grant_type": "refresh_token", "refresh_token": token})

    def _redeem(self, kind: str, used: str, form: dict[str, str]) -> None:
        began = time.monotonic()
        answer = self.ask(kind, "POST", "/token", data=form, auth=(PORTAL, self.installation.secret))
        self.refresh_token = answer.json()["refresh_token"]
        self.ledger.got(self.username, used=used, refresh_token=self.refresh_token, began=began)


@contextmanager
def base_load(installation: Installation, ledger: Ledger, people: int = 12) -> Iterator[None]:
    """Keep people and readers busy for as long as the block lasts."""
    persons = [
        Person(installation, ledger, address=f"198.51.100.{number}", username=f"person{number}")
        for number in range(people)
    ]
    reader = Caller(installation, ledger)

    def read() -> None:
        reader.ask("JWKS", "GET", "/jwks")
        reader.ask("JWKS", "GET", "/.well-known/openid-configuration")

    with repeated([(person.turn, 0.2) for person in persons] + [(read, 0.02)]):
        yield
    for caller in (*persons, reader):
        caller.http.close()


@contextmanager
def repeated(jobs: list[tuple[Callable[[], None], float]]) -> Iterator[None]:
    """Run each job in a thread of its own, again and again with a pause, until the block ends."""
    stop = threading.Event()

    def run(job: Callable[[], None], pause: float) -> None:
        while not stop.is_set():
            try:
                job()
            except Lost:
                pass
            stop.wait(pause)

    threads = [threading.Thread(target=run, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def works(installation: Installation, seconds: float) -> bool:
    """Tell whether, within some seconds, somebody signs in, refreshes and reads the JWKS."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        address = f"192.0.2.{random.randrange(256)}"  # noqa: S311  (an address)
        person = Person(installation, Ledger(), address=address, username="person39")
        try:
            person.turn()
            person.turn()
            person.ask("JWKS", "GET", "/jwks")
        except Lost:
            time.sleep(0.2)
        else:
            return True
        finally:
            person.http.close()
    return False
