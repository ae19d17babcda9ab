"""A person's browser without JavaScript, in process: cookies, redirects, forms filled by name."""

import base64
import hashlib
import html.parser
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urljoin, urlsplit

from werkzeug.test import Client, TestResponse

from idp.crypto import random_token
from idp.web.gateway import Gateway
from tests.builders import PASSWORD
from tests.cast import Registered

FROM_OUR_PAGE = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
"""What a browser says about its window where a form of our page leads (Fetch Metadata §2)."""


def leads_to(answer: TestResponse) -> str | None:
    """Return where an answer sends a window, by a redirect or by a page of ours that leads on; else None."""
    return answer.headers.get("Location") or answer.headers.get("Refresh", "").partition("0;url=")[2] or None


def _sends(field: Mapping[str, str | None]) -> bool:
    """Tell whether a field is sent although nobody touched it."""
    if not field.get("name") or field.get("type") == "radio":
        return False
    return field.get("type") != "checkbox" or "checked" in field


class _Forms(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.forms.append({**values, "action": values.get("action") or "", "fields": {}})
        elif tag == "input" and self.forms and _sends(values):
            self.forms[-1]["fields"][values["name"]] = values.get("value") or ""


@dataclass
class Browser:
    """One person's browser at the issuer."""

    gateway: Gateway
    client: Client = field(init=False)
    #: where it stands in the network
    address: str | None = None
    page: TestResponse | None = None
    url: str = ""

    def __post_init__(self) -> None:
        self.client = Client(self.gateway)
        self.issuer = self.gateway.server.provider.issuer

    def get(self, path: str, **parameters: str) -> TestResponse:
        """Open an address and follow redirects inside the issuer."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return self._follow("GET", urljoin(self.issuer, path + query), None)

    def submit(self, form: int = 0, /, *, expect_action: str = "", **values: str) -> TestResponse:
        """Fill and send a form of the page shown."""
        assert self.page is not None, "no page is open"
        parser = _Forms()
        parser.feed(self.page.text)
        chosen = [f for f in parser.forms if expect_action in f["action"]][form]
        target = urljoin(self.url, chosen["action"])
        return self._follow("POST", target, {**chosen["fields"], **values})

    def form_for(self, address: str) -> dict[str, Any] | None:
        """Return the form of the page shown that goes to exactly this address, with its attributes."""
        parser = _Forms()
        parser.feed(self.page.text if self.page is not None else "")
        return next((form for form in parser.forms if form["action"] == address), None)

    def post(self, path: str, values: Mapping[str, str], **headers: str) -> TestResponse:
        """Send a form as our own page does."""
        return self._follow("POST", urljoin(self.issuer, path), dict(values), headers)

    def post_from(self, site: str, path: str, values: Mapping[str, str]) -> TestResponse:
        """Send a form that stands on another site: our cookies, SameSite=Lax, do not come with it.

        The redirect that answers it is a GET of the window and carries them again (RFC 6265bis §5.2).
        """
        headers = {"Origin": site, "Sec-Fetch-Site": "cross-site"}
        self.url = urljoin(self.issuer, path)
        self.page = Client(self.gateway).post(
            path, base_url=self.issuer, data=dict(values), headers=headers, environ_base=self._environ
        )
        assert "Set-Cookie" not in self.page.headers, "it would replace a cookie that was kept back"
        location = self.page.headers.get("Location")
        return self._follow("GET", urljoin(self.url, location), None) if location else self.page

    def sign_in(self, username: str = "anna", password: str = PASSWORD) -> TestResponse:
        """Fill the sign-in page that is shown."""
        return self.submit(expect_action="/login", username=username, password=password)

    @property
    def _environ(self) -> dict[str, str] | None:
        return {"REMOTE_ADDR": self.address} if self.address else None

    def _follow(
        self, method: str, url: str, data: Mapping[str, str] | None, headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        sent = (FROM_OUR_PAGE if method == "POST" else {}) | dict(headers or {})
        for _ in range(12):
            parts = urlsplit(url)
            origin = {"Origin": self.issuer} if method == "POST" else {}
            answer = self.client.open(
                parts.path,
                method=method,
                query_string=parts.query,
                base_url=self.issuer,
                data=data,
                headers=origin | sent,
                environ_base=self._environ,
            )
            self.page, self.url = answer, url
            location = leads_to(answer)
            if location is None:
                return answer
            url, method, data = urljoin(url, location), "GET", None
            if not url.startswith(self.issuer + "/"):
                self.url = url
                return answer
        raise AssertionError(f"too many redirects, last to {url}")


@dataclass
class Portal:
    """A relying party that a test drives by hand."""

    gateway: Gateway
    registered: Registered
    verifier: str = field(default_factory=random_token)
    #: what its requests say unless a test says otherwise
    always: dict[str, str] = field(default_factory=dict)

    def parameters(self, **changes: str | None) -> dict[str, str]:
        """Return the parameters of an authorization request."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=")
        wanted: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.registered.client_id,
            "redirect_uri": self.registered.redirect_uri,
            "scope": "openid profile email organization permissions",
            "state": "af0ifjsldkj",
            "nonce": "n-0S6_WzA2Mj",
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (wanted | self.always | changes).items() if value is not None}

    def authorize(self, browser: Browser, **changes: str | None) -> TestResponse:
        """Send the browser to the authorization endpoint."""
        return browser.get("/authorize", **self.parameters(**changes))

    def answer(self, browser: Browser) -> dict[str, str]:
        """Return the parameters the browser was sent back with, or is about to post, in whatever mode."""
        form = browser.form_for(self.registered.redirect_uri)
        if form is not None:
            assert (form["method"], form.get("enctype")) == ("post", None)
            return dict(form["fields"])
        assert browser.url.startswith(self.registered.redirect_uri), f"still at {browser.url}"
        parts = urlsplit(browser.url)
        assert not (parts.query and parts.fragment), f"in two places: {browser.url}"
        return dict(parse_qsl(parts.fragment or parts.query))

    def exchange(self, code: str, **changes: str | None) -> TestResponse:
        """Redeem a code."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.registered.redirect_uri,
            "code_verifier": self.verifier,
        }
        return self.call("/token", form | changes)

    def tokens(self, browser: Browser, **changes: str | None) -> dict[str, Any]:
        """Redeem the code the browser came back with."""
        answer = self.exchange(self.answer(browser)["code"], **changes)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.get_json()
        return tokens

    def sign_in(self, browser: Browser, username: str = "anna", **changes: str | None) -> dict[str, Any]:
        """Walk the whole way for a person with a password alone."""
        self.authorize(browser, **changes)
        if not browser.url.startswith(self.registered.redirect_uri):
            browser.sign_in(username)
        return self.tokens(browser)

    def refresh(self, token: str, **changes: str | None) -> TestResponse:
        """Use a refresh token."""
        return self.call("/token", {"grant_type": "refresh_token", "refresh_token": token, **changes})

    def call(self, path: str, form: Mapping[str, str | None]) -> TestResponse:
        """Call a machine endpoint with this client's credentials."""
        return self.call_from(None, path, form)

    def call_from(self, address: str | None, path: str, form: Mapping[str, str | None]) -> TestResponse:
        """Call it from an address of the network."""
        sent = {name: value for name, value in form.items() if value is not None}
        headers = self.headers("POST", path)
        if self.registered.secret is None:
            sent["client_id"] = self.registered.client_id
        else:
            headers["Authorization"] = basic(self.registered.client_id, self.registered.secret)
        issuer = self.gateway.server.provider.issuer
        environ = {"REMOTE_ADDR": address} if address else {}
        return Client(self.gateway).post(
            path, base_url=issuer, data=sent, headers=headers, environ_base=environ
        )

    def userinfo(self, access_token: str) -> TestResponse:
        """Ask the userinfo endpoint."""
        issuer = self.gateway.server.provider.issuer
        headers = {"Authorization": f"Bearer {access_token}"}
        return Client(self.gateway).get("/userinfo", base_url=issuer, headers=headers)

    def headers(self, method: str, path: str) -> dict[str, str]:
        """Return what a request needs besides credentials."""
        return {}


def basic(client_id: str, secret: str) -> str:
    """Return HTTP Basic credentials."""
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def claims(token: str) -> dict[str, Any]:
    """Return the payload of a JWT without verifying it."""
    part = token.split(".")[1]
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content


def query(location: str) -> dict[str, list[str]]:
    """Return the query of an address."""
    return parse_qs(urlsplit(location).query)


def names(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of pairs."""
    return [name for name, _ in pairs]
