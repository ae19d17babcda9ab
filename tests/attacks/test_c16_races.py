"""C16: parallel uses of what works once, over two server processes on PostgreSQL (req 6, 21, 22).

A run has a few rounds; ``make races`` has the five hundred of the security reference.
"""

import http.client
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest
from sqlalchemy import select

from idp import migrations
from idp.accounts.models import Account
from idp.app import build_services
from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.authentication import sessions
from idp.context import Services
from idp.db import Database
from idp.oidc import device_requests, user_codes
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import load_clients
from idp.oidc.models import Authorization, RefreshToken
from idp.settings import Settings
from idp.settings.models import DatabaseSettings, Keys
from tests import cast
from tests.cast import Registered
from tests.infrastructure import PostgreSQL, free_port
from tests.infrastructure import _until as until
from tests.installation import unit_of_work
from tests.plain_browser import basic
from tests.provers import Prover
from tests.signers import Signer
from tests.world import CHALLENGE, VERIFIER, code_for, now

RACERS = 64
PROCESSES = 2
ROUNDS = int(os.environ.get("LOTSE_TEST_RACES") or 3)

Reply = tuple[int, dict[str, Any]]


@dataclass
class Cluster:
    """Two server processes in front of one database."""

    services: Services
    port: int
    client: Registered
    account_id: str
    #: a device for each round; made before the start, so that both processes know them
    devices: list[Registered]
    #: starts the server once more, where it was ended
    serve: Callable[[], "subprocess.Popen[bytes]"]
    process: "subprocess.Popen[bytes]"

    def call(
        self,
        path: str,
        form: dict[str, str],
        start: Callable[[], object] = lambda: None,
        *,
        authorization: bool = True,
        **more: str,
    ) -> Reply:
        """Send a form from a connection that stands before *start* returns."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.connect()
            start()
            headers = {"Host": "localhost:8000", "Content-Type": "application/x-www-form-urlencoded"}
            if authorization:
                headers["Authorization"] = basic(self.client.client_id, self.client.secret or "")
            headers |= more
            connection.request("POST", path, urlencode(form), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def race(self, form: dict[str, str]) -> list[Reply]:
        """Send the same request from all racers at the same moment."""
        return together(RACERS, lambda start: self.call("/token", form, start))

    def visit(self, query: dict[str, str], start: Callable[[], object]) -> int:
        """Send a browser to the authorization endpoint, and return the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.connect()
            start()
            connection.request("GET", f"/authorize?{urlencode(query)}", headers={"Host": "localhost:8000"})
            return connection.getresponse().status
        finally:
            connection.close()

    def code(self) -> str:
        """Issue a code."""
        with unit_of_work(self.services, now()) as ctx:
            return code_for(ctx, self.client.client_id, self.account_id).code

    def is_active(self, token: str) -> bool:
        """Tell whether introspection says that an access token counts."""
        return bool(self.call("/introspect", {"token": token})[1]["active"])


def together(racers: int, call: Callable[[Callable[[], object]], Any]) -> list[Any]:
    """Call from so many threads, each with what waits until all are there."""
    barrier = threading.Barrier(racers)
    with ThreadPoolExecutor(racers) as pool:
        running = [pool.submit(call, barrier.wait) for _ in range(racers)]
        return [racer.result() for racer in running]


def redemption(code: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": cast.REDIRECT,
        "code_verifier": VERIFIER,
    }


