"""The frame of the hosted pages: markup, language, theme, ribbon, static files, budget."""

import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import html5lib
import pytest
from flask import Flask, session
from flask.testing import FlaskClient
from flask_wtf.csrf import CSRFError, generate_csrf
from werkzeug.test import TestResponse

from idp.texts import template_folder
from idp.web import assets
from idp.web.extensions import csrf
from idp.web.formats import birthday, language_name
from idp.web.forms import LoginForm
from idp.web.ribbon import ribbon
from tests.web.pages_shown import HOSTILE, PAGES, make_app, settings_for

_H = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="module")
def app() -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def parse(response: TestResponse) -> Any:
    """Return the document; any error of the HTML standard's parser is raised."""
    assert response.status_code == 200
    return html5lib.HTMLParser(strict=True).parse(response.get_data(as_text=True))


def elements(document: Any, name: str) -> Iterator[Any]:
    return document.iter(_H + name)


def test_every_template_is_shown() -> None:
    """A page that no sample shows would escape every test below."""
    with make_app().test_request_context():
        pages = {page()[0] for page in PAGES.values()}
    shown = pages | {"pages/style_guide.html", "pages/account/base.html"}
    folder = template_folder()
    written = {
        path.relative_to(folder).as_posix()
        for kind in ("pages", "pages/account", "errors")
        for path in (folder / kind).glob("*.html")
    }
    assert written == shown


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("path", [*(f"/page/{name}" for name in PAGES), "/dev/ui"])
class TestEveryPage:
    """Rules that hold on each page, in each state, in both languages."""

    def test_markup(self, client: FlaskClient, path: str, language: str) -> None:
        """Valid HTML, one h1, the page's language, no id twice (WCAG 3.1.1, 1.3.1)."""
        document = parse(client.get(f"{path}?lang={language}"))
        assert document.get("lang") == language
        assert len(list(elements(document, "h1"))) == 1
        ids = [found.get("id") for found in document.iter() if found.get("id")]
        assert sorted(ids) == sorted(set(ids))

    def test_nothing_inline(self, client: FlaskClient, path: str, language: str) -> None:
        """The strict policy needs no exception (req 99): no inline script, style, handler or foreign file."""
        document = parse(client.get(f"{path}?lang={language}"))
        assert not list(elements(document, "style"))
        for found in document.iter():
            assert not [name for name in found.attrib if name == "style" or name.startswith("on")]
        for script in elements(document, "script"):
            assert script.get("src", "").startswith("/static/")
            assert not (script.text or "").strip()
        for link in elements(document, "link"):
            assert link.get("href", "").startswith("/static/")

    def test_nothing_unescaped(self, client: FlaskClient, path: str, language: str) -> None:
        """Names from people and portals are text (C12)."""
        assert HOSTILE not in client.get(f"{path}?lang={language}").get_data(as_text=True)

    def test_forms(self, client: FlaskClient, path: str, language: str) -> None:
        """At most one primary button a form; posting forms have the token; no dead references (req 98)."""
        document = parse(client.get(f"{path}?lang={language}"))
        ids = {found.get("id") for found in document.iter()}
        for form in elements(document, "form"):
            primary = [b for b in elements(form, "button") if "primary" in (b.get("class") or "").split()]
            assert len(primary) <= 1
            assert all(button.get("type") == "submit" for button in primary)
            if form.get("method") == "post":
                tokens = [
                    i for i in elements(form, "input") if i.get("name") == "csrf_token" and i.get("value")
                ]
                # an answer to a portal goes there with what the portal gets, and no token of ours
                assert bool(tokens) is (form.get("data-answer") is None)
        for label in elements(document, "label"):
            assert label.get("for") in ids
        for found in document.iter():
            for reference in (found.get("aria-describedby") or "").split():
                assert reference in ids
        for link in elements(document, "a"):
            href = link.get("href") or ""
            assert not href.startswith("#") or href[1:] in ids


def test_a_page_in_error_says_so_first(client: FlaskClient) -> None:
    """Summary first in main with a link to the field, the field marked and described, the title prefixed."""
    document = parse(client.get("/page/login-failed"))
    assert next(elements(document, "title")).text == "Fehler: Anmelden – Lotse"
    main = next(elements(document, "main"))
    first = next(found for found in main.iter() if found.get("role") or found.tag == _H + "h1")
    assert first.get("role") == "alert"
    assert {"autofocus", "tabindex"} <= set(first.attrib)
    assert next(elements(first, "a")).get("href") == "#username"
    field = next(found for found in elements(document, "input") if found.get("id") == "username")
    assert field.get("aria-invalid") == "true"
    assert field.get("aria-describedby") == "username-error"
    assert "autofocus" not in field.attrib


