"""Who walks, and the browsers they walk with: each form is read from its page, each POST is judged."""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from werkzeug.test import Client, TestResponse

from tests.web.pages.house import REDIRECT, Browser

if TYPE_CHECKING:
    from tests.walker.world import World

_TAG = re.compile(r"<(input|button|textarea)\b([^>]*)>")
_DRAWN = re.compile(r'<code id="recovery-string">(.*?)</code>', re.DOTALL)
_HOME = "http://localhost:8001/"


@dataclass(frozen=True)
class Form:
    """A form of a page."""

    action: str
    hidden: dict[str, str]
    #: names of what a person fills in, ticks or presses, with the value a button or tick sends
    entries: dict[str, str]


@dataclass(frozen=True)
class Sent:
    """A form that was sent."""

    address: str
    data: dict[str, str]

    @property
    def path(self) -> str:
        """The address without its query."""
        return urlsplit(self.address).path

    @property
    def flow(self) -> str:
        """The flow that the address names, or nothing."""
        return flow_of(self.address)


@dataclass
class Party:
    """Somebody: the owner of the account, or who has one thing of hers."""

    name: str
    reads_mail: bool = False
    passwords: list[str] = field(default_factory=list)
    recoveries: list[str] = field(default_factory=list)
    visitors: list["Visitor"] = field(default_factory=list)

    @property
    def is_owner(self) -> bool:
        """Whether the account is this party's."""
        return self.name == "owner"


class Visitor(Browser):
    """A browser of a party: what it sends is judged before it goes on."""

    def __init__(self, world: "World", party: Party, ip: str) -> None:
        super().__init__(world.house)
        self.world, self.party = world, party
        self.client = Client(_from(ip, world))
        self.sent: list[Sent] = []
        self.places: list[str] = []
        #: the second factor is spared here
        self.remembered = False
        #: flows of requests that demand two factors
        self.demanding: set[str] = set()
        party.visitors.append(self)
        self.page = TestResponse([], "200 OK", {}, None)  # type: ignore[arg-type]

    @property
    def sid(self) -> str | None:
        """The value of the session's cookie."""
        return self.cookie("sid")

    def get(self, address: str, *, follow: bool = True) -> TestResponse:
        """Open an address."""
        super().get(address, follow=False)
        if _demands_two(address):
            self.demanding.add(flow_of(self.page.headers.get("Location", "")))
        return self._follow() if follow else self.page

    def post(
        self,
        address: str,
        data: dict[str, str],
        *,
        follow: bool = True,
        headers: dict[str, str] | None = None,
    ) -> TestResponse:
        """Send a form; what it did is judged at once."""
        sent, before = Sent(address, data), self.sid
        super().post(address, data, follow=False, headers=headers)
        self.sent.append(sent)
        self.world.judge(self, sent, before)
        return self._follow() if follow else self.page

    def fill_in(self, form: Form, **entries: str) -> TestResponse:
        """Send a form with its hidden fields."""
        wanted = {name: value for name, value in entries.items() if name in form.entries}
        return self.post(form.action or self.address, form.hidden | wanted)

    def form(self, *names: str) -> Form | None:
        """Return the page's first form with all these fields."""
        return next((form for form in self.forms() if set(names) <= set(form.entries)), None)

    def forms(self) -> list[Form]:
        """Return the page's forms."""
        if self.page.mimetype != "text/html":
            return []
        return list(_forms(self.text))

    @property
    def drawn(self) -> str | None:
        """The recovery password that the page shows."""
        found = _DRAWN.search(self.text)
        return None if found is None else html.unescape(re.sub(r"<[^>]*>", "", found[1]))

    def _follow(self) -> TestResponse:
        for _ in range(12):
            location = self.page.headers.get("Location")
            if location is None or location.startswith((REDIRECT, _HOME)):
                self._note()
                return self.page
            assert location.startswith("/") or location.startswith(self.origin), f"left for {location} (C8)"
            self.address = location.removeprefix(self.origin)
            self.page = self.client.get(self.address, base_url=self.origin, headers=self.extra)
        raise AssertionError(f"too many redirects, last to {self.address}")

    def _note(self) -> None:
        if self.address not in self.places:
            self.places.append(self.address)
        if self.page.mimetype == "text/html" and self.drawn:
            self.world.drawn.append(self.drawn)
        demanded = _demands_two(self.address) or flow_of(self.address) in self.demanding - {""}
        if demanded and "code" in self.arrived:
            self.world.judge_two_factors(self)


def flow_of(address: str) -> str:
    """Return the flow that an address names in its query or as a part of its path, or nothing."""
    parts = urlsplit(address)
    named = parse_qs(parts.query).get("flow", [""])[0]
    found = re.search(r"/([A-Za-z0-9_-]{43})(?:/|$)", parts.path)
    return named or (found[1] if found else "")


def _demands_two(address: str) -> bool:
    return address.startswith("/authorize?") and "essential" in address


def attribute(tag: str, name: str) -> str:
    """Return the value of a tag's attribute, or nothing."""
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""


def _forms(page: str) -> Iterable[Form]:
    for head, body in re.findall(r"<form([^>]*)>(.*?)</form>", page, re.DOTALL):
        hidden, entries = {}, {}
        for _, tag in _TAG.findall(body):
            name, value = attribute(tag, "name"), attribute(tag, "value")
            if attribute(tag, "type") == "hidden":
                hidden[name] = value
            elif name:
                entries.setdefault(name, value)
        yield Form(attribute(head, "action"), hidden, entries)


def _from(ip: str, world: "World") -> Any:
    """Return the installation as it is seen from an address, with an eye on what it answers."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        def noting(status: str, *rest: Any) -> Any:
            world.answers.append((environ["PATH_INFO"], int(status[:3])))
            return start_response(status, *rest)

        return world.house.app(environ | {"REMOTE_ADDR": ip}, noting)

    return app
