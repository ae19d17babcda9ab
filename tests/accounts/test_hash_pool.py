"""The hash pool, with its real processes."""

import os
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from idp.accounts import hash_protocol
from idp.accounts.hash_pool import Pool, start_pool
from idp.accounts.hash_supervisor import NICENESS, main, prepare_directory
from idp.accounts.hash_work import answer, work
from idp.accounts.passwords import Costs, LocalPasswordHasher, PooledPasswordHasher
from idp.crypto import Verification
from idp.errors import Busy, NotReady

CHEAP = Costs(memory_kib=8, time_cost=1, parallelism=1)
PEPPERS = {1: b"p" * 32}
KEYED = b"k" * 32


@dataclass
class Shape:
    pool_processes: int = 2
    pool_queue: int = 20


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for another process to get there."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "did not happen"
        select.select([], [], [], 0.01)


@pytest.fixture
def pool() -> Iterator[Pool]:
    with start_pool(Shape()) as running:
        yield running


def hasher(path: Path, *, costs: Costs = CHEAP, wait: float = 10) -> PooledPasswordHasher:
    return PooledPasswordHasher(path, PEPPERS, costs, wait=wait)


def children(pool: Pool) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(pool.pid).children()
    return found


def test_pool_hashes_and_compares_as_the_local_one_does(pool: Pool) -> None:
    pooled, local = hasher(pool.path), LocalPasswordHasher(PEPPERS, CHEAP)
    encoded = pooled.hash("geheim")
    assert local.verify(encoded, "geheim") == pooled.verify(encoded, "geheim") == Verification(valid=True)
    assert local.verify(encoded, "falsch") == pooled.verify(encoded, "falsch") == Verification(valid=False)
    assert pooled.verify(local.hash("geheim"), "geheim").valid
    pooled.verify_nothing("geheim")


def test_processes_are_niced_and_small(pool: Pool) -> None:
    hasher(pool.path).hash("geheim")
    until(lambda: len(children(pool)) == 2 and all(child.nice() == NICENESS for child in children(pool)))
    assert all(child.memory_full_info().uss < 20 * 2**20 for child in children(pool))


def test_neither_password_nor_pepper_reaches_the_pool(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(5)
        got: list[bytes] = []

        def take() -> None:
            connection, _ = listener.accept()
            with connection:
                got.append(hash_protocol.read_all(connection, time.monotonic() + 10))

        thread = threading.Thread(target=take)
        thread.start()
        with pytest.raises(Busy):
            hasher(path).hash("geheimes Wort")
        thread.join()
    assert b"geheim" not in got[0]
    assert PEPPERS[1] not in got[0]


def test_pool_gets_no_secret_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOTSE_KEYS__MASTER_KEY", "secret")
    with start_pool(Shape(pool_processes=1)) as pool:
        assert "LOTSE_KEYS__MASTER_KEY" not in psutil.Process(pool.pid).environ()


def test_socket_and_its_directory_are_for_this_user_alone(pool: Pool) -> None:
    assert stat.S_IMODE(pool.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(pool.path.parent.stat().st_mode) == 0o700


def test_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    open_directory = tmp_path / "open"
    open_directory.mkdir()
    open_directory.chmod(0o777)
    with pytest.raises(NotReady, match="other users may write"):
        start_pool(Shape(), open_directory / "s")


def test_too_long_a_path_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"password\.pool_socket"):
        prepare_directory(tmp_path / ("x" * 100))


def test_a_process_that_died_is_replaced(pool: Pool) -> None:
    until(lambda: len(children(pool)) == 2)
    dead = {child.pid for child in children(pool)}
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(children(pool)) == 2 and not dead & {child.pid for child in children(pool)})
    assert hasher(pool.path).hash("geheim")


