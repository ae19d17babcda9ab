"""CPUs and processes: which runs where, what it uses, when it answers."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

START_SECONDS = 60


class Unable(Exception):
    """The benchmark cannot run here; the text says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Cpus:
    """Where things run."""

    server: int
    others: int


def cpus() -> Cpus:
    """Return the CPU that serves and the one for all else; raises Unable."""
    if sys.platform != "linux":
        raise Unable("The benchmark pins processes to CPUs, which it can do on Linux only.")
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise Unable("The benchmark needs two CPUs: one serves, the other makes the load.")
    return Cpus(allowed[0], allowed[1])


def program(name: str, remedy: str) -> str:
    """Return the path of a program; raises Unable with the remedy."""
    found = shutil.which(name)
    if found is None:
        raise Unable(f"{name} is missing: {remedy}")
    return found


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that descend from it."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def pin(processes: Iterable[psutil.Process], cpu: int) -> None:
    """Move processes, each of their threads, to one CPU."""
    for process in processes:
        try:
            threads = process.threads()
        except psutil.NoSuchProcess:
            continue  # it ended meanwhile, as threads do
        for thread in threads:
            try:
                os.sched_setaffinity(thread.id, {cpu})
            except ProcessLookupError:
                continue


def pss_mib(processes: Iterable[psutil.Process]) -> float:
    """Return the memory of processes in MiB, what they share counted once (proportional set size)."""
    shares: list[int] = [process.memory_full_info().pss for process in processes]
    return round(sum(shares) / 2**20, 1)


@dataclass
class Program:
    """A server started here, on the serving CPU."""

    process: "subprocess.Popen[bytes]"
    #: seconds from its start to its first answer
    start_seconds: float

    def stop(self) -> None:
        """End it and all it started."""
        family = tree(self.process.pid) if self.process.poll() is None else []
        self.process.terminate()
        _, left = psutil.wait_procs(family, timeout=15)
        for process in left:
            process.send_signal(signal.SIGKILL)
        self.process.wait()


def start(
    command: Sequence[str], url: str, *, cpu: int, log: Path, folder: Path, environment: Mapping[str, str]
) -> Program:
    """Start a server pinned to a CPU and return once *url* answers 200; raises Unable with its last words."""
    began = time.perf_counter()
    with log.open("ab") as words:
        process = subprocess.Popen(
            ["taskset", "-c", str(cpu), *command],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
        )
    while not _answers(url):
        if process.poll() is not None or time.perf_counter() - began > START_SECONDS:
            process.kill()
            raise Unable(f"{command[0]} did not start:\n{log.read_text('utf-8', 'replace')[-2000:]}")
        time.sleep(0.01)
    return Program(process, round(time.perf_counter() - began, 2))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (a server of ours)
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
