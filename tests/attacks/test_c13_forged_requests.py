"""C13: nothing changes by a request that does not come from our own page with its own token (req 98)."""

from urllib.parse import urlencode

import pytest

from idp.flows.engine import UNBOUND
from tests.attacks.live import FORM, ISSUER, Live
from tests.attacks.scenes import CROSS_SITE, FORMS, READING, Filled, Stage
from tests.attacks.visitor import SAME_ORIGIN, Visitor
from tests.builders import PASSWORD

pytestmark = pytest.mark.enable_socket

#: what the browser says of a request that another page sent
FOREIGN = {
    "a foreign Origin": {"Origin": "https://evil.example"},
    "the Origin null": {"Origin": "null"},
    "an Origin that begins like ours": {"Origin": f"{ISSUER}.evil.example"},
    "our Origin by http": {"Origin": ISSUER.replace("https", "http")},
    "our Origin with a port": {"Origin": f"{ISSUER}:8443"},
    "an empty Origin": {"Origin": ""},
    "two Origins": {"Origin": f"{ISSUER}, https://evil.example"},
    "a Referer alone": {"Referer": f"{ISSUER}/login"},
    "neither": {},
    "cross-site": {"Sec-Fetch-Site": "cross-site", "Origin": ISSUER},
    "same-site": {"Sec-Fetch-Site": "same-site", "Origin": ISSUER},
    "an unknown site": {"Sec-Fetch-Site": "Same-Origin ", "Origin": ISSUER},
    "cross-site, no Origin": {"Sec-Fetch-Site": "cross-site"},
}


def test_every_form_is_attacked(live: Live) -> None:
    """A new route that is not safe belongs into the sweep."""
    changing = {
        rule.endpoint
        for rule in live.flask.url_map.iter_rules()
        if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    }
    assert changing == set(FORMS) | CROSS_SITE


@pytest.mark.parametrize("view", FORMS)
def test_nothing_but_our_own_form_changes_anything(stage: Stage, view: str) -> None:
    """Foreign sender, wrong token, no cookies, other method: no row changes; the real form works (req 98)."""
    filled = FORMS[view](stage)
    stranger = stage.visitor()
    stage.ask(stranger)
    another = stranger.form().fields["csrf_token"]
    before = stage.live.rows()
    _from_elsewhere(filled)
    _without_its_token(filled, another)
    _without_cookies(filled)
    _by_other_methods(filled)
    assert stage.live.rows() == before
    filled.visitor.post(filled.target, filled.fields)
    changed = stage.live.rows() != before
    assert changed == (view not in READING), "the sweep sends a form that does nothing"


def _from_elsewhere(filled: Filled) -> None:
    for name, headers in FOREIGN.items():
        assert _forged(filled, filled.fields, headers) == 403, name


def _without_its_token(filled: Filled, another: str) -> None:
    for name, token in {
        "no token": None,
        "an empty token": "",
        "another browser's token": another,
        "half a token": filled.fields["csrf_token"][:40],
        "a changed token": filled.fields["csrf_token"][::-1],
    }.items():
        fields = {key: value for key, value in filled.fields.items() if key != "csrf_token"}
        status = _forged(filled, fields | ({} if token is None else {"csrf_token": token}), SAME_ORIGIN)
        # 409: a token of ours from before this sign-in, which is taken for a page of somebody else (C6)
        allowed = (200, 400, 409) if token == another else (200, 400)
        assert status in allowed, f"{name}: {status}"


def _without_cookies(filled: Filled) -> None:
    """The victim's cookies stay at home, as SameSite has it: the token alone opens nothing (req 42)."""
    answer = Visitor(filled.visitor.live).post_once(filled.target, filled.fields)
    assert answer.status in (200, 303, 400)
    assert "__Host-sid" not in answer.cookies()


def _by_other_methods(filled: Filled) -> None:
    """Values in the query, or with a method that carries no token, do nothing (design §7)."""
    joint = "&" if "?" in filled.target else "?"
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "GET"):
        answer = filled.visitor.once(method, f"{filled.target}{joint}{urlencode(filled.fields)}")
        assert answer.status in (200, 303, 400, 405), method


@pytest.mark.parametrize("path", ["/authorize", "/logout"])
def test_what_other_sites_may_post_only_begins_a_flow(stage: Stage, path: str) -> None:
    """OIDC Core §3.1.2.1 and RP-Initiated Logout §2 demand POST: cookies do not count there (req 98)."""
    visitor = stage.visitor("anna")
    fields = stage.portal.parameters() if path == "/authorize" else {"client_id": "portal"}
    before = stage.live.rows()
    answer = visitor.post_once(path, fields, {"Origin": "https://portal.example"})
    assert answer.status == 303
    assert "__Host-sid" not in answer.cookies()
    after = stage.live.rows()
    begun = after.pop("flow")
    assert {name: rows for name, rows in before.items() if name != "flow"} == after
    assert repr(UNBOUND) in next(row for row in begun if row not in before["flow"])
    page = visitor.get(answer.location or "")
    assert page.status in (200, 303)
    assert ("code" in page.arrived) == (path == "/authorize")
    # a foreign page cannot sign anybody out: the person is asked
    assert visitor.get("/").text.count("anna@muster.example") == 1


def test_a_login_by_another_site_is_refused(stage: Stage) -> None:
    """Login CSRF: a foreign page cannot sign the victim in as the attacker (Keycloak GHSA-c9rq-mvr5-3w32)."""
    victim, attacker = stage.visitor(), stage.visitor()
    stage.ask(victim)
    stage.ask(attacker)
    own = attacker.form("/login")
    fields = own.fields | {"username": "anna", "password": PASSWORD}
    for target in ("/login", own.action):
        answer = victim.post_once(target, fields, {"Origin": "https://evil.example"})
        assert answer.status == 403
        answer = victim.post_once(target, fields)
        assert "__Host-sid" not in answer.cookies()
    assert "__Host-sid" not in victim.cookies


def _forged(filled: Filled, fields: dict[str, str], headers: dict[str, str]) -> int:
    copy = Visitor(filled.visitor.live, dict(filled.visitor.cookies))
    return copy.post_once(filled.target, fields, FORM | headers).status
