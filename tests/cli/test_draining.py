"""Finding the sockets of a server process that stops, while its threads open and close others (F8)."""

import socket
import threading

import pytest

from idp.cli.draining import _listeners

pytestmark = pytest.mark.enable_socket


def test_descriptors_that_close_meanwhile_are_passed_over() -> None:
    """The listener is found each time, however many connections begin and end beside it."""
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            for end in [end for _ in range(20) for end in socket.socketpair()]:
                end.close()

    threads = [threading.Thread(target=churn) for _ in range(2)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for thread in threads:
            thread.start()
        try:
            for _ in range(300):
                found = []
                for copy in _listeners():
                    with copy:
                        found.append(copy.getsockname())
                assert listener.getsockname() in found
        finally:
            done.set()
            for thread in threads:
                thread.join()
