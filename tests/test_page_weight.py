"""The sign-in page's budget, without a browser: what its HTML names, compressed (screens §2.2, design §6)."""

import gzip
import html.parser

from werkzeug.test import Client

from idp.web.gateway import Gateway

KILOBYTE = 1024
BUDGETS = {".css": 12, ".js": 6, ".woff2": 36, ".svg": 1}


class _Named(html.parser.HTMLParser):
    """Collects the addresses a browser loads with the page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = values.get("href") if tag == "link" else values.get("src")
        if address:
            self.addresses.add(address)


def test_sign_in_page_keeps_its_budget(gateway: Gateway) -> None:
    """65 KB and 6 requests for everything, 10 KB for the page, and each kind of file within its own."""
    client, issuer = Client(gateway), gateway.server.provider.issuer
    page = client.get("/login", base_url=issuer, headers={"Accept-Encoding": "gzip"})
    body = page.get_data()
    text = (gzip.decompress(body) if page.headers.get("Content-Encoding") == "gzip" else body).decode()
    parser = _Named()
    parser.feed(text)
    sizes = {"/login": len(gzip.compress(text.encode()))}
    for address in parser.addresses:
        assert address.startswith("/"), "from somebody else"
        answer = client.get(address, base_url=issuer, headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"], address
        sizes[address.partition("?")[0]] = len(answer.get_data())
    assert 4 <= len(sizes) <= 6
    assert sizes["/login"] <= 10 * KILOBYTE
    for address, size in sizes.items():
        for ending, budget in BUDGETS.items():
            assert not address.endswith(ending) or size <= budget * KILOBYTE, address
    assert sum(sizes.values()) <= 65 * KILOBYTE
