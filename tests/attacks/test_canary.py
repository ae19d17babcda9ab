"""Canaries: no password, code, token or cookie of a whole sign-in is written down anywhere (req 67, 105)."""

import io
import re
import sqlite3
from urllib.parse import quote

import pytest

from idp.logging import configure
from tests import cast
from tests.attacks.live import Answer, Live
from tests.attacks.parties import Party, parsed
from tests.attacks.scenes import FORMS, build
from tests.attacks.visitor import Visitor
from tests.builders import PASSWORD

pytestmark = pytest.mark.enable_socket

CANARY = "Canary-4711-wrong-password"


@pytest.fixture
def log(quiet: None) -> io.StringIO:
    """All that is logged, at the most talkative level."""
    stream = io.StringIO()
    configure(level="debug", stream=stream)
    return stream


def test_no_secret_of_a_sign_in_is_written_down(live: Live, log: io.StringIO) -> None:
    """Log lines of level debug and every table, as bytes: nothing of what was secret (req 105)."""
    stage = build(live)
    portal, visitor = stage.portal, Visitor(live)
    stage.ask(visitor, login_hint="clara@muster.example", state="canary-state-0815")
    secrets = {"csrf token": visitor.form("/login").fields["csrf_token"], "wrong password": CANARY}
    visitor.submit("/login", username=CANARY, password="typed into the wrong field")
    visitor.submit("/login", username="clara", password=CANARY)
    visitor.sign_in("clara")
    app_code = stage.code()
    answer = visitor.submit("/login/totp?", code=app_code, remember_device="y")
    secrets |= {"code": answer.arrived["code"], **_cookies(visitor)}
    tokens = _tokens(portal, answer.arrived["code"])
    secrets |= tokens
    portal.userinfo(tokens["access token"])
    portal.introspect(tokens["access token"])
    secrets["second refresh token"] = _tokens_of(portal.refresh(tokens["refresh token"]))["refresh token"]
    portal.refresh(tokens["refresh token"])  # a reuse: it is logged and audited
    portal.redeem(answer.arrived["code"])  # a replay
    live.send("GET", f"/userinfo?access_token={tokens['access token']}")
    live.send("GET", f"/logout?id_token_hint={tokens['ID token']}x")
    live.form("/token", {"client_id": "portal", "client_secret": str(portal.registered.secret)})
    _walk_out(visitor)
    secrets |= {
        "password": PASSWORD,
        "client secret": str(portal.registered.secret),
        "app's secret": cast.TOTP_SECRET,
        "verifier": portal.verifier,
        "password in the wrong field": "typed into the wrong field",
    }
    _nowhere(secrets | {"mail address": "clara@muster.example"}, log.getvalue(), "the log")
    assert '"event": "request"' in log.getvalue(), "nothing was logged: the test proves nothing"
    assert "sqlalchemy" not in log.getvalue()
    _nowhere(secrets | {"app's code": f"'{app_code}'"}, _database_text(live), "the database")


def test_no_recovery_password_is_written_down(live: Live, log: io.StringIO) -> None:
    """Drawn, downloaded, saved, mistyped and used: it stands nowhere, in groups or not (req 67, 105)."""
    stage = build(live)
    form = FORMS["own_recovery.download"](stage)
    file = form.visitor.post_once(form.target, form.fields).text
    found = re.search(r"\b([A-Z0-9]{5}-){5}[A-Z0-9]{5}\b", file)
    assert found is not None
    saved = {"saved": "y", "password": PASSWORD}
    form.visitor.post(form.target.removesuffix("/file"), form.fields | saved)
    fresh, stranger = "Möwen über dem Hafen 7", stage.visitor()
    for typed in (f"{found[0]}X", found[0]):
        stranger.get("/password/recovery")
        chosen = {"new_password": fresh, "confirm_password": fresh}
        stranger.submit("/password/recovery", username="anna", **chosen, recovery_password=typed)
    assert stranger.page is not None
    assert stranger.page.url.startswith("/password/changed")
    secrets = {"string": found[0], "without hyphens": found[0].replace("-", ""), "new password": fresh}
    _nowhere(secrets, log.getvalue(), "the log")
    _nowhere(secrets, _database_text(live), "the database")


def test_what_people_type_cannot_forge_a_log_line(live: Live, log: io.StringIO, portal: Party) -> None:
    """Line ends and terminal sequences in every logged field: one line an event (req 105)."""
    evil = 'x\r\n{"event": "forged"}\x1b[31m\u2028'
    for path in ("/nowhere/", "/login/", "/authorize/"):
        live.send("GET", path + quote(evil))
    live.send("GET", "/authorize?client_id=" + quote(evil))
    portal.live.form("/token", {"grant_type": evil, "client_id": evil, "client_secret": evil})
    lines = log.getvalue().splitlines()
    assert len(lines) >= 4
    assert all(line.startswith("{") and line.endswith("}") for line in lines)
    assert not any(line.startswith('{"event": "forged"') for line in lines)
    assert "\x1b" not in log.getvalue()
    assert "\u2028" not in log.getvalue()


def _cookies(visitor: Visitor) -> dict[str, str]:
    parts = {}
    for name, value in visitor.cookies.items():
        if name in ("__Host-sid", "__Host-flow", "__Host-form"):
            parts[name] = value
        if name == "__Host-dev":
            parts |= {f"{name}, part {number}": part for number, part in enumerate(re.split("[.~]", value))}
    return parts


def _tokens(portal: Party, code: str) -> dict[str, str]:
    return _tokens_of(portal.redeem(code))


def _tokens_of(answer: Answer) -> dict[str, str]:
    assert answer.status == 200, answer.text
    found = parsed(answer)
    names = {"access_token": "access token", "refresh_token": "refresh token", "id_token": "ID token"}
    return {shown: found[name] for name, shown in names.items() if name in found}


def _walk_out(visitor: Visitor) -> None:
    visitor.get("/logout")
    visitor.submit("/logout/")


def _database_text(live: Live) -> str:
    """Everything in the file, also what is deleted or not folded in yet, and each value by itself."""
    path = live.services.database.url.database
    assert path is not None
    connection = sqlite3.connect(path)
    try:
        dump = "\n".join(connection.iterdump())
    finally:
        connection.close()
    with open(path, "rb") as file:
        return dump + file.read().decode("latin-1")


def _nowhere(secrets: dict[str, str], text: str, where: str) -> None:
    found = []
    for name, secret in secrets.items():
        # a token's signature alone would do, and JSON writes letters such as ö in another way
        forms = {secret, secret.rpartition(".")[2], secret.encode("unicode_escape").decode(), quote(secret)}
        found += [name for form in forms if len(form) > 5 and form in text]
    assert not found, f"{where} holds: {found}"
