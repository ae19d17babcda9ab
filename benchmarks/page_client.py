"""One connection that fills in the sign-in page or asks userinfo, and says how long each answer took."""

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
        self._fields: dict[str, str] = {}

    def open_sign_in(self) -> None:
        """Open the sign-in page and keep its form."""
        _, text, _ = self._send("GET", "/login")
        form = next(found for found in forms_of(text) if "password" in found.fields)
        self._fields = form.fields

    def sign_in(self, username: str, password: str) -> tuple[int, float]:
        """Send the form; returns status and milliseconds."""
        fields = self._fields | {"username": username, "password": password}
        headers = {"Origin": self._issuer, "Sec-Fetch-Site": "same-origin"}
        status, _, took = self._send("POST", "/login", fields, headers)
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
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, content = value.partition(";")[0].partition("=")
                self._cookies[key] = content
        return answer.status, text, took
