"""Mails as they are read: both languages, both shapes, nothing of anybody else's in them (C12; req 117)."""

import re
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import html5lib
import pytest
from babel.support import NullTranslations

from idp.delivery import mails, rendering
from idp.delivery.mails import Mail
from idp.delivery.rendering import Rendered, band, render
from idp.settings.models import Support
from idp.texts import load_catalogue
from tests.delivery.samples import AT, EXPIRING, ISSUER, LINK, SAMPLES, SETTINGS

UNTIL = AT + timedelta(minutes=10)
_H = "{http://www.w3.org/1999/xhtml}"
HOSTILE = 'www.evil.example <a href="https://evil.example">Hier</a>\r\nBcc: eve@evil.example'
SUBJECTS = {
    "verify": ("Verifizieren Sie Ihre E-Mail-Adresse", "Verify your email address"),
    "already registered": ("Sie haben schon ein Konto", "You already have an account"),
    "reset": ("Ihr Passwort zurücksetzen", "Reset your password"),
    "changed": ("Ihr Passwort wurde geändert", "Your password was changed"),
    "recovery password": ("Neue Wiederherstellungsdaten", "New recovery data"),
    "new sign-in": ("Neue Anmeldung", "New sign-in"),
    "waiting": ("Zugang wartet auf Freischaltung", "Access waiting for approval"),
    "address replaced": ("E-Mail-Adresse geändert", "Email address changed"),
    "address added": ("E-Mail-Adresse geändert", "Email address changed"),
    "deletion": ("Ihr Konto wird am 15.03.2026 gelöscht", "Your account will be deleted on 15 March 2026"),
    "export": ("Ihr Datenexport", "Your data export"),
}

every_mail = pytest.mark.parametrize("name", SAMPLES)
both_languages = pytest.mark.parametrize("language", ["de", "en"])


def rendered(mail: Mail, language: str = "de", **changes: Any) -> Rendered:
    return render(SETTINGS.model_copy(update=changes), mail, language, at=AT, until=UNTIL)


def facts_of(mail: Mail) -> set[str]:
    return {field.name for field in fields(mail)}  # type: ignore[arg-type]


def document_of(html: str) -> Any:
    """Return the document; any error of the HTML standard's parser is raised."""
    return html5lib.HTMLParser(strict=True).parse(html)


def words_of(document: Any) -> str:
    """Return what is read aloud of a document."""
    body = document.find(f"{_H}body")
    return single_spaced(" ".join(body.itertext()))


def single_spaced(text: str) -> str:
    """Return the words of a text; a colon before a value is the plain text's own."""
    return " ".join(text.replace(":", " ").split())


@pytest.mark.parametrize("name", SUBJECTS)
def test_subjects_are_those_of_the_table(name: str) -> None:
    """screens §1.0, table Mails."""
    assert tuple(rendered(SAMPLES[name], language).subject for language in ("de", "en")) == SUBJECTS[name]


@both_languages
@every_mail
def test_markup_is_sound(name: str, language: str) -> None:
    """It parses strictly, names its language, has one heading of the first order, and loads nothing."""
    mail = rendered(SAMPLES[name], language)
    document = document_of(mail.html)
    assert document.get("lang") == language
    assert [heading.text for heading in document.iter(f"{_H}h1")] == [mail.subject]
    assert [title.text for title in document.iter(f"{_H}title")] == [mail.subject]
    assert not re.search(r"\b(src|srcset|background)=|url\(|@import|<(script|img|link|table)\b", mail.html)
    for link in document.iter(f"{_H}a"):
        assert link.get("href").startswith((f"{ISSUER}/", "mailto:hilfe@", "https://lotse.example/hilfe"))
        assert link.text


@both_languages
@every_mail
def test_both_shapes_say_the_same(name: str, language: str) -> None:
    """Whoever reads plain text misses nothing: code, link, time with its zone, help, and what to do."""
    mail = rendered(SAMPLES[name], language)
    words = words_of(document_of(mail.html))
    plain = single_spaced(mail.text)
    for text in (plain, words):
        assert "login.example.de" in text
        assert "Lotse" in text
        assert "hilfe@lotse.example" in text
        assert "0341 555 01 00" in text
        if "code" in facts_of(SAMPLES[name]):
            assert "482913" in text
        if getattr(SAMPLES[name], "link", None):
            assert single_spaced(LINK) in text
        if EXPIRING & facts_of(SAMPLES[name]) and not name.startswith("deletion"):
            assert {"de": "13 10 Uhr (MEZ)", "en": "1 10 pm (CET)"}[language] in text
    for line in mail.text.partition("-- \n")[0].splitlines():
        assert single_spaced(line) in words, line


