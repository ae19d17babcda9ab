"""A demo with a client for libraries of others, and a person who signs in there without a browser."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.demo_process import Demo, start

CALLBACK = "http://localhost:9/callback"
SIGNED_OUT = "http://localhost:9/signed-out"


class Person:
    """Follows redirects until they leave the issuer, and fills the forms it is shown."""

    def __init__(self, demo: Demo, username: str) -> None:
        self.issuer: str = demo.facts["issuer"]
        self.password: str = demo.person(username)["password"]
        self.username = username
        self._http = httpx.Client(timeout=30)

    def __enter__(self) -> "Person":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def visit(self, address: str) -> str:
        """Open an address and sign in where asked; returns where the issuer sends the person to."""
        page = self._http.get(address)
        while True:
            if page.is_redirect:
                target = urljoin(str(page.url), page.headers["Location"])
                if not target.startswith(self.issuer + "/"):
                    return target
                page = self._http.get(target)
            else:
                assert page.status_code == 200, page.text
                page = self._submit(page)

    def _submit(self, page: httpx.Response) -> httpx.Response:
        forms = re.findall(r'<form[^>]* action="([^"]*)".*?</form>', page.text, re.DOTALL)
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)
        assert forms, page.text
        assert token is not None, page.text
        fields = {"csrf_token": token[1], "username": self.username, "password": self.password}
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(str(page.url)))
        target = urljoin(str(page.url), forms[0].replace("&amp;", "&"))
        return self._http.post(target, data=fields, headers={"Origin": origin})


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo with the clients ``probe`` and ``probe-public``."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    running = start(folder, "--client-redirect", CALLBACK, "--client-logout-redirect", SIGNED_OUT)
    yield running
    running.stop()


@pytest.fixture
def ben(demo: Demo) -> Iterator[Person]:
    """Somebody with a password and no second factor, in a browser of his own."""
    with Person(demo, "ben") as person:
        yield person


@pytest.fixture
def secrets(demo: Demo) -> dict[str, str | None]:
    """The secret of each client."""
    return {client["client_id"]: client["client_secret"] for client in demo.facts["clients"]}
