"""Words for codes, states and statuses, in both languages; and which words never stand in them."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import g
from flask_babel import force_locale
from werkzeug.datastructures import MultiDict

import idp
from idp.accounts.password_policy import CLASSES
from idp.errors import Refusal
from idp.throttling.throttle import OWN_ACTS_AN_HOUR
from idp.web import wording
from idp.web.forms import ChooseForm, LoginForm, TotpForm, form_errors
from idp.web.wording import statuses
from tests.web.pages_shown import make_app

PACKAGE = Path(idp.__file__).parent
#: what every sentence may need; more than it asks for does no harm
PARAMS: dict[str, Any] = {
    "until": datetime(2026, 11, 22, 13, 35, tzinfo=UTC),
    "company": "Muster GmbH",
    "remaining": 4,
    "typed": 5,
    "length": 6,
    "minimum": 8,
    "maximum": 128,
    "missing": ("special", "digit"),
    "status": "pending",
    "de": "Servicewelt",
    "en": "Servicewelt",
}
#: nouns of operators' commands, whose words are the command line's own
OPERATORS = ("keys.", "client.", "config.", "audit.", "database.")


@pytest.fixture(autouse=True)
def request_context() -> Iterator[None]:
    with make_app().test_request_context():
        g.csrf_valid = True  # as the comparison of the token notes it
        yield


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("code", sorted(wording.REFUSALS))
def test_every_code_is_a_sentence(code: str, language: str) -> None:
    """Whole sentences, parameters filled in, without the words a counter clerk would not use."""
    with force_locale(language):
        sentence = wording.word(code, **PARAMS)
    assert sentence.endswith(".")
    assert "%" not in sentence
    assert not re.search(r"\b(ungültig|bitte|leider|Fehler|invalid|please|sorry)\b", sentence, re.IGNORECASE)


def test_no_code_has_two_sentences() -> None:
    """What one part says does not hide what another one says."""
    parts = (wording.sign_in.REFUSALS, wording.accounts.REFUSALS, wording.management.REFUSALS)
    assert sum(len(part) for part in parts) == len(wording.REFUSALS)


def _raised() -> set[str]:
    """Return the codes of every ``Refusal("…")`` in the package, of both branches of a choice too."""
    refusals = (
        node
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal" and node.args
    )
    texts = (
        part.value for node in refusals for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)
    )
    return {text for text in texts if isinstance(text, str) and re.fullmatch(r"[a-z_]+\.[a-z_]+", text)}


def test_every_refusal_of_the_domain_has_words() -> None:
    """A code without a sentence would be a 500 in front of a person."""
    raised = _raised()
    assert "password.short" in raised
    assert {code for code in raised if not code.startswith(OPERATORS)} - set(wording.REFUSALS) == set()


def test_no_words_are_left_over() -> None:
    """A sentence that nobody is told is translated and checked for nothing."""
    sources = "".join(
        path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if "wording" not in path.parts
    )
    put_together = {"given_name.empty", "family_name.empty"} | {
        f"{act}.throttled" for act in OWN_ACTS_AN_HOUR
    }
    assert {code for code in wording.REFUSALS if f'"{code}"' not in sources} == put_together


def test_unknown_code_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        wording.word_refusal(Refusal("no.such_code"))


def test_the_words_of_the_reference() -> None:
    """Sentences of screens §1.0, with their parameters in the language's own form."""
    assert (
        wording.word_refusal(Refusal("login.failed"))
        == "E-Mail-Adresse, Benutzername oder Passwort stimmt nicht."
    )
    assert wording.word("code.wrong", remaining=4) == "Der Code stimmt nicht. Noch 4 Versuche."
    assert wording.word("code.wrong", remaining=1) == "Der Code stimmt nicht. Noch 1 Versuch."
    assert wording.word("code.wrong") == "Der Code stimmt nicht."
    assert wording.word("login.throttled", until=PARAMS["until"]).endswith("ab 14:35\u00a0Uhr wieder.")
    late = PARAMS["until"] + timedelta(microseconds=1)  # the minute has begun already
    assert wording.word("login.throttled", until=late).endswith("ab 14:36\u00a0Uhr wieder.")
    assert wording.word("password.class", missing=CLASSES).startswith(
        "Es fehlt noch: ein Sonderzeichen, eine Zahl,"
    )
    assert "Administrator bei Muster GmbH" in wording.word("login.blocked", company="Muster GmbH")
    with force_locale("en"):
        assert wording.word("code.wrong", remaining=1) == "The code is not correct. 1 attempt left."
        assert wording.word("login.throttled", until=PARAMS["until"]).endswith("again from 2:35\u00a0pm.")


def test_a_status_without_words_of_its_own() -> None:
    """Every status gets a page: a rare one that of its family."""
    assert statuses.status_words(404) is statuses.STATUSES[404]
    assert statuses.status_words(418) is statuses.STATUSES[400]
    assert statuses.status_words(502) is statuses.STATUSES[500]


@pytest.mark.parametrize(
    ("typed", "kept", "problem"),
    [
        ("928729", "928729", None),
        ("928 729", "928729", None),
        (" 928-729\t", "928729", None),
        ("928\N{NO-BREAK SPACE}729", "928729", None),
        ("", "", "Geben Sie den Code aus Ihrer App ein."),
        ("92872", "92872", "Der Code hat 6 Ziffern. Sie haben 5 eingegeben."),
        ("9" * 500, "9" * 500, "Der Code hat 6 Ziffern. Sie haben 99 eingegeben."),
        ("92872a", "92872a", "Der Code besteht nur aus Ziffern."),
        ("９２８７２９", "９２８７２９", "Der Code besteht nur aus Ziffern."),
    ],
)
def test_codes_are_taken_as_apps_show_them(typed: str, kept: str, problem: str | None) -> None:
    """Blanks and hyphens do not count; anything else is named."""
    form = TotpForm(MultiDict({"code": typed}), meta={"csrf": False})
    assert form.validate() is (problem is None)
    assert form.code.data == kept
    assert form_errors(form) == ([("code", problem)] if problem else [])


@pytest.mark.parametrize(
    ("username", "password", "fields"),
    [
        (" anna ", " with blanks ", []),
        ("", "", ["username", "password"]),
        ("   ", "x", ["username"]),
        ("anna", "", ["password"]),
        ("a" * 321, "x" * 1025, ["username", "password"]),
    ],
)
def test_sign_in_needs_both(username: str, password: str, fields: list[str]) -> None:
    """Names are trimmed, passwords never; what is missing or endless is said field by field, in order."""
    form = LoginForm(MultiDict({"username": username, "password": password}), meta={"csrf": False})
    form.validate()
    assert [field for field, _text in form_errors(form)] == fields
    assert form.username.data == username.strip()
    assert form.password.data == password


def test_a_form_without_its_token_is_refused_and_names_no_field() -> None:
    """The token's failure has a page of its own and is not a mistake of the person (req 98)."""
    g.csrf_valid = False
    form = ChooseForm(MultiDict({"choice": "1"}))
    assert not form.validate()
    assert form_errors(form) == []
