"""How a server process stops taking connections without failing one that has come already.

A listening socket that is closed resets the connections in its queue.  So it first stops letting new ones in,
which a client's system answers by trying again a second later, and the queue is served to its end.
"""

import ctypes
import os
import signal
import socket
import stat
import struct
import sys
from collections.abc import Callable, Iterator

from idp.cli.processes import STOPPING
from idp.logging import get_logger

DRAIN_SIGNAL = signal.SIGUSR1
HELD_BACK = (DRAIN_SIGNAL, *STOPPING)
"""What server processes hold back from their birth, in each thread: Ctrl-C is for their parent."""
_SO_ATTACH_FILTER = 26
#: classic BPF over the TCP header: drop what asks for a connection (SYN set, ACK not), let in all else
_NO_NEW_CONNECTIONS = (
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFF_FFFF),  # accept
)

log = get_logger(__name__)


def wait_until_stopped(close_connections: Callable[[], None]) -> None:
    """Return when SIGTERM comes, now or before this call; signals in :data:`HELD_BACK` are held back.

    At the parent's signal, turn new connections away and have those that are open closed when answered.
    """
    while signal.sigwait((DRAIN_SIGNAL, signal.SIGTERM)) == DRAIN_SIGNAL:
        close_connections()
        try:
            for listener in _listeners():
                with listener:
                    _let_nobody_in(listener)
        except OSError as error:
            # newer Linux lets CAP_NET_ADMIN alone filter TCP: what comes in the last moment may be reset then
            log.info("new connections cannot be turned away", reason=error.strerror)


def _listeners() -> Iterator[socket.socket]:
    """Yield a copy of each listening TCP socket of this process."""
    for name in os.listdir("/dev/fd"):
        try:
            copy = os.dup(int(name))
        except OSError:  # closed by now: by another thread, or as the folder's own
            continue
        if not stat.S_ISSOCK(os.fstat(copy).st_mode):
            os.close(copy)
            continue
        found = socket.socket(fileno=copy)
        if found.family != socket.AF_UNIX and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            yield found
        else:
            found.close()


def _let_nobody_in(listener: socket.socket) -> None:
    if sys.platform != "linux":
        return  # elsewhere connections of the last moment are reset
    code = b"".join(struct.pack("HBBI", *step) for step in _NO_NEW_CONNECTIONS)
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("HP", len(_NO_NEW_CONNECTIONS), ctypes.addressof(kept))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