def test_typed_values_stay_but_never_passwords(client: FlaskClient) -> None:
    """The name typed is kept after an error; no password field ever has a value."""
    fields = {
        found.get("name"): found for found in elements(parse(client.get("/page/login-failed")), "input")
    }
    assert fields["username"].get("value") == HOSTILE
    assert fields["password"].get("value") is None


def test_field_names_and_purposes(client: FlaskClient) -> None:
    """Names of design §5; tokens that password managers and phones fill in (WCAG 1.3.5, req 113)."""
    fields = {found.get("name"): found for found in elements(parse(client.get("/page/login")), "input")}
    assert fields["username"].get("autocomplete") == "username"
    assert fields["password"].get("autocomplete") == "current-password"
    fields = {found.get("name"): found for found in elements(parse(client.get("/page/totp")), "input")}
    assert fields["code"].get("autocomplete") == "one-time-code"
    assert fields["code"].get("inputmode") == "numeric"
    assert fields["code"].get("type") == "text"
    assert "maxlength" not in fields["code"].attrib
    assert fields["remember_device"].get("type") == "checkbox"


def test_remembering_is_not_offered_where_it_is_off(client: FlaskClient) -> None:
    """``remember_device.days = 0`` takes the tick away (req 95; the refusal: test_remembered_devices)."""
    names = [found.get("name") for found in elements(parse(client.get("/page/totp-throttled")), "input")]
    assert "remember_device" not in names


def test_leaving_never_sends_what_was_typed(client: FlaskClient) -> None:
    """Abbrechen belongs to a form of its own, without the password field."""
    document = parse(client.get("/page/login"))
    button = next(found for found in elements(document, "button") if found.get("form"))
    form = next(found for found in elements(document, "form") if found.get("id") == button.get("form"))
    assert form.get("action") == "/leave"
    assert [found.get("name") for found in elements(form, "input")] == ["csrf_token"]


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ("", {}, "de"),
        ("", {"Accept-Language": "en-GB,en;q=0.9"}, "en"),
        ("", {"Accept-Language": "fr, en;q=0.5"}, "en"),
        ("", {"Accept-Language": "fr"}, "de"),
        ("?ui_locales=en", {"Accept-Language": "de"}, "en"),
        ("?ui_locales=fr%20en-US%20de", {}, "en"),
        ("?ui_locales=fr", {"Accept-Language": "en"}, "en"),
        ("?ui_locales=en&lang=de", {}, "de"),
        ("?lang=xx", {"Accept-Language": "en"}, "en"),
        ("?lang=%ff%00", {}, "de"),
        ("", {"Accept-Language": "\xff;;q=x"}, "de"),
    ],
)
def test_language(client: FlaskClient, query: str, headers: dict[str, str], expected: str) -> None:
    """ui_locales, ?lang= and Accept-Language choose; German is the default (req 117)."""
    assert parse(client.get(f"/page/login{query}", headers=headers)).get("lang") == expected


def test_chosen_language_is_kept(client: FlaskClient) -> None:
    """A person's own choice outlives the page and wins over what a portal asks for."""
    client.get("/page/login?lang=en")
    assert parse(client.get("/page/login?ui_locales=de")).get("lang") == "en"


def test_default_language_is_a_setting() -> None:
    """``product.default_locale`` speaks where nothing else does."""
    app = make_app(settings_for(product={"name": "Pilot", "default_locale": "en"}))
    assert parse(app.test_client().get("/page/login")).get("lang") == "en"


def test_language_link_keeps_the_query(client: FlaskClient) -> None:
    """Switching the language loses nothing of the flow, and leads nowhere but to this page."""
    document = parse(client.get("/page/login?flow=a%26b&lang=en&theme=dark"))
    link = next(found for found in elements(document, "a") if found.get("hreflang") == "de")
    assert link.get("href") == "?flow=a%26b&lang=de"


