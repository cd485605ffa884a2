"""Tells whether another process on this machine is still alive, however busy it is."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from torch.distributed.distributed_c10d import Store


class Links:
    """A loopback connection to every other rank on this machine.

    The kernel keeps a connection open while its process lives and closes it when the process ends, even by SIGKILL. A
    heartbeat of a single process would stop while it holds the interpreter lock. Ranks on other machines have no link,
    see :mod:`.pulse`.

    Attributes:
        machines: the machine of every rank. hosts: its host's name.
    """

    def __init__(self, store: Store, rank: int, world: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=max(world, 128))
        here = _machine()
        store.set(f"link/{rank}", f"{here} {socket.gethostname()} {self._listener.getsockname()[1]}")
        self._to: dict[int, socket.socket] = {}
        self.machines: dict[int, str] = {}
        self.hosts: dict[int, str] = {}
        for other in range(world):
            where, host, port = store.get(f"link/{other}").decode().split(" ")
            self.machines[other], self.hosts[other] = where, host
            if other != rank and where == here:
                link = socket.create_connection(("127.0.0.1", int(port)), timeout=60)
                link.setblocking(False)
                self._to[other] = link

    def known(self, rank: int) -> bool:
        """Whether a rank runs on this machine, so that :meth:`lost` can tell whether it has ended."""
        return rank in self._to

    def lost(self, rank: int) -> bool:
        """Whether a rank on this machine has ended; False for ranks on other machines."""
        link = self._to.get(rank)
        if link is None:
            return False
        try:
            return link.recv(1) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Closes the connections, by which the other ranks see that this process is done."""
        for open_ in (self._listener, *self._to.values()):
            with contextlib.suppress(OSError):
                open_.close()


def _machine() -> str:
    """A name that two processes share exactly when they share a loopback interface."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        return f"{boot.read_text('ascii').strip()}/{Path('/proc/self/ns/net').stat().st_ino}"
    except OSError:
        return socket.gethostname()
