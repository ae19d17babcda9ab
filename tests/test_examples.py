"""The examples of the documentation sign people in, as their pages say."""

import importlib.util
import json
import re
from collections.abc import Iterator
from functools import partial
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
import pytest
import requests
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from click.testing import CliRunner
from flask.testing import FlaskClient

from idp.cli import cli
from tests.demo_process import Demo, start
from tests.documents import EXAMPLES, blocks, commands
from tests.infrastructure import _until as until

PORTAL = "http://localhost:5001"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A running demo."""
    running = start(tmp_path_factory.mktemp("demo") / "data")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def credentials(demo: Demo) -> dict[str, str]:
    """What the README's command prints, run against the demo."""
    (command,) = (
        words for page, words in commands() if page == "README.md" and words[:2] == ["client", "create"]
    )
    return _create(demo, command)


def _run(demo: Demo, words: list[str]) -> str:
    """Run a command of the pages against the demo; its own ``--config`` names the reader's folder."""
    result = CliRunner().invoke(cli, ["--config", str(demo.folder / "lotse.toml"), *words])
    assert result.exit_code == 0, result.output
    return result.output


def _create(demo: Demo, words: list[str]) -> dict[str, str]:
    """Register a client and return its credentials once the running provider knows them."""
    made = dict(re.findall(r"^(client_id|client_secret) +(\S+)$", _run(demo, words), re.MULTILINE))
    credentials = (made["client_id"], made["client_secret"])
    address = demo.facts["issuer"] + "/introspect"
    asked = {"auth": credentials, "data": {"token": "any"}}
    assert until(lambda: httpx.post(address, **asked).status_code == 200, seconds=20)
    return made


def _portal(name: str, demo: Demo, made: dict[str, str], patch: pytest.MonkeyPatch) -> FlaskClient:
    """Load an example as its server would and return somebody's browser at it."""
    issuer = demo.facts["issuer"]
    patch.setenv("FLASK_SECRET_KEY", "made up for a test")
    patch.setenv("FLASK_LOTSE_CLIENT_ID", made["client_id"])
    patch.setenv("FLASK_LOTSE_CLIENT_SECRET", made["client_secret"])
    patch.setenv("FLASK_LOTSE_SERVER_METADATA_URL", f"{issuer}/.well-known/openid-configuration")
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    client: FlaskClient = module.app.test_client()
    return client


def _sign_in(portal: FlaskClient, demo: Demo, username: str) -> Any:
    """Go through the sign-in page as a person and return the portal's answer."""
    asked = portal.get("/login", base_url=PORTAL)
    assert "code_challenge_method=S256" in asked.location
    password = demo.person(username)["password"]
    with httpx.Client(timeout=30) as browser:
        page = _follow(browser, browser.get(asked.location))
        answer = _submit(browser, page, username=username, password=password)
        arrived = _follow(browser, answer).headers["Location"]
    return portal.get(arrived.removeprefix(PORTAL), base_url=PORTAL)


def _follow(browser: httpx.Client, answer: httpx.Response) -> httpx.Response:
    """Follow redirects inside the issuer."""
    while answer.is_redirect and not answer.headers["Location"].startswith(PORTAL):
        answer = browser.get(urljoin(str(answer.url), answer.headers["Location"]))
    return answer


def _submit(browser: httpx.Client, page: httpx.Response, **fields: str) -> httpx.Response:
    action = re.search(r'<form[^>]* action="([^"]*)"', page.text)
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)
    assert action is not None, page.text
    assert token is not None, page.text
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(str(page.url)))
    address = urljoin(str(page.url), unescape(action[1]))
    return browser.post(address, data={"csrf_token": token[1], **fields}, headers={"Origin": origin})


def test_the_readme_portal_signs_in(
    demo: Demo, credentials: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command and the code of the README, against a running provider: claims arrive, verified."""
    portal = _portal("portal", demo, credentials, monkeypatch)

    assert portal.get("/", base_url=PORTAL).location == "/login"
    assert _sign_in(portal, demo, "ben").location == "/"
    claims = portal.get("/", base_url=PORTAL).get_json()
    assert claims["iss"] == demo.facts["issuer"]
    assert claims["aud"] == credentials["client_id"]
    assert claims["organization"]["customer_number"] == "100200300"
    assert claims["permissions"] == []
    cancelled = portal.get("/callback?error=access_denied&error_description=<b>", base_url=PORTAL)
    assert (cancelled.status_code, cancelled.get_json()["error"]) == (400, "access_denied")


def test_the_readme_portal_takes_its_algorithm_only(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ID token signed otherwise than registered is refused."""
    redirect = ["--redirect", f"{PORTAL}/callback"]
    made = _create(demo, ["client", "create", "other", *redirect, "--first-party", "--id-token-alg", "RS256"])
    portal = _portal("portal", demo, made, monkeypatch)

    answer = _sign_in(portal, demo, "ben")
    assert answer.status_code == 500
    assert portal.get("/", base_url=PORTAL).location == "/login"


def test_tokens_are_bound_to_a_key_as_the_page_says(demo: Demo) -> None:
    """Command and code of docs/how-to/dpop.md: code, refresh, userinfo, and no use without the key."""
    page = "docs/how-to/dpop.md"
    (command,) = (words for where, words in commands() if where == page)
    client_id = re.findall(r"^client_id +(\S+)$", _run(demo, command), re.MULTILINE)[0]
    (text,) = (text for where, text in blocks("python") if where == page)
    snippet: dict[str, Any] = {}
    exec(compile(text, page, "exec"), snippet)  # noqa: S102  (our own page)
    server = httpx.get(demo.facts["issuer"] + "/.well-known/openid-configuration").json()
    verifier, redirect = "v" * 43, "http://127.0.0.1/callback"
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect,
        "scope": "openid profile",
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
        "dpop_jkt": snippet["key"].thumbprint(),
    }
    address = f"{server['authorization_endpoint']}?{urlencode(query)}"
    assert until(lambda: httpx.get(address).status_code == 303, seconds=20)
    with httpx.Client(timeout=30) as browser:
        page_shown = browser.get(address, follow_redirects=True)
        person = demo.person("ben")
        answer = _submit(browser, page_shown, username="ben", password=person["password"])
        while not answer.headers["Location"].startswith(redirect):
            answer = browser.get(urljoin(str(answer.url), answer.headers["Location"]))
    code = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))["code"]
    tokens = snippet["tokens"](server, client_id, code, verifier, redirect)
    tokens = snippet["refreshed"](server, client_id, tokens["refresh_token"])
    assert tokens["token_type"] == "DPoP"
    assert snippet["nonce"] is not None
    snippet["nonce"] = "stale"
    assert snippet["userinfo"](server, tokens["access_token"])["given_name"] == "Ben"
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert httpx.get(server["userinfo_endpoint"], headers=bearer).status_code == 401


