"""C16: what was used stays used when a server process, or all of them, are killed (req 6, 21, 22; F1)."""

import http.client
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from sqlalchemy import func, select

from idp.oidc.models import RefreshToken
from tests import cast
from tests.attacks.test_c16_races import (
    RACERS,
    ROUNDS,
    Cluster,
    Reply,
    await_processes,
    listening,
    redemption,
    refreshing,
    standing,
)
from tests.infrastructure import PostgreSQL
from tests.infrastructure import _until as until
from tests.installation import unit_of_work
from tests.provers import Prover
from tests.signers import Signer
from tests.world import now

ISSUER = "http://localhost:8000"
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture(scope="module")
def cluster(
    postgresql: PostgreSQL, worker_number: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Two processes of the real server that may be killed."""
    name = f"restarts_{worker_number}"
    with standing(postgresql.create_database(name), tmp_path_factory.mktemp("restarts")) as made:
        yield made
    postgresql.drop_database(name)


def _power_cut(cluster: Cluster) -> None:
    """Kill every process of the server at once, and start it again."""
    parent = psutil.Process(cluster.process.pid)
    for process in [parent, *parent.children(recursive=True)]:
        process.send_signal(signal.SIGKILL)
    cluster.process.wait(30)
    cluster.process = cluster.serve()
    await_processes(cluster)


def test_nothing_is_forgotten_by_a_restart(cluster: Cluster) -> None:
    """Code, refresh token, assertion and proof, each used before: refused after (Keycloak CVE-2026-9802)."""
    signer, prover = Signer(), Prover()
    with unit_of_work(cluster.services, now()) as ctx:
        cast.register(ctx, "signer", token_endpoint_auth_method="private_key_jwt", jwks=signer.jwks)
    code, other = cluster.code(), cluster.code()
    born = _success(cluster.call("/token", redemption(code)))
    first = _success(cluster.call("/token", redemption(other)))
    second = _success(cluster.call("/token", refreshing(first["refresh_token"])))
    signed: dict[str, str] = {}

    def authenticates() -> bool:
        signed.update(GRANT | signer.credentials(ISSUER))
        return cluster.call("/token", signed, authorization=False)[0] == 200

    assert until(authenticates, seconds=10)
    proof = prover.proof(f"{ISSUER}/token")
    assert cluster.call("/token", GRANT, DPoP=proof)[0] == 200
    _power_cut(cluster)
    assert cluster.is_active(born["access_token"])
    assert _refusal(cluster.call("/token", redemption(code))) == "invalid_grant"
    assert not cluster.is_active(born["access_token"])
    assert _refusal(cluster.call("/token", refreshing(first["refresh_token"]))) == "invalid_grant"
    assert _refusal(cluster.call("/token", refreshing(second["refresh_token"]))) == "invalid_grant"
    assert _refusal(cluster.call("/token", signed, authorization=False)) == "invalid_client"
    assert _refusal(cluster.call("/token", GRANT, DPoP=proof)) == "invalid_dpop_proof"


@pytest.mark.parametrize("round_number", range(ROUNDS))
@pytest.mark.parametrize("kind", ["code", "refresh token"])
def test_a_killed_process_lets_no_second_use_through(cluster: Cluster, kind: str, round_number: int) -> None:
    """64 uses while one of two processes dies: at most one success, at most one successor, then none."""
    form = redemption(cluster.code())
    if kind == "refresh token":
        form = refreshing(_success(cluster.call("/token", form))["refresh_token"])
    stored = _stored(cluster)
    victim = listening(cluster.process.pid, cluster.port)[round_number % 2]
    gate = threading.Barrier(RACERS + 1)

    def kill() -> None:
        gate.wait()
        victim.kill()

    def use() -> Reply:
        try:
            return cluster.call("/token", form, gate.wait)
        except (OSError, http.client.HTTPException, ValueError):
            return 0, {}  # no answer, or half of one

    with ThreadPoolExecutor(RACERS + 1) as pool:
        killed = pool.submit(kill)
        running = [pool.submit(use) for _ in range(RACERS)]
        replies = [racer.result() for racer in running]
        killed.result()
    await_processes(cluster)
    replies.append(cluster.call("/token", form))
    assert sum(status == 200 for status, _ in replies) <= 1
    assert _stored(cluster) - stored <= 1
    assert _refusal(cluster.call("/token", form)) == "invalid_grant"
    assert not victim.is_running()


def _success(reply: Reply) -> dict[str, Any]:
    status, body = reply
    assert status == 200, body
    return body


def _refusal(reply: Reply) -> str:
    """Return the word a refusal has; a success has none."""
    status, body = reply
    return str(body["error"]) if status in (400, 401) else f"{status}"


def _stored(cluster: Cluster) -> int:
    with cluster.services.database.session() as db:
        return db.scalars(select(func.count()).select_from(RefreshToken)).one()