def test_theme(client: FlaskClient) -> None:
    """Light, dark or as the device: chosen by a link, kept in a cookie, rendered by the server."""
    assert parse(client.get("/page/login")).get("data-theme") is None
    assert parse(client.get("/page/login?theme=dark")).get("data-theme") == "dark"
    assert parse(client.get("/page/login")).get("data-theme") == "dark"
    assert parse(client.get("/page/login?theme=system")).get("data-theme") is None
    assert parse(client.get('/page/login?theme="><b>')).get("data-theme") is None


def test_preference_cookies_are_bound_to_the_host() -> None:
    """Over https both preferences go with the prefix and the flags of every cookie of ours (req 42)."""
    app = make_app(settings_for("development", public_url="https://login.example.org"))
    response = app.test_client().get("/page/login?lang=en&theme=dark", base_url="https://login.example.org")
    cookies = response.headers.getlist("Set-Cookie")
    for start in ("__Host-lang=en; Secure; HttpOnly; ", "__Host-theme=dark; Secure; HttpOnly; "):
        cookie = next(found for found in cookies if found.startswith(start.split(";")[0]))
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


def test_no_cookie_without_a_choice() -> None:
    """Looking at a page sets no preference."""
    cookies = make_app().test_client().get("/page/http-404").headers.getlist("Set-Cookie")
    assert not [found for found in cookies if found.startswith(("lang=", "theme="))]


def test_demo_is_named_on_every_page(client: FlaskClient) -> None:
    """The demo's people are made up and every page says so; elsewhere neither banner nor style guide is."""
    assert "erfunden" in client.get("/page/login").get_data(as_text=True)
    elsewhere = make_app(settings_for("development")).test_client()
    assert "erfunden" not in elsewhere.get("/page/login").get_data(as_text=True)
    assert elsewhere.get("/dev/ui").status_code == 404


def test_footer_links_only_what_is_set() -> None:
    """A link without an address would be a dead end."""
    app = make_app(settings_for(legal={"privacy_url": "https://lotse.example/p"}, support={}))
    text = app.test_client().get("/page/login").get_data(as_text=True)
    assert "Datenschutz" in text
    assert not [word for word in ("Impressum", "Barrierefreiheit", "Hilfe") if word in text]


def test_dates_read_as_people_write_them(client: FlaskClient) -> None:
    """The seed's form in German, British in English, the exact moment for machines."""
    assert '<time datetime="2023-08-29T07:10:00+00:00">29.08.2023 09:10\u00a0Uhr</time>' in client.get(
        "/page/deletion-planned?lang=de"
    ).get_data(as_text=True)
    english = client.get("/page/deletion-planned?lang=en").get_data(as_text=True)
    assert ">29 August 2023, 9:10\u00a0am</time>" in english


@pytest.mark.parametrize(
    ("words", "claim", "german", "english"),
    [
        (birthday, "1980-02-29", "29.02.1980", "29 February 1980"),
        (birthday, "0000-02-29", "0000-02-29", "0000-02-29"),
        (birthday, "1980", "1980", "1980"),
        (language_name, "de-DE", "Deutsch (Deutschland)", "German (Germany)"),
        (language_name, "en", "Englisch", "English"),
        (language_name, "xx-XX", "xx-XX", "xx-XX"),
        (language_name, "Plattdüütsch", "Plattdüütsch", "Plattdüütsch"),
        (language_name, "", "", ""),
    ],
)
def test_claims_in_words(words: Callable[[str], str], claim: str, german: str, english: str) -> None:
    """A birthday may lack its year, or be one (OIDC Core §5.1); what nobody knows stays as it is."""
    for language, expected in (("de", german), ("en", english)):
        with make_app().test_request_context(f"/?lang={language}"):
            assert words(claim) == expected


def test_ribbon_belongs_to_its_installation() -> None:
    """At most one kilobyte, well-formed, the same each time, another for another issuer."""
    bands = {ribbon(f"https://login{number}.example") for number in range(300)}
    assert len(bands) > 280
    assert max(map(len, bands)) <= 1024
    for band in bands:
        html5lib.HTMLParser(strict=True).parseFragment(band)
    assert ribbon("https://a.example") == ribbon("https://a.example") != ribbon("https://b.example")