def test_full_queue_is_busy_at_once_and_what_fits_is_served(short_directory: Path) -> None:
    """(C15)"""
    with start_pool(Shape(pool_processes=1, pool_queue=3), short_directory / "s") as pool:
        until(lambda: len(children(pool)) == 1)
        (child,) = children(pool)
        os.kill(child.pid, signal.SIGSTOP)
        until(lambda: child.status() == psutil.STATUS_STOPPED)
        waiting = []
        for _ in range(10):
            connection = socket.socket(socket.AF_UNIX)
            connection.setblocking(False)
            try:
                connection.connect(str(pool.path))
            except OSError:
                connection.close()
                break
            waiting.append(connection)
        assert 3 <= len(waiting) <= 4
        with pytest.raises(Busy, match=r"full|ECONNREFUSED") as refused:
            hasher(pool.path).hash("geheim")
        assert refused.value.retry_after == 2
        for connection in waiting:
            connection.close()
        os.kill(child.pid, signal.SIGCONT)
        until(lambda: _served(pool.path))


def _served(path: Path) -> bool:
    try:
        return bool(hasher(path).hash("geheim"))
    except Busy:
        return False


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A private directory whose path fits a socket's address."""
    with start_pool(Shape(pool_processes=1)) as running:
        folder = running.path.parent / "own"
        folder.mkdir(mode=0o700)
        yield folder


def test_client_waits_no_longer_than_its_deadline(short_directory: Path) -> None:
    with start_pool(Shape(pool_processes=1), short_directory / "s") as pool:
        until(lambda: len(children(pool)) == 1)
        (child,) = children(pool)
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(Busy, match="in time"):
            hasher(pool.path, wait=0.05).hash("geheim")
        os.kill(child.pid, signal.SIGCONT)
        assert hasher(pool.path).hash("geheim")


def test_requests_past_their_deadline_are_dropped_unhashed() -> None:
    header = hash_protocol.HEADER.pack(hash_protocol.HASH, time.monotonic() - 1, 8, 1, 1)
    assert answer(header + KEYED) == hash_protocol.LATE
    header = hash_protocol.HEADER.pack(hash_protocol.HASH, time.monotonic() + 60, 8, 1, 1)
    assert answer(header + KEYED).startswith(hash_protocol.HASHED + b"$argon2id$")


def test_a_process_serves_until_its_supervisor_is_gone(short_directory: Path) -> None:
    path, (reading, writing) = short_directory / "w", os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.setblocking(False)
        listener.listen(5)
        process = threading.Thread(target=work, args=(listener, reading))
        process.start()
        encoded = hasher(path).hash("geheim")
        assert hasher(path).verify(encoded, "geheim").valid
        os.close(writing)
        process.join(timeout=10)
        assert not process.is_alive()
    os.close(reading)


@pytest.mark.parametrize("message", [b"", b"garbage", b"V" + b"\x00" * 30])
def test_malformed_requests_fail(message: bytes) -> None:
    assert answer(message) == hash_protocol.FAILED


def test_too_long_a_message_is_refused() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"x" * 9000)
        with pytest.raises(OSError, match="too long"):
            hash_protocol.read_all(right, time.monotonic() + 10)


def test_hash_that_is_not_argon2_fails() -> None:
    header = hash_protocol.HEADER.pack(hash_protocol.VERIFY, time.monotonic() + 60, 0, 0, 0)
    assert answer(header + KEYED + b"$2b$12$bcrypt") == hash_protocol.FAILED


def test_a_failed_request_is_busy_for_the_client(pool: Pool) -> None:
    with pytest.raises(Busy, match="failed"):
        hash_protocol.request_verify(pool.path, "$2b$12$bcrypt", KEYED, wait=10)
    with pytest.raises(Busy, match="failed"):
        hash_protocol.request_hash(pool.path, KEYED, memory_kib=0, time_cost=1, parallelism=1, wait=10)


def test_clients_that_vanish_stall_or_send_too_much_do_no_harm(pool: Pool) -> None:
    for message in (b"", b"H", b"x" * 100_000):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(pool.path))
            if message:
                try:
                    connection.sendall(message)
                except BrokenPipeError:
                    pass
    with socket.socket(socket.AF_UNIX) as stalled:
        stalled.connect(str(pool.path))
        assert hasher(pool.path).hash("geheim")
    before = {child.pid for child in children(pool)}
    assert hasher(pool.path).hash("geheim")
    assert {child.pid for child in children(pool)} == before


