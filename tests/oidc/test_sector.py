"""Sectors of clients, and the documents that say who belongs to one (OIDC Core §8.1; req 32, 38)."""

import json
from collections.abc import Iterator

import pytest

from idp.oidc.sector import document_problem, sector_of
from idp.settings import Settings
from idp.settings.models import Egress
from tests.key_site import KeySite, key_site

CALLBACKS = ["https://a.example/callback", "https://b.example/callback"]


@pytest.fixture
def site() -> Iterator[KeySite]:
    with key_site() as served:
        yield served


@pytest.mark.parametrize(
    ("uri", "redirect_uris", "sector"),
    [
        (None, CALLBACKS[:1], "a.example"),
        (None, ["https://a.example:8443/x", "https://a.example/y"], "a.example"),
        (None, CALLBACKS, None),
        (None, [], None),
        (None, ["com.example.app:/callback"], None),
        (None, ["http://[::1]/callback"], "::1"),
        ("https://sector.example/all.json", CALLBACKS, "sector.example"),
        ("https://sector.example/all.json", [], "sector.example"),
    ],
)
def test_the_sector_is_one_host(uri: str | None, redirect_uris: list[str], sector: str | None) -> None:
    """Of the sector's document where there is one, else of all redirect URIs; the port is no part of it."""
    assert sector_of(uri, redirect_uris) == sector


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CALLBACKS, None),
        ([*CALLBACKS, "https://c.example/", 7], None),
        (CALLBACKS[:1], "https://b.example/callback is not in it"),
        ([], "https://a.example/callback is not in it"),
        ({"redirect_uris": CALLBACKS}, "must be the address of a JSON array"),
        (None, "must be the address of a JSON array"),
        (b"[", "must be the address of a JSON array"),
        (b"[" * 100_000, "must be the address of a JSON array"),
        (json.dumps(CALLBACKS).encode() + b" " * 300_000, "could not be read"),
    ],
    ids=str,
)
def test_the_document_holds_every_redirect_uri(
    settings: Settings, site: KeySite, content: object, words: str | None
) -> None:
    """Byte for byte; anything else refuses the registration (oidcc-registration-sector-bad)."""
    site.content = content
    local = settings.model_copy(update={"egress": Egress(allow_loopback=True)})
    problem = document_problem(local, site.uri, CALLBACKS)
    assert (problem is None) == (words is None), problem
    assert (words or "") in (problem or "")


@pytest.mark.enable_socket
def test_what_does_not_answer_or_must_not_be_asked(settings: Settings, site: KeySite) -> None:
    """A status that is no success, a redirect, and an address the egress guard refuses (req 32, C9)."""
    site.content = CALLBACKS
    local = settings.model_copy(update={"egress": Egress(allow_loopback=True)})
    for status in (404, 302, 500):
        site.status = status
        assert "must be the address" in str(document_problem(local, site.uri, CALLBACKS))
    site.hits.clear()
    assert "could not be read" in str(document_problem(settings, site.uri, CALLBACKS))
    assert site.hits == []


def test_a_client_without_redirect_uris_has_no_sector(settings: Settings, site: KeySite) -> None:
    """An empty list of them is in every document: it would be let into anybody's sector (OIDC Core §8.1)."""
    site.content = CALLBACKS
    local = settings.model_copy(update={"egress": Egress(allow_loopback=True)})
    assert "redirect URIs" in str(document_problem(local, site.uri, []))
    assert site.hits == []