class TestStatic:
    """Style sheet, script, fonts: kept for ever under an address that changes with them."""

    def test_current_version_is_kept_for_ever(self, client: FlaskClient) -> None:
        response = client.get(assets.asset_url("css/app.css"))
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.mimetype == "text/css"
        assert "Set-Cookie" not in response.headers

    def test_another_version_is_served_but_not_kept(self, client: FlaskClient) -> None:
        """A page of the release before still finds its style sheet."""
        response = client.get("/static/000000000000/css/app.css")
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-cache"

    def test_packed_where_the_browser_can(self, client: FlaskClient) -> None:
        plain = client.get(assets.asset_url("js/app.js"))
        packed = client.get(assets.asset_url("js/app.js"), headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.data) == plain.data
        assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
        refused = client.get(assets.asset_url("js/app.js"), headers={"Accept-Encoding": "gzip;q=0"})
        assert refused.data == plain.data

    def test_unchanged_is_not_sent_again(self, client: FlaskClient) -> None:
        first = client.get(assets.asset_url("css/app.css"))
        again = client.get(assets.asset_url("css/app.css"), headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")

    @pytest.mark.parametrize(
        "name", ["nothing.css", "../ui.py", "%2e%2e/ui.py", "css/../../ui.py", "css/", "css"]
    )
    def test_only_what_is_there(self, client: FlaskClient, name: str) -> None:
        assert client.get(f"/static/{assets.load_assets().version}/{name}").status_code == 404

    def test_every_sheet_is_in_the_style_sheet(self) -> None:
        """A file that nobody lists would be shipped and never seen; the order of the layers comes first."""
        style = assets.load_assets().files["css/app.css"].plain
        for path in (assets.FOLDER / "css").glob("*.css"):
            assert path.read_bytes() in style, path.name
        assert style.index(b"@layer theme, base, layout, components, print;") < style.index(b"@layer theme {")

    def test_a_misspelt_name_fails_where_it_stands(self) -> None:
        with pytest.raises(ValueError, match=r"no static file css/ap\.css"):
            assets.asset_url("css/ap.css")


def test_first_visit_fits_the_budget(client: FlaskClient) -> None:
    """The sign-in page: at most 65 KB gzip and 6 requests, none to another host (design §6)."""
    page = client.get("/page/login")
    text = page.get_data(as_text=True)
    addresses = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', text))
    style = client.get(assets.asset_url("css/app.css")).get_data(as_text=True)
    # the browser loads a declared font only where the page uses it: the monospaced one is for codes
    assert "hyperlegible-mono" in style
    assert "<code" not in text
    sizes = [len(client.get(url, headers={"Accept-Encoding": "gzip"}).data) for url in sorted(addresses)]
    assert any("hyperlegible-next" in url for url in addresses)
    assert 1 + len(addresses) <= 6
    assert len(page.data) + sum(sizes) <= 65_000
    assert len(page.data) <= 10_000


def test_palette_is_readable() -> None:
    """Contrast of text and edges on their grounds, in both themes (WCAG 1.4.3, 1.4.11)."""
    style = assets.load_assets().files["css/app.css"].plain.decode()
    found = dict(re.findall(r"--idp-([a-z-]+): light-dark\((#\w+, #\w+)\)", style))
    for theme in (0, 1):
        colour = {name: _luminance(pair.split(", ")[theme]) for name, pair in found.items()}
        for ground in ("page", "surface"):
            for text in ("ink", "muted", "action", "action-hover", "danger", "success", "warning", "info"):
                assert _contrast(colour[text], colour[ground]) >= 4.5, (theme, text, ground)
            assert _contrast(colour["field"], colour[ground]) >= 3
        assert _contrast(colour["on-action"], colour["action"]) >= 4.5
        assert _contrast(colour["on-action"], colour["action-hover"]) >= 4.5
        for kind in ("danger", "success", "warning", "info"):
            assert _contrast(colour[kind], colour[f"{kind}-surface"]) >= 4.5
            assert _contrast(colour["ink"], colour[f"{kind}-surface"]) >= 7


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(sign * 2 for sign in colour[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_a_form_is_right_only_with_a_token() -> None:
    """The second defence, for a view that shows its form again and does not ask why (req 98)."""
    app, typed = make_app(), {"username": "anna", "password": "long enough"}
    with app.test_request_context():
        token, kept = generate_csrf(), dict(session)
    for sent, right in (({}, False), ({"csrf_token": "old"}, False), ({"csrf_token": token}, True)):
        with app.test_request_context("/login", method="POST", data=typed | sent):
            session.update(kept)
            with nullcontext() if right else pytest.raises(CSRFError):
                csrf.protect()
            assert LoginForm().validate() is right
