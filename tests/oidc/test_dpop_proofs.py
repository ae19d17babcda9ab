"""A proof counts once, and nonces are ours (RFC 9449 §8, §11.1; req 26)."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from idp.context import Services
from idp.oidc import retention
from idp.oidc.dpop import MAX_AGE, SKEW, NonceWanted, Presented, ProofRefused
from idp.oidc.dpop_proofs import NONCE_SECONDS, Proofs
from idp.oidc.models import UsedJti
from idp.oidc.statements import Statements
from tests.installation import unit_of_work
from tests.provers import Prover

ADDRESS = "https://login.example/token"
NOW = datetime(2026, 11, 28, 12, 0, 0, 0, UTC)
PROVER = Prover()


def _proofs(services: Services, **tokens: bool) -> Proofs:
    settings = services.settings
    changed = settings.model_copy(update={"tokens": settings.tokens.model_copy(update=tokens)})
    return Proofs(
        Services(changed, services.database, services.vault, services.throttle, services.passwords),
        Statements(services.database),
    )


def _presented(prover: Prover = PROVER, at: datetime = NOW, **changes: object) -> Presented:
    proof = prover.proof(ADDRESS, **({"iat": int(at.timestamp())} | changes))
    return Presented(proof, "POST", ADDRESS)


def test_a_proof_counts_once(services: Services) -> None:
    """Byte for byte, signed anew with the same ``jti``, and by another process; another key's is another."""
    one, other = _proofs(services), _proofs(services)
    first = _presented(jti="j")
    assert one.accept(first, NOW) == PROVER.jkt
    for proofs, again in ((one, first), (other, first), (one, _presented(jti="j"))):
        with pytest.raises(ProofRefused, match="presented before"):
            proofs.accept(again, NOW)
    stranger = Prover(number=1)
    assert one.accept(_presented(stranger, jti="j"), NOW) == stranger.jkt
    assert one.accept(_presented(jti="k"), NOW) == PROVER.jkt


def test_a_refused_proof_is_not_used_up(services: Services) -> None:
    """Only what was right leaves a row."""
    proofs = _proofs(services)
    with pytest.raises(ProofRefused, match="iat"):
        proofs.accept(_presented(jti="j"), NOW + timedelta(hours=1))
    with pytest.raises(NonceWanted):
        proofs.accept(_presented(jti="j", nonce="x"), NOW)
    assert proofs.accept(_presented(jti="j"), NOW) == PROVER.jkt


@pytest.mark.parametrize("ahead", [0, 0.5, SKEW])
def test_it_is_remembered_for_as_long_as_it_would_count(services: Services, ahead: float) -> None:
    """The last moment at which it is young enough is one at which it is known, purged or not."""
    proofs = _proofs(services)
    presented = _presented(jti="j", iat=NOW.timestamp() + ahead)
    proofs.accept(presented, NOW)
    last = NOW + timedelta(seconds=ahead + MAX_AGE)
    with unit_of_work(services, last) as ctx:
        assert retention.purge(ctx, 100) == 0
    with pytest.raises(ProofRefused, match="presented before"):
        proofs.accept(presented, last)
    with unit_of_work(services, last + timedelta(seconds=SKEW + 2)) as ctx:
        assert retention.purge(ctx, 100) == 1
        assert ctx.db.scalar(select(func.count()).select_from(UsedJti)) == 0


def test_a_nonce_counts_in_its_window_and_the_next(services: Services) -> None:
    """All workers know it, for it is made from the time and a secret of the installation."""
    one, other = _proofs(services), _proofs(services)
    begin = datetime.fromtimestamp(int(NOW.timestamp()) // NONCE_SECONDS * NONCE_SECONDS, UTC)
    nonce = one.nonce(begin)
    assert nonce == other.nonce(begin + timedelta(seconds=NONCE_SECONDS - 1))
    assert nonce != one.nonce(begin + timedelta(seconds=NONCE_SECONDS))
    for seconds in (0, NONCE_SECONDS, 2 * NONCE_SECONDS - 1):
        at = begin + timedelta(seconds=seconds)
        assert other.accept(_presented(at=at, nonce=nonce), at) == PROVER.jkt
    for seconds in (-1, 2 * NONCE_SECONDS):
        at = begin + timedelta(seconds=seconds)
        with pytest.raises(NonceWanted):
            one.accept(_presented(at=at, nonce=nonce), at)


def test_another_installation_has_other_nonces(services: Services) -> None:
    """They cannot be computed without its secret."""
    key = services.vault.secrets["lookup_key"]
    before = _proofs(services).nonce(NOW)
    key[max(key) + 1] = bytes(32)
    try:
        assert _proofs(services).nonce(NOW) != before
    finally:
        del key[max(key)]


def test_nonces_can_be_demanded(services: Services) -> None:
    """The setting tokens.require_dpop_nonce (RFC 9449 §8)."""
    strict = _proofs(services, require_dpop_nonce=True)
    with pytest.raises(NonceWanted):
        strict.accept(_presented(), NOW)
    assert strict.accept(_presented(nonce=strict.nonce(NOW)), NOW) == PROVER.jkt
