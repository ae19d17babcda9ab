"""C11: a kid is a key of a dictionary and nothing else, wherever a token of ours is read (req 36).

Clients' own JWTs and DPoP proofs: the tests of this name in test_c10_client_jwts and test_c10_dpop.  That
hostile names take no longer either is measured by ``python -m benchmarks.equal_answers``.
"""

import re

import pytest

from idp.crypto import random_token
from tests.attacks.forged import KIDS
from tests.attacks.live import Answer, Live
from tests.attacks.parties import Party
from tests.attacks.test_c10_forged_tokens import ENTRIES, forger_of
from tests.attacks.visitor import Visitor

pytestmark = pytest.mark.enable_socket

#: differ from one answer to the next
PASSING = frozenset({"x-request-id", "date", "set-cookie", "content-length"})


@pytest.fixture
def tokens(portal: Party, visitor: Visitor) -> dict[str, str]:
    return portal.tokens(visitor)


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_kid_is_only_a_name(live: Live, portal: Party, tokens: dict[str, str], entry: str) -> None:
    """Paths, SQL, addresses and 10 kB answer like any unknown kid (C11, req 36)."""
    ask, kind, _ = ENTRIES[entry]
    forger = forger_of(live, tokens[kind])
    before = live.rows()
    random = _shown(ask(portal, forger.with_header(kid=random_token())))
    for kid in (*KIDS, *([] if entry.endswith("header") else ["b" * 10_000])):
        for token in (forger.with_header(kid=kid), forger.self_signed({"kid": kid})):
            if entry in ("authorize", "logout", "userinfo, header") and len(token) > 12_000:
                continue  # the address or header is too long already
            assert _shown(ask(portal, token)) == random, kid
    assert live.rows() == before


def _shown(answer: Answer) -> tuple[int, list[tuple[str, str]], str]:
    """What can be told apart: status, headers, body without the request's own number and address."""
    headers = [(name, value) for name, value in answer.headers if name.lower() not in PASSING]
    body = re.sub(r'href="\?[^"]*"', "", answer.text)
    return answer.status, headers, re.sub(r'id="error-id">[\w-]+<', "", body)
