"""One connection that fills in pages or asks userinfo, and says how long each answer took."""

import http.client
import time
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from tests.attacks.visitor import forms_of


class PageClient:
    """A browser's share of a measurement: cookies, a form's token, and a connection that stays open."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._connection = http.client.HTTPConnection(urlsplit(issuer).netloc, timeout=30)
        self._cookies: dict[str, str] = {}
        self._action = ""
        self._fields: dict[str, str] = {}
        #: where the last answer leads
        self.location = ""

    def open(self, path: str, field: str) -> float:
        """Open a page and keep the form that has this field; returns milliseconds."""
        _, text, took = self._send("GET", path)
        form = next(found for found in forms_of(text) if field in found.fields)
        self._action, self._fields = form.action or path, form.fields
        return took

    def submit(self, **typed: str) -> tuple[int, float]:
        """Send the form that was opened last; returns status and milliseconds."""
        headers = {"Origin": self._issuer, "Sec-Fetch-Site": "same-origin"}
        status, _, took = self._send("POST", self._action, self._fields | typed, headers)
        return status, took

    def userinfo(self, token: str) -> tuple[int, float]:
        """Ask about the person of a token; returns status and milliseconds."""
        status, _, took = self._send("POST", "/userinfo", {"access_token": token})
        return status, took

    def _send(
        self,
        method: str,
        path: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str, float]:
        body = urlencode(form).encode() if form is not None else None
        sent = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
        sent |= headers or {}
        if self._cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        began = time.perf_counter()
        self._connection.request(method, path, body, sent)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        took = (time.perf_counter() - began) * 1000
        self.location = (answer.getheader("Location") or "").removeprefix(self._issuer)
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, content = value.partition(";")[0].partition("=")
                self._cookies[key] = content
        return answer.status, text, took
