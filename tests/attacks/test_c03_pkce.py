"""C3: of all combinations of challenge, method and verifier exactly one gets tokens (req 4, 5)."""

from itertools import product

import pytest

from idp.crypto import b64url, random_token, sha256
from tests import cast
from tests.attacks.live import Live
from tests.attacks.parties import Party, other_portal, parsed
from tests.attacks.visitor import Visitor
from tests.installation import unit_of_work

pytestmark = [pytest.mark.enable_socket, pytest.mark.measured]

VERIFIER = random_token(48)
RIGHT = b64url(sha256(VERIFIER))
OTHER = random_token(48)

CHALLENGES = {
    "absent": None,
    "empty": "",
    "right": RIGHT,
    "of another verifier": b64url(sha256(OTHER)),
    "the verifier itself": VERIFIER[:43],
    "padded": f"{RIGHT}=",
    "with a line end": f"{RIGHT}\n",
    "cut": RIGHT[:-1],
    "in small letters": RIGHT.lower(),
}
METHODS = {"absent": None, "empty": "", "S256": "S256", "plain": "plain", "s256": "s256", "none": "none"}
VERIFIERS = {
    "absent": None,
    "empty": "",
    "right": VERIFIER,
    "wrong": OTHER,
    "the challenge itself": RIGHT,
    "longer": f"{VERIFIER}a",
    "with a line end": f"{VERIFIER}\n",
    "cut": VERIFIER[:43],
}
#: of a request without a challenge, at a client that may leave it out (req 5)
DOWNGRADE = {"absent": 200, "empty": 200, "right": 400, "wrong": 400}


def _outcome(
    portal: Party, visitor: Visitor, challenge: str | None, method: str | None, verifier: str | None
) -> bool:
    """Tell whether a whole sign-in with this combination ends with tokens."""
    answer = visitor.get(
        "/authorize", **portal.parameters(code_challenge=challenge, code_challenge_method=method)
    )
    assert answer.status == 303, answer.text
    code = answer.arrived.get("code")
    if code is None:
        assert answer.arrived["error"] == "invalid_request"
        return False
    redeemed = portal.redeem(code, code_verifier=verifier)
    assert redeemed.status in (200, 400)
    if redeemed.status == 400:
        assert parsed(redeemed)["error"] == "invalid_grant"
        assert portal.redeem(code, code_verifier=VERIFIER).status == 400, "the code was not burnt"
    return redeemed.status == 200


@pytest.mark.parametrize("public", [False, True], ids=["confidential", "public"])
def test_one_combination_succeeds(live: Live, portal: Party, visitor: Visitor, public: bool) -> None:
    """Absent, empty, plain, wrong, swapped: only S256 with the right pair (req 4, RFC 9700 §2.1.1)."""
    if public:
        with unit_of_work(live.services) as ctx:
            registered = cast.register_public(ctx)
        party = Party(live, registered)
    else:
        party = portal
    portal.code(visitor)
    succeeded = [
        (challenge, method, verifier)
        for challenge, method, verifier in product(CHALLENGES, METHODS, VERIFIERS)
        if (verifier == "right" or (challenge, method) == ("right", "S256"))
        and _outcome(party, visitor, CHALLENGES[challenge], METHODS[method], VERIFIERS[verifier])
    ]
    assert succeeded == [("right", "S256", "right")]


def test_a_verifier_without_a_challenge_is_a_downgrade(live: Live, portal: Party, visitor: Visitor) -> None:
    """Where a client may leave PKCE out, a verifier for a code without challenge is refused (req 5)."""
    with unit_of_work(live.services) as ctx:
        lax = Party(live, other_portal(ctx, require_pkce=False))
    portal.code(visitor)
    for name, status in DOWNGRADE.items():
        code = lax.code(visitor, code_challenge=None, code_challenge_method=None)
        assert lax.redeem(code, code_verifier=VERIFIERS[name]).status == status, name


def test_a_challenge_of_another_request_does_not_count(portal: Party, visitor: Visitor) -> None:
    """The verifier belongs to one code (req 7)."""
    first, second = random_token(48), random_token(48)
    codes = [portal.code(visitor, code_challenge=b64url(sha256(own))) for own in (first, second)]
    assert portal.redeem(codes[0], code_verifier=second).status == 400
    assert portal.redeem(codes[1], code_verifier=second).status == 200


def test_a_second_challenge_is_refused(portal: Party, visitor: Visitor) -> None:
    """A duplicated challenge or method is an error at the portal (req 11)."""
    portal.code(visitor)
    for name in ("code_challenge", "code_challenge_method"):
        wanted = [*portal.parameters().items(), (name, "plain")]
        query = "&".join(f"{key}={value}" for key, value in wanted)
        answer = visitor.get(f"/authorize?{query.replace(' ', '+')}")
        assert answer.arrived["error"] == "invalid_request"
