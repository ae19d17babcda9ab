"""Wrong passwords, one after the other or two hundred a second."""

import html
import http.client
import re
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode, urljoin, urlsplit

from tests.faults.ledger import Seen
from tests.faults.people import ANSWER_SECONDS, Caller

WRONG = "Falsche Kraniche im Sturm"
LONG_WRONG = (WRONG + " ").ljust(1000, "x")
"""As long as a password may be that is compared at all: a kilobyte."""


@dataclass
class Guesser(Caller):
    """Holds one sign-in page open and sends it again and again, from many addresses."""

    fields: dict[str, str] | None = None
    action: str = ""
    cookies: str = ""
    connection: http.client.HTTPConnection | None = field(default=None, init=False)

    def open_page(self) -> None:
        """Get the form that is sent from now on."""
        page = self.ask("page", "GET", "/login")
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)
        action = re.search(r'<form[^>]* action="([^"]*login[^"]*)"', page.text)
        assert token is not None
        assert action is not None
        self.fields = {"csrf_token": token[1], "password": WRONG}
        self.action = urlsplit(urljoin(str(page.url), html.unescape(action[1]))).path
        self.cookies = "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    def guess(self, username: str, address: str, password: str = WRONG) -> int:
        """Send a wrong password and return the status; 0 where no answer came."""
        if self.fields is None:
            self.open_page()
        assert self.fields is not None
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": self.cookies,
            "Origin": self.installation.issuer,
            "X-Forwarded-For": address,
        }
        form = urlencode({**self.fields, "username": username, "password": password})
        began = time.monotonic()
        status, retry_after, text = 0, False, b""
        try:
            connection = self.connection or self._connect()
            connection.request("POST", self.action, form, headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
            retry_after = "Retry-After" in answer.headers
        except (OSError, http.client.HTTPException):
            self.connection = None
        took = time.monotonic() - began
        self.ledger.note(Seen("guess", began, took, status, retry_after, b"Traceback" in text))
        return status

    def _connect(self) -> http.client.HTTPConnection:
        host = urlsplit(self.installation.issuer)
        self.connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=ANSWER_SECONDS)
        return self.connection