def _answer(status: int, **body: object) -> requests.Response:
    made = requests.Response()
    made.status_code, made._content = status, json.dumps(body).encode()
    return made


def test_a_device_goes_on_while_the_server_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of docs/how-to/device.md: what its table says, then the tokens; a refusal ends it."""
    page = "docs/how-to/device.md"
    (text,) = (text for where, text in blocks("python") if where == page)
    snippet: dict[str, Any] = {}
    exec(compile(text, page, "exec"), snippet)  # noqa: S102  (our own page)
    answers: list[requests.Response | Exception] = [
        _answer(400, error="authorization_pending"),
        _answer(400, error="slow_down"),
        requests.ConnectionError(),
        requests.Timeout(),
        _answer(503, error="temporarily_unavailable"),
        _answer(429, error="temporarily_unavailable"),
        _answer(200, access_token="made up"),
        _answer(400, error="access_denied"),
    ]

    def post(_address: str, **_given: object) -> requests.Response:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    waited: list[float] = []
    monkeypatch.setattr("requests.post", post)
    monkeypatch.setattr("time.sleep", waited.append)
    codes = {"interval": 5, "expires_in": 600, "device_code": "made up"}
    poll = partial(snippet["poll"], {"token_endpoint": "https://login.example.de/token"}, "till")
    assert poll(codes) == {"access_token": "made up"}
    assert waited == [5, 5, 10, 20, 40, 60, 60]
    with pytest.raises(RuntimeError, match="access_denied"):
        poll(codes)
    with pytest.raises(RuntimeError, match="expired_token"):
        poll(codes | {"expires_in": 0})


def test_the_tutorial_works(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands in their order, then its portal: a name, permissions, a refusal in words, sign-out."""
    tutorial = "docs/tutorials/first-portal.md"
    monkeypatch.chdir(tmp_path)
    (catalogue,) = (text for page, text in blocks("toml") if page == tutorial)
    Path("portal.toml").write_text(catalogue)
    create, *others, block, unblock = (words for page, words in commands() if page == tutorial)
    made = _create(demo, create)
    for words in others:
        _run(demo, words)
    portal = _portal("portal_with_sign_out", demo, made, monkeypatch)

    assert _sign_in(portal, demo, "ben").location == "/"
    home = portal.get("/", base_url=PORTAL).text
    assert "Hello Ben Brandt" in home
    assert "Support requests" in home
    assert portal.get("/requests", base_url=PORTAL).status_code == 200
    left = portal.post("/logout", base_url=PORTAL)
    arrived = httpx.get(left.location, follow_redirects=False)
    assert arrived.headers["Location"].startswith(f"{PORTAL}/signed-out")
    assert "Hello" not in portal.get("/", base_url=PORTAL).text

    assert _sign_in(portal, demo, "paul").location == "/"
    assert "Support requests" not in portal.get("/", base_url=PORTAL).text
    assert portal.get("/requests", base_url=PORTAL).status_code == 403
    refused = portal.get("/callback?error=access_denied", base_url=PORTAL)
    assert refused.status_code == 400
    assert "access_denied" in refused.text
    with monkeypatch.context() as patch:
        lotse = portal.application.extensions["authlib.integrations.flask_client"].lotse
        patch.setattr(lotse, "userinfo", lambda **_: {"sub": "somebody else", "name": "Eve"})
        assert _sign_in(portal, demo, "ben").status_code == 400
        assert "Hello Paul" in portal.get("/", base_url=PORTAL).text

    assert "Ended with it:" in _run(demo, block)
    with pytest.raises(KeyError, match="Location"):  # a page at the provider, no way back to the portal
        _sign_in(portal, demo, "ben")
    _run(demo, unblock)  # the README goes on with him
    assert _sign_in(portal, demo, "ben").location == "/"
