"""Somebody's browser as an attacker may use it: every cookie, header and hidden field can be changed."""

import html.parser
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.attacks.live import FORM, ISSUER, Answer, Live, Pairs, absolute, target_of
from tests.builders import PASSWORD

SAME_ORIGIN = {"Origin": ISSUER, "Sec-Fetch-Site": "same-origin"}


@dataclass
class Form:
    """A form of a page with what is sent if nobody types anything."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    #: what its named buttons would send, in their order
    buttons: list[dict[str, str]] = field(default_factory=list)

    @property
    def pressed(self) -> dict[str, str]:
        """What is sent when the first button is pressed."""
        return self.fields | (self.buttons[0] if self.buttons else {})


class _FormReader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif tag == "input" and self.forms and values.get("type") not in ("radio", "checkbox"):
            self.forms[-1].fields[values.get("name", "")] = values.get("value", "")
        elif tag == "button" and self.forms and values.get("formaction"):  # sends the form elsewhere
            self.forms.append(Form(values["formaction"], self.forms[-1].fields))
        elif tag == "button" and self.forms and values.get("name"):
            self.forms[-1].buttons.append({values["name"]: values.get("value", "")})


class _AddressReader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in _ADDRESSES]


_ADDRESSES = frozenset({"href", "src", "action", "formaction", "srcset", "data", "poster", "content"})


def leads_outside(page: str, base: str = "/") -> set[str]:
    """Return the addresses outside of the issuer that a page links, loads or sends to."""
    reader = _AddressReader()
    reader.feed(page)
    whole = {absolute(found, base) for found in reader.found}
    return {found for found in whole if not found.startswith(ISSUER + "/")}


def forms_of(page: str) -> list[Form]:
    """Return the forms of a page."""
    reader = _FormReader()
    reader.feed(page)
    return reader.forms


@dataclass
class Visitor:
    """One browser; it follows redirects only inside the issuer."""

    live: Live
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    page: Answer | None = None

    def get(self, target: str, **parameters: str) -> Answer:
        """Open an address and follow where it leads inside the issuer."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return self._follow(self.once("GET", target + query))

    def post(self, target: str, fields: Mapping[str, str] | Pairs, **headers: str) -> Answer:
        """Send a form as our own page does, and follow."""
        return self._follow(self.post_once(target, fields, SAME_ORIGIN | headers))

    def post_once(
        self, target: str, fields: Mapping[str, str] | Pairs, headers: Mapping[str, str] = SAME_ORIGIN
    ) -> Answer:
        """Send a form and stay at its answer."""
        return self.once("POST", target, urlencode(fields).encode(), FORM | dict(headers))

    def submit(self, action: str = "", /, **values: str) -> Answer:
        """Fill in and send the first form whose action holds *action*."""
        chosen = self.form(action)
        return self.post(target_of(absolute(chosen.action, self._at)), chosen.pressed | values)

    def form(self, action: str = "") -> Form:
        """Return the first form of the page whose action holds *action*."""
        assert self.page is not None
        return next(form for form in forms_of(self.page.text) if action in form.action)

    def sign_in(self, username: str = "anna", password: str = PASSWORD) -> Answer:
        """Fill in the sign-in page that is shown."""
        return self.submit("/login", username=username, password=password)

    def once(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request with this browser's cookies and keep those that are set."""
        sent = {**self.headers, **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.live.send(method, target, body=body, headers=sent)
        for name, value in answer.cookies().items():
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        self.page = answer
        return answer

    @property
    def _at(self) -> str:
        return self.page.url if self.page else "/"

    def _follow(self, answer: Answer) -> Answer:
        for _ in range(12):
            location = answer.location
            if location is None or not absolute(location, answer.url).startswith(ISSUER + "/"):
                return answer
            answer = self.once("GET", target_of(absolute(location, answer.url)))
        raise AssertionError(f"too many redirects, last from {answer.url}")
