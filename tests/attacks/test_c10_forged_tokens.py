"""C10: no forged JWT is accepted wherever one is read (req 24, 35, 46)."""

import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from idp.oidc.signing_keys import ALWAYS
from tests import cast
from tests.attacks.forged import Forger
from tests.attacks.live import Answer, Live
from tests.attacks.parties import Party, parsed
from tests.attacks.visitor import Visitor
from tests.installation import install_signing_keys, unit_of_work
from tests.world import forget_snapshot

pytestmark = pytest.mark.enable_socket


def _ask_userinfo(portal: Party, token: str) -> Answer:
    return portal.live.form("/userinfo", {"access_token": token})


def _ask_by_header(portal: Party, token: str) -> Answer:
    return portal.userinfo(token)


def _introspect(portal: Party, token: str) -> Answer:
    return portal.introspect(token)


def _revoke(portal: Party, token: str) -> Answer:
    return portal.revoke(token)


def _authorize(portal: Party, token: str) -> Answer:
    return portal.live.send("GET", f"/authorize?{urlencode(portal.parameters(id_token_hint=token))}")


def _logout(portal: Party, token: str) -> Answer:
    return portal.live.send("GET", f"/logout?{urlencode({'id_token_hint': token})}")


def _logout_by_form(portal: Party, token: str) -> Answer:
    return portal.live.form("/logout", {"id_token_hint": token})


Entry = tuple[Callable[[Party, str], Answer], str, Callable[[Answer], bool]]

#: name → how it is asked, which token it takes, and what a yes looks like
ENTRIES: dict[str, Entry] = {
    "userinfo, form": (_ask_userinfo, "access_token", lambda answer: answer.status == 200),
    "userinfo, header": (_ask_by_header, "access_token", lambda answer: answer.status == 200),
    "introspection": (_introspect, "access_token", lambda answer: parsed(answer).get("active") is True),
    "authorize": (_authorize, "id_token", lambda answer: "error" not in answer.arrived),
    "logout": (_logout, "id_token", lambda answer: answer.status == 303),
    "logout, form": (_logout_by_form, "id_token", lambda answer: answer.status == 303),
}


@pytest.fixture
def tokens(portal: Party, visitor: Visitor) -> dict[str, str]:
    return portal.tokens(visitor)


def forger_of(live: Live, token: str) -> Forger:
    return Forger(token, json.loads(live.send("GET", "/jwks").body)["keys"])


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_forged_token_is_accepted(live: Live, portal: Party, tokens: dict[str, str], entry: str) -> None:
    """At least thirty forgeries at each entry; the genuine token is accepted there (req 35)."""
    ask, kind, accepted = ENTRIES[entry]
    made = list(forger_of(live, tokens[kind]).forgeries())
    assert len(made) >= 30
    before = live.rows()
    taken = [name for name, token in made if _sendable(entry, token) and accepted(ask(portal, token))]
    broken = [name for name, token in made if _sendable(entry, token) and ask(portal, token).status >= 500]
    assert (taken, broken) == ([], [])
    assert live.rows() == before
    assert accepted(ask(portal, tokens[kind]))


@pytest.mark.usefixtures("portal")
@pytest.mark.parametrize("alg", ["RS256", "PS256", "EdDSA"])
def test_no_forged_hint_of_another_algorithm(live: Live, visitor: Visitor, alg: str) -> None:
    """The same forgeries of ID tokens that are not signed by ES256 (req 35; RFC 8725 §3.1)."""
    install_signing_keys(live.services, algorithms={alg} - set(ALWAYS))
    with unit_of_work(live.services) as ctx:
        made = Party(live, cast.register(ctx, "signed", id_token_signed_response_alg=alg))
    forget_snapshot(live.gateway)
    token = made.tokens(visitor)["id_token"]
    ask, _, accepted = ENTRIES["logout, form"]
    before = live.rows()
    taken = [name for name, forged in forger_of(live, token).forgeries() if accepted(ask(made, forged))]
    assert taken == []
    assert live.rows() == before
    assert accepted(ask(made, token))


def test_no_forged_token_revokes_anything(live: Live, portal: Party, tokens: dict[str, str]) -> None:
    """Revocation answers 200 to unknown tokens, and writes nothing (RFC 7009 §2.2)."""
    before = live.rows()
    for name, token in forger_of(live, tokens["access_token"]).forgeries():
        assert _revoke(portal, token).status == 200, name
    assert live.rows() == before
    assert portal.userinfo(tokens["access_token"]).status == 200


def _sendable(entry: str, token: str) -> bool:
    """A header takes no spaces inside; what is longer than 16 KiB is refused before it is read."""
    return entry != "userinfo, header" or " " not in token