@every_mail
def test_every_mail_has_one_action_at_most(name: str) -> None:
    """One action each; a mail asks for one thing (screens §1.0)."""
    document = document_of(rendered(SAMPLES[name]).html)
    assert len([link for link in document.iter(f"{_H}a") if link.get("class") == "button"]) <= 1


@every_mail
def test_every_mail_says_what_to_do_if_it_was_not_you(name: str) -> None:
    """And where that can be done: a page of ours, or the help (screens §1.0; req 72)."""
    text = rendered(SAMPLES[name]).text
    assert re.search(r"(?m)^(Das waren Sie nicht|Sie haben keinen|Sie kennen).*\?$", text)


@every_mail
def test_every_text_is_translated(name: str) -> None:
    """No German word is left in the English mail: the catalogue has each text it asks for (req 117)."""
    catalogue = load_catalogue("en")
    asked: list[str] = []

    class Listening(NullTranslations):
        """Notes what is asked for."""

        def ugettext(self, message: str) -> str:  # type: ignore[override]
            asked.append(message)
            return message

        gettext = ugettext

    rendering._environment.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "load_catalogue", lambda _language: Listening())
        rendered(SAMPLES[name], "en")
    rendering._environment.cache_clear()
    assert len(asked) > 5
    assert {text for text in asked if catalogue.gettext(text) == text} <= {"Portal"}


@both_languages
@every_mail
def test_text_is_narrow_and_plain(name: str, language: str) -> None:
    """Lines that fit a terminal, but for links, which must not break; no markup, no empty places."""
    text = rendered(SAMPLES[name], language).text
    assert all(len(line) <= 76 for line in text.splitlines() if "://" not in line)
    assert not re.search(r"<\w|&\w+;|\n\n\n|%\(|None", text)
    assert text.endswith(".\n")
    assert "\r" not in text


@both_languages
@every_mail
def test_names_are_only_names(name: str, language: str) -> None:
    """Whatever people, companies and portals are called: no link, no header, no markup of theirs (C12)."""
    mail = SAMPLES[name]
    names = facts_of(mail) & {"portal", "person", "organization", "directory"}
    names = set() if getattr(mail, "change", False) else names  # no portal asked for a new address
    hostile = replace(mail, **dict.fromkeys(names, HOSTILE))  # type: ignore[type-var]
    if "user_agent" in facts_of(mail):
        hostile = replace(hostile, user_agent=HOSTILE)
    found = rendered(hostile, language)
    document = document_of(found.html)
    assert "\n" not in found.subject
    for text in (found.subject, found.text, found.html):
        assert not re.search(r"evil\.example|www\.evil|eve@|Bcc:|<a href=\"https://evil", text)
    assert all("evil" not in (link.get("href") or "") for link in document.iter(f"{_H}a"))
    if names:
        assert "evil. example" in found.text


def test_values_are_escaped_in_html_alone() -> None:
    """The product's own name may have any sign; plain text shows it as it is."""
    product = SETTINGS.product.model_copy(update={"name": "Meyer & <Söhne> 100%"})
    found = rendered(mails.AddressAdded(), product=product)
    assert "Meyer & <Söhne> 100%" in found.text
    assert "Meyer &amp; &lt;Söhne&gt; 100%" in found.html
    assert "<Söhne>" not in found.html


def test_help_is_named_where_there_is_any() -> None:
    """An installation without support contact has no empty lines about it."""
    for support in (Support(), Support(phone="0341 555 01 00")):
        found = rendered(mails.AddressAdded(), support=support)
        assert ("0341" in found.text) == ("0341" in found.html) == (support.phone is not None)
        assert "Hilfe:" not in found.text + found.html
        document_of(found.html)


def test_each_installation_has_its_own_band() -> None:
    """The lines of one's own provider are always the same, and another's differ."""
    assert band(ISSUER, "teal") == band(ISSUER, "teal") != band("https://login.example.org", "teal")
    assert band(ISSUER, "rgba(11,92,102,.55)") in rendered(mails.AddressAdded()).html


def test_times_are_those_of_the_event() -> None:
    """A mail that waited an hour for its server tells the moment of the change."""
    text = rendered(mails.PasswordChanged()).text.replace("\u00a0", " ")
    assert "am 01.03.2026 13:00 Uhr (MEZ) geändert" in " ".join(text.split())