def test_many_callers_are_all_served_while_the_queue_has_room(pool: Pool) -> None:
    encoded = hasher(pool.path).hash("geheim")
    results: list[bool] = []

    def sign_in() -> None:
        results.append(hasher(pool.path).verify(encoded, "geheim").valid)

    threads = [threading.Thread(target=sign_in) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 16


def test_stop_ends_all_processes_and_removes_the_socket() -> None:
    pool = start_pool(Shape())
    until(lambda: len(children(pool)) == 2)
    processes = [*children(pool), psutil.Process(pool.pid)]
    pool.stop()
    pool.stop()
    assert not any(process.is_running() for process in processes)
    assert not pool.path.exists()
    assert not pool.path.parent.exists()


def test_processes_end_with_a_supervisor_that_was_killed_and_the_next_starts(short_directory: Path) -> None:
    path = short_directory / "s"
    first = start_pool(Shape(), path)
    until(lambda: len(children(first)) == 2)
    orphans = children(first)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: all(_is_gone(orphan) for orphan in orphans))
    with start_pool(Shape(), path) as second:
        assert hasher(second.path).hash("geheim")
    first.stop()


def _is_gone(process: psutil.Process) -> bool:
    """Tell whether a process ended, though nobody may have collected it yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_pool_ends_when_its_parent_is_gone(short_directory: Path) -> None:
    path = short_directory / "s"
    module = "idp.accounts.hash_supervisor"
    command = [sys.executable, "-m", module, str(path), "--with-parent", "--processes", "1"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    process.stdout.close()
    assert not path.exists()


def test_the_first_request_starts_the_processes(short_directory: Path) -> None:
    """Until then there is none, so that a start of the product does not wait for them."""
    path = short_directory / "s"
    code = "from idp.accounts import hash_supervisor as it; it._PAUSE_BEFORE_FIRST = 3600; it.main()"
    command = [sys.executable, "-c", code, str(path), "--with-parent"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with Pool(process, path, None) as pool:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        until(lambda: psutil.Process(pool.pid).status() == psutil.STATUS_SLEEPING)
        assert children(pool) == []
        assert hasher(path).hash("geheim")
        until(lambda: len(children(pool)) == 2)


def test_the_supervisor_is_ready_before_it_loads_what_hashes() -> None:
    """The start of the product waits for what it loads until then, so for little more than sockets."""
    code = "import sys, idp.accounts.hash_supervisor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in done.stdout.split() if name.startswith(("argon2", "idp.accounts."))] == [
        "idp.accounts.hash_supervisor"
    ]


def test_second_pool_on_one_socket_is_refused(short_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.accounts.hash_supervisor._LOCK_SECONDS", 0.0)
    with start_pool(Shape(), short_directory / "s") as pool:
        with pytest.raises(SystemExit, match="another hash pool"):
            main([str(pool.path)])
        assert hasher(pool.path).hash("geheim")


def test_pool_that_cannot_start_says_so(short_directory: Path) -> None:
    (short_directory / "s").mkdir()
    with pytest.raises(NotReady, match="did not start"):
        start_pool(Shape(), short_directory / "s")


def test_pool_computes_old_portals_forms_as_the_local_hasher_does(pool: Pool) -> None:
    """The longest password and configuration fit; what is no form is Busy, not a dead process."""
    pooled, local = hasher(pool.path), LocalPasswordHasher(PEPPERS, CHEAP)
    longest = "sha256(salt+password)|" + "ab" * 128

    for config in (longest, "md5-crypt|" + b"saltsalt".hex()):
        for password in ("geheim", "\ud800ä", "\U0001f511" * 1024):
            assert pooled.imported_digest(config, password) == local.imported_digest(config, password)
    for config in ("rot13|00", "nothing"):
        with pytest.raises(Busy):
            pooled.imported_digest(config, "geheim")
    assert pooled.imported_digest(longest, "geheim")


def test_late_and_damaged_questions_about_old_forms() -> None:
    header = hash_protocol.HEADER.pack(hash_protocol.IMPORTED, time.monotonic() - 1, 0, 0, 0)

    assert answer(header + b"\0\1x") == hash_protocol.LATE
    assert answer(header[:-1]) == hash_protocol.FAILED
