"""C22: only the configured host is answered, and no forwarded header leaves a trace (req 58, 101)."""

import pytest

from idp.web.machine.dispatcher import HEALTH_PATHS
from tests.attacks.bad_input import places, turn
from tests.attacks.live import HOST, ISSUER, Answer, Live
from tests.attacks.parties import Party, parsed
from tests.attacks.visitor import SAME_ORIGIN, Visitor

pytestmark = pytest.mark.enable_socket

EVIL = "evil.example"

HOSTS = (
    EVIL,
    f"{HOST}.{EVIL}",
    f"{EVIL}.{HOST}",
    f"{HOST}:8443",
    f"{HOST}:443",
    f"{HOST}:",
    f"{HOST}.",
    HOST.upper(),
    f"{HOST} {EVIL}",
    f"{HOST},{EVIL}",
    f"{HOST}@{EVIL}",
    f"{EVIL}@{HOST}",
    f"{HOST}#{EVIL}",
    f"{HOST}/{EVIL}",
    f"{HOST}\t",
    "127.0.0.1",
    "localhost",
    "[::1]",
    "",
    "\xff",
    "x" * 300,
)

FORWARDED = {
    "Forwarded": f"for=1.2.3.4;host={EVIL};proto=http",
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Server": EVIL,
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Prefix": f"//{EVIL}",
    "X-Forwarded-For": f"1.2.3.4, {EVIL}",
    "X-Original-URL": f"https://{EVIL}/console",
    "X-Original-URI": f"//{EVIL}/console",
    "X-Rewrite-URL": f"//{EVIL}/console",
    "X-Host": EVIL,
    "X-HTTP-Host-Override": EVIL,
    "X-HTTP-Method-Override": "DELETE",
    "X-Script-Name": f"//{EVIL}",
    "X-Real-IP": "1.2.3.4",
    "True-Client-IP": "1.2.3.4",
    "Referer": f"https://{EVIL}/",
    "Via": f"1.1 {EVIL}",
    "Base-Url": f"https://{EVIL}",
}


@pytest.mark.parametrize("host", HOSTS, ids=range(len(HOSTS)))
def test_another_host_is_misdirected_everywhere(live: Live, portal: Party, host: str) -> None:
    """421 on every path but health, which probes ask by address; nothing of the name comes back (req 101)."""
    for path in places(live):
        answer = live.send("GET", path, headers=[("Host", host)])
        expected = (200, 503) if path in HEALTH_PATHS else (421, 400)
        assert answer.status in expected, (path, answer.status)
        assert not answer.cookies()
        assert answer.location is None
        assert EVIL not in _whole(answer)


def test_two_hosts_are_none(live: Live, portal: Party) -> None:
    """Whichever of two Host headers comes first, a foreign one is not accepted (RFC 9112 §3.2)."""
    for pair in ((HOST, EVIL), (EVIL, HOST)):
        answer = live.send("GET", "/login", headers=[("Host", one) for one in pair])
        assert answer.status in (400, 421)
        assert EVIL not in _whole(answer)


def test_an_absolute_address_does_not_win_over_the_host(live: Live, portal: Party) -> None:
    """``GET https://evil.example/login``: the name in the request line leaves no trace (RFC 9112 §3.2.2)."""
    for host in (HOST, EVIL):
        answer = live.send("GET", f"http://{EVIL}/login", headers=[("Host", host)])
        assert EVIL not in _whole(answer)
        assert answer.status in (200, 400, 404, 421)


def test_forwarded_headers_leave_no_trace(live: Live, portal: Party) -> None:
    """Together on every path, and one by one in turns: no address of ours is made of them (req 58, 101)."""
    for at, path in enumerate(places(live)):
        plain = live.send("GET", path)
        for headers in (*({name: value} for name, value in turn(FORWARDED.items(), at)), FORWARDED):
            answer = live.send("GET", path, headers=headers)
            assert answer.status == plain.status, (path, headers)
            assert EVIL not in _whole(answer), (path, headers)


def test_a_whole_sign_in_under_forwarded_headers(live: Live, portal: Party) -> None:
    """Issuer, cookies, redirects and tokens are those of the settings (C22)."""
    visitor = Visitor(live, headers=dict(FORWARDED))
    seen: list[Answer] = []
    visitor.get("/authorize", **portal.parameters())
    form = visitor.form("/login")
    wrong = visitor.once("GET", form.action, headers=SAME_ORIGIN)
    seen.append(wrong)
    answer = visitor.submit("/login", username="anna", password="Sieben Möwen am Kai")
    seen.append(answer)
    assert answer.arrived["iss"] == ISSUER
    assert parsed(portal.redeem(answer.arrived["code"]))["token_type"] == "Bearer"
    out = visitor.get("/logout")
    seen.append(out)
    for one in seen:
        assert EVIL not in _whole(one)
    for name in visitor.cookies:
        assert name.startswith("__Host-")
    discovery = live.send("GET", "/.well-known/openid-configuration", headers=FORWARDED)
    addresses = [value for name, value in parsed(discovery).items() if name.endswith(("_endpoint", "_uri"))]
    assert addresses
    assert all(address.startswith(f"{ISSUER}/") for address in addresses)
    assert parsed(discovery)["issuer"] == ISSUER


def test_no_page_of_a_person_may_be_kept_by_a_shared_cache(live: Live, portal: Party) -> None:
    """What depends on a cookie is no-store; what is public sets no cookie (C22, Flask CVE-2023-30861)."""
    visitor = Visitor(live)
    portal.code(visitor)
    for path in places(live):
        answer = visitor.once("GET", path)
        kept = "public" in (answer.header("Cache-Control") or "")
        assert kept or "no-store" in (answer.header("Cache-Control") or ""), path
        if kept:
            assert not answer.cookies(), path
            assert "anna" not in answer.text.lower(), path


def _whole(answer: Answer) -> str:
    """Headers and body together."""
    return "\n".join(f"{name}: {value}" for name, value in answer.headers) + answer.text
