"""Tells whether another process of this machine still lives, however busy it is."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from torch.distributed.distributed_c10d import Store


class Links:
    """A loopback connection to every other rank on this machine.

    The kernel holds a connection open for as long as its process lives, and closes it at once when the process ends,
    be it by SIGKILL. A heartbeat would stop in a process that keeps the interpreter locked, as writing a large file of
    safetensors does. Ranks on other machines have no link: torchrun ends this process when one of theirs has died.
    """

    def __init__(self, store: Store, rank: int, world: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=max(world, 128))
        here = _machine()
        store.set(f"link/{rank}", f"{here} {self._listener.getsockname()[1]}")
        self._to: dict[int, socket.socket] = {}
        for other in range(world):
            where, _, port = store.get(f"link/{other}").decode().rpartition(" ")
            if other != rank and where == here:
                link = socket.create_connection(("127.0.0.1", int(port)), timeout=60)
                link.setblocking(False)
                self._to[other] = link

    def known(self, rank: int) -> bool:
        """Whether :meth:`lost` can tell anything about a rank."""
        return rank in self._to

    def lost(self, rank: int) -> bool:
        """Whether a rank of this machine has ended."""
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
        """Lets the others see that this process is done."""
        for open_ in (self._listener, *self._to.values()):
            with contextlib.suppress(OSError):
                open_.close()


def _machine() -> str:
    """The same for two processes exactly when they share a loopback interface."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        return f"{boot.read_text('ascii').strip()}/{Path('/proc/self/ns/net').stat().st_ino}"
    except OSError:
        return socket.gethostname()
