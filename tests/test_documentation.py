"""Documentation that cannot go stale: links, commands, settings, lists and examples are checked here."""

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from html import unescape
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import click
import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from click.testing import CliRunner
from flask.testing import FlaskClient

from idp.audit.events import Event
from idp.cli import cli
from idp.db import Base
from idp.migrations import HEAD
from idp.oidc.claims import CLAIMS_SUPPORTED
from idp.settings import load_settings
from idp.settings.loading import known_keys
from idp.web.gateway import Gateway
from tests.demo_process import Demo, start
from tests.infrastructure import _until as until
from tools import event_reference

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
PORTAL = "http://localhost:5001"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@cache
def pages() -> list[Path]:
    """Return every page of documentation."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")])


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    """Yield page and text of each code block in one of some languages."""
    for page in pages():
        for language, text in _BLOCK.findall(page.read_text("utf-8")):
            if language in languages:
                yield str(page.relative_to(ROOT)), text


def commands() -> list[tuple[str, list[str]]]:
    """Return page and words of each ``idp`` command in the code blocks."""
    found = []
    for page, text in blocks("console", "sh", "bash"):
        for line in text.replace("\\\n", " ").splitlines():
            typed = line.removeprefix("$ ")
            if typed is line and line.startswith(("#", " ")):
                continue
            words = shlex.split(typed, comments=True) if "idp " in typed else []
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words.pop(0)
            if words and words[0] == "idp":
                found.append((page, words[1:]))
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors a reader of a page can be led to."""
    titles = _HEADING.findall(_BLOCK.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_relative_link_leads_somewhere() -> None:
    """Files exist, and headings that a link names."""
    lost = []
    for page in pages():
        for target in _LINK.findall(_BLOCK.sub("", page.read_text("utf-8"))):
            if urlsplit(target).scheme:
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists() or (anchor and anchor not in anchors(file)):
                lost.append(f"{page.relative_to(ROOT)}: {target}")

    assert len(pages()) > 20
    assert lost == []


def command_problem(words: list[str]) -> str | None:
    """Return what is wrong with a command line, or None; nothing is run."""
    command: click.Command | None = cli
    parent, name, rest = None, "idp", list(words)
    try:
        while command is not None:
            parent = command.make_context(name, rest, parent=parent)
            if not isinstance(command, click.Group):
                return None
            found, command, rest = command.resolve_command(parent, [*parent._protected_args, *parent.args])
            name = found or ""
    except click.ClickException as error:
        return f"idp {' '.join(words)}: {error.format_message()}"
    return "no command"


def test_every_command_exists_with_its_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in the pages are parsed by the command line itself."""
    monkeypatch.chdir(tmp_path)
    for name in ("lotse.toml", "portal.toml", "ca.pem", "jwks.json"):
        (tmp_path / name).touch()
    (tmp_path / "demo-data").mkdir()
    (tmp_path / "demo-data" / "lotse.toml").touch()
    problems = [f"{page}: {problem}" for page, words in commands() if (problem := command_problem(words))]

    assert len(commands()) > 20
    assert problems == []


@pytest.mark.parametrize("words", [["client", "crate", "x"], ["keys", "list", "--jsn"], ["nothing"]])
def test_a_command_that_does_not_exist_is_found(words: list[str]) -> None:
    """The check above can fail."""
    assert command_problem(words) is not None


PEOPLES_TOKENS = re.compile(r"authorization_code|device_code|authorize_access_token|id_token")
"""What a block of code holds that gets or reads tokens of people."""


def test_every_snippet_names_the_algorithm_of_id_tokens() -> None:
    """Code, registrations by file and by command: a reader copies none that would take whatever comes."""
    code = [(page, text) for page, text in blocks("python", "js", "mjs") if PEOPLES_TOKENS.search(text)]
    code += [(file.name, file.read_text("utf-8")) for file in sorted(EXAMPLES.glob("*.py"))]
    assert len(code) >= 6
    assert [place for place, text in code if "ES256" not in text] == []
    registered = [
        (page, client)
        for page, text in blocks("toml")
        for client in tomllib.loads(text).get("client", ())
        if "redirect_uris" in client
    ]
    assert len(registered) >= 2
    assert [page for page, client in registered if "id_token_signed_response_alg" not in client] == []
    created = [
        (page, words)
        for page, words in commands()
        if ("client", "create") in pairwise(words) and "machine" not in words
    ]
    assert len(created) >= 10
    assert [place for place in created if "--id-token-alg" not in place[1]] == []


def test_settings_in_the_pages_are_settings(tmp_path: Path) -> None:
    """Blocks of settings load without a problem; other TOML is TOML."""
    for page, text in blocks("toml"):
        found = tomllib.loads(text)
        if {"client", "catalogue", "organization"} & set(found):
            continue
        file = tmp_path / "lotse.toml"
        file.write_text(text)
        assert load_settings(file, environ={}), page


def test_variables_in_the_pages_are_settings() -> None:
    """``LOTSE_SECTION__KEY`` names a key that exists."""
    known = {"LOTSE_" + key.upper().replace(".", "__") for key in known_keys()}
    named = {
        name
        for page in pages()
        for name in re.findall(r"\bLOTSE_[A-Z_]*[A-Z]\b", page.read_text("utf-8"))
        if not name.startswith("LOTSE_TEST_")
    }

    assert named - known - {"LOTSE_CONFIG", "LOTSE_SECTION__KEY"} == set()


def test_python_in_the_pages_compiles() -> None:
    """Each block, and the first one of the README is the tested example."""
    found = list(blocks("python"))
    for page, text in found:
        compile(text, page, "exec")
    example = (EXAMPLES / "portal.py").read_text("utf-8").partition('"""\n\n')[2]

    assert ("README.md", example) in found


def test_the_list_of_events_is_current() -> None:
    """A new event needs ``python tools/event_reference.py``."""
    assert event_reference.TARGET.read_text("utf-8") == event_reference.reference()
    assert set(event_reference.MEANINGS) == set(Event)


def test_the_revision_in_the_pages_is_the_newest() -> None:
    """What ``idp db`` is shown to print is what it prints; decisions tell of their own time."""
    shown = [
        (page, revision)
        for page, text in blocks("console")
        for revision in re.findall(r"(?:revision|needs) (\d{4})\b", text, re.IGNORECASE)
    ]
    assert len(shown) >= 4
    assert [found for found in shown if found[1] != HEAD] == []


def test_every_claim_is_explained() -> None:
    """The claims reference names what discovery names."""
    page = (ROOT / "docs/reference/claims.md").read_text("utf-8")

    assert [claim for claim in CLAIMS_SUPPORTED if f"`{claim}`" not in page] == []


def test_every_table_has_its_class_of_data() -> None:
    """How it lies there, who reads it, how long it is kept (req 112); what is sealed is said to be."""
    page = (ROOT / "docs/explanation/security.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and line.count("|") == 6]
    of_table = {name: row for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[2])}
    assert set(of_table) == set(Base.metadata.tables)
    for name, table in Base.metadata.tables.items():
        if any(column.info for column in table.columns):
            assert "sealed" in of_table[name], name
    assert all(f"`{key}`" in page for key in known_keys() if key.startswith("retention."))


def test_every_endpoint_is_listed(gateway: Gateway) -> None:
    """The endpoint reference names each path that answers."""
    page = (ROOT / "docs/reference/endpoints.md").read_text("utf-8")
    pages_application: Any = gateway._pages
    rules = {rule.rule for rule in pages_application.__self__.url_map.iter_rules()}
    paths = rules | set(gateway._dispatcher._allowed)

    assert len(paths) > 20
    assert sorted(path for path in paths if f"`{path}`" not in page) == []


# -- the examples sign in


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


def test_the_tutorial_works(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands in their order, then its portal: a name, permissions, a refusal in words, sign-out."""
    tutorial = "docs/tutorials/first-portal.md"
    monkeypatch.chdir(tmp_path)
    (catalogue,) = (text for page, text in blocks("toml") if page == tutorial)
    Path("portal.toml").write_text(catalogue)
    create, *others, block = (words for page, words in commands() if page == tutorial)
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

    assert "Ended with it:" in _run(demo, block)
    with pytest.raises(KeyError, match="Location"):  # a page at the provider, no way back to the portal
        _sign_in(portal, demo, "ben")
    _run(demo, ["organization", "unblock-member", "100200300", "ben"])
