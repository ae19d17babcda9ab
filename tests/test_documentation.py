"""Documentation that cannot go stale: links, commands, settings, lists and examples are checked here."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest

from idp.audit.events import Event
from idp.cli import cli
from idp.db import Base
from idp.management.documents import FIELDS
from idp.migrations import HEAD
from idp.oidc.claims import CLAIMS_SUPPORTED
from idp.oidc.client_keys import MEDIA_TYPES
from idp.settings import load_settings
from idp.settings.loading import known_keys
from idp.web.gateway import Gateway
from tests.documents import BLOCK, EXAMPLES, ROOT, blocks, commands, pages
from tools import apply_reference, event_reference

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors a reader of a page can be led to."""
    titles = _HEADING.findall(BLOCK.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_relative_link_leads_somewhere() -> None:
    """Files exist, and headings that a link names."""
    lost = []
    for page in pages():
        for target in _LINK.findall(BLOCK.sub("", page.read_text("utf-8"))):
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
    for name in ("lotse.toml", "portal.toml", "old-portal.toml", "accounts.csv", "ca.pem", "jwks.json"):
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


ID_TOKENS_ALGORITHM = re.compile(
    r'ID token with ES256|"id_token_signing_alg_values_supported"\] = \["ES256"\]'
)
"""As a word about ID tokens: proofs and assertions have algorithms of their own."""


def test_every_snippet_names_the_algorithm_of_id_tokens() -> None:
    """Code, registrations by file and by command: a reader copies none that would take whatever comes."""
    code = [(page, text) for page, text in blocks("python", "js", "mjs") if PEOPLES_TOKENS.search(text)]
    code += [(file.name, file.read_text("utf-8")) for file in sorted(EXAMPLES.glob("*.py"))]
    assert len(code) >= 6
    assert [place for place, text in code if not ID_TOKENS_ALGORITHM.search(text)] == []
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
        if {"client", "catalogue", "organization", "legacy_directory", "product_family"} & set(found):
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


def test_an_event_that_is_shown_and_never_written_is_marked() -> None:
    """The activity page sorts events that no code writes; that writes none."""
    rows = event_reference.reference().splitlines()

    assert [row.endswith("| later |") for row in rows if "`authorization.refused`" in row] == [True]


def test_the_revision_in_the_pages_is_the_newest() -> None:
    """What ``idp db`` is shown to print is what it prints; decisions tell of their own time."""
    shown = [
        (page, revision)
        for page, text in blocks("console")
        for revision in re.findall(r"(?:revision|needs) (\d{4})\b", text, re.IGNORECASE)
    ]
    assert len(shown) >= 4
    assert [found for found in shown if found[1] != HEAD] == []


def test_the_file_of_apply_is_explained() -> None:
    """A new field needs ``python tools/apply_reference.py``, and a sentence there."""
    assert apply_reference.TARGET.read_text("utf-8") == apply_reference.reference()
    explained = {table: tuple(fields) for table, fields in apply_reference.MEANINGS.items()}
    assert explained == dict(FIELDS)


def test_every_claim_is_explained() -> None:
    """The claims reference names what discovery names."""
    page = (ROOT / "docs/reference/claims.md").read_text("utf-8")

    assert [claim for claim in CLAIMS_SUPPORTED if f"`{claim}`" not in page] == []


def test_the_media_types_of_published_keys_are_named() -> None:
    """A portal whose ``jwks_uri`` answers as another type has its keys refused."""
    page = (ROOT / "docs/how-to/sign-as-a-client.md").read_text("utf-8")

    assert [media_type for media_type in MEDIA_TYPES if f"`{media_type}`" not in page] == []


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