def refreshing(token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": token}


@pytest.fixture(scope="module")
def cluster(
    postgresql: PostgreSQL, worker_number: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Two processes of the real server with a database of their own."""
    name = f"races_{worker_number}"
    with standing(postgresql.create_database(name), tmp_path_factory.mktemp("races")) as made:
        yield made
    postgresql.drop_database(name)


@contextmanager
def standing(url: str, folder: Path) -> Iterator[Cluster]:
    """Prepare an empty database and serve it."""
    database = Database(url)
    migrations.upgrade(database)
    database.dispose()
    settings = Settings(
        database=DatabaseSettings(url=url, pool_wait_seconds=20), keys=Keys(directory=folder / "keys")
    )
    services = build_services(settings)
    with unit_of_work(services, now()) as ctx:
        client = cast.register(ctx)
        devices = [cast.register_device(ctx, f"terminal-{number}") for number in range(ROUNDS)]
        account_id = cast.person(ctx)
    port = free_port()
    serve = partial(_serve, folder, url, port)
    made = Cluster(services, port, client, account_id, devices, serve, serve())
    try:
        await_processes(made)
        yield made
    finally:
        made.process.terminate()
        made.process.wait(30)
        services.database.dispose()


def await_processes(cluster: Cluster) -> None:
    """Return once all processes answer."""
    assert until(lambda: _all_answer(cluster.process, cluster), seconds=60), "the server did not start"


def _serve(folder: Path, url: str, port: int) -> "subprocess.Popen[bytes]":
    environment = {
        "LOTSE_DATABASE__URL": url,
        "LOTSE_DATABASE__POOL_WAIT_SECONDS": "20",
        "LOTSE_KEYS__DIRECTORY": str(folder / "keys"),
        "LOTSE_LOGGING__LEVEL": "error",
    }
    command = [sys.executable, "-m", "idp", "serve", "--workers", str(PROCESSES), "--port", str(port)]
    return subprocess.Popen(command, env=os.environ | environment)


def _all_answer(process: "subprocess.Popen[bytes]", cluster: Cluster) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"the server ended with {process.returncode}")
    try:
        if cluster.call("/introspect", {"token": "x"}) != (200, {"active": False}):
            return False
    except OSError:
        return False
    return len(listening(process.pid, cluster.port)) >= PROCESSES


def listening(pid: int, port: int) -> list[psutil.Process]:
    """Return the processes of a tree that have the port open."""
    return [
        process
        for process in psutil.Process(pid).children(recursive=True)
        if any(
            found.status == psutil.CONN_LISTEN and found.laddr.port == port
            for found in process.net_connections("tcp")
        )
    ]


def _winner(replies: list[Reply], error: str = "invalid_grant") -> dict[str, Any]:
    """Return the one success; everybody else must have heard that the grant is gone."""
    won = [body for status, body in replies if status == 200]
    lost = [(status, body.get("error")) for status, body in replies if status != 200]
    assert len(won) == 1
    assert lost == [(400, error)] * (RACERS - 1)
    return won[0]


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_one_of_64_redemptions_of_a_code_succeeds(cluster: Cluster, round_number: int) -> None:
    """Then everything born of the code is revoked, for it was presented again (req 6, 22)."""
    tokens = _winner(cluster.race(redemption(cluster.code())))
    assert not cluster.is_active(tokens["access_token"])
    assert cluster.call("/token", refreshing(tokens["refresh_token"]))[0] == 400
    with cluster.services.database.session() as db:
        newest = db.scalars(select(Authorization).order_by(Authorization.id.desc()).limit(1)).one()
        born = db.scalars(select(RefreshToken).where(RefreshToken.authorization_id == newest.id)).all()
        assert newest.revoke_reason == "code replayed"
        assert len(born) == 1
        replays = select(AuditEvent).where(
            AuditEvent.event == Event.CODE_REPLAYED, AuditEvent.target_id == newest.id
        )
        assert db.scalars(replays).first() is not None


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_one_of_64_uses_of_a_refresh_token_succeeds(cluster: Cluster, round_number: int) -> None:
    """Then the family is revoked, the winner's tokens included (req 21, 22)."""
    status, first = cluster.call("/token", redemption(cluster.code()))
    assert status == 200
    assert cluster.is_active(first["access_token"])
    tokens = _winner(cluster.race(refreshing(first["refresh_token"])))
    assert not cluster.is_active(tokens["access_token"])
    assert not cluster.is_active(first["access_token"])
    assert cluster.call("/token", refreshing(tokens["refresh_token"]))[0] == 400
    with cluster.services.database.session() as db:
        newest = db.scalars(select(Authorization).order_by(Authorization.id.desc()).limit(1)).one()
        family = db.scalars(select(RefreshToken).where(RefreshToken.authorization_id == newest.id)).all()
        assert newest.revoke_reason == "refresh token reused"
        assert len(family) == 2


def test_one_of_32_presentations_of_an_assertion_succeeds(cluster: Cluster) -> None:
    """One ``jti`` counts once over all workers (req 19, 22)."""
    signer = Signer()
    with unit_of_work(cluster.services, now()) as ctx:
        cast.register(ctx, "signer", token_endpoint_auth_method="private_key_jwt", jwks=signer.jwks)
    grant = {"grant_type": "client_credentials"}

    def accepted() -> bool:
        fresh = grant | signer.credentials("http://localhost:8000")
        return cluster.call("/token", fresh, authorization=False)[0] == 200

    assert until(lambda: all(accepted() for _ in range(4 * PROCESSES)), seconds=10)
    form = grant | signer.credentials("http://localhost:8000")
    replies = together(32, lambda start: cluster.call("/token", form, start, authorization=False))
    assert sorted(status for status, _ in replies) == [200] + [401] * 31
    assert {body["error"] for status, body in replies if status == 401} == {"invalid_client"}


def test_one_of_64_presentations_of_a_proof_succeeds(cluster: Cluster) -> None:
    """The same DPoP proof counts once over all workers (req 22, 26)."""
    prover = Prover()
    grant = {"grant_type": "client_credentials"}

    def call(start: Callable[[], object], proof: str) -> Reply:
        return cluster.call("/token", grant, start, DPoP=proof)

    for _ in range(ROUNDS):
        proof = prover.proof("http://localhost:8000/token")
        replies = together(RACERS, lambda start, proof=proof: call(start, proof))
        assert _winner(replies, "invalid_dpop_proof")["token_type"] == "DPoP"
    fresh = together(RACERS, lambda start: call(start, prover.proof("http://localhost:8000/token")))
    assert [status for status, _ in fresh] == [200] * RACERS


def test_one_of_32_browsers_uses_a_pushed_request(cluster: Cluster) -> None:
    """A ``request_uri`` is used up once over all workers (req 14, 22)."""
    form = {
        "response_type": "code",
        "redirect_uri": cast.REDIRECT,
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    status, pushed = cluster.call("/par", form)
    assert status == 201
    query = {"client_id": cluster.client.client_id, "request_uri": pushed["request_uri"]}
    found = together(32, lambda start: cluster.visit(query, start))
    assert sorted(found) == [303] + [400] * 31


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_one_of_64_polls_gets_the_tokens(cluster: Cluster, round_number: int) -> None:
    """A device code that was allowed is used up once over all workers; the winner's tokens live (req 22)."""
    device = cluster.devices[round_number]
    owner = replace(cluster, client=device)
    asked = {"client_id": device.client_id, "scope": "openid"}
    _, codes = owner.call("/device_authorization", asked, authorization=False)
    poll = {
        "grant_type": cast.DEVICE_GRANT,
        "device_code": codes["device_code"],
        "client_id": device.client_id,
    }
    waiting = together(RACERS, lambda start: owner.call("/token", poll, start, authorization=False))
    told = Counter(body["error"] for _, body in waiting)
    assert told == {"authorization_pending": 1, "slow_down": RACERS - 1}
    with unit_of_work(cluster.services, now()) as ctx:
        live, *_ = sessions.start(ctx, ctx.db.get_one(Account, cluster.account_id), methods=[("pwd", None)])
        client = load_clients(ctx.db)[device.client_id]
        wanted = AuthorizationRequest(client_id=client.client_id, redirect_uri="", scope="openid")
        waits = device_requests.find(ctx, str(user_codes.read(codes["user_code"])))
        device_requests.connect(ctx, waits.id, wanted=wanted, client=client, live=live, membership_id=None)
    replies = together(RACERS, lambda start: owner.call("/token", poll, start, authorization=False))
    tokens = _winner(replies)
    again = refreshing(tokens["refresh_token"]) | {"client_id": device.client_id}
    assert owner.call("/token", again, authorization=False)[0] == 200


def test_different_codes_do_not_hinder_one_another(cluster: Cluster) -> None:
    """The other side: as many codes as racers, and each succeeds."""
    codes = [cluster.code() for _ in range(RACERS)]
    barrier = threading.Barrier(RACERS)
    with ThreadPoolExecutor(RACERS) as racers:
        running = [racers.submit(cluster.call, "/token", redemption(code), barrier.wait) for code in codes]
        replies = [racer.result() for racer in running]
    assert [status for status, _ in replies] == [200] * RACERS
    assert len({body["access_token"] for _, body in replies}) == RACERS
