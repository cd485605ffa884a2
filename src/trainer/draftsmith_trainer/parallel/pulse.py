"""Tells whether other machines are still there: one that loses its power or its network closes no connection."""

from __future__ import annotations

import time
from collections.abc import Mapping

from torch.distributed.distributed_c10d import Store

#: Seconds between two beats, and beats that a machine may miss before it counts as gone.
BEAT, MISSED = 5.0, 7


class Pulse:
    """A counter for every machine in the store, which all ranks on that machine raise.

    Any of them keeps their machine alive, so that one that holds the interpreter lock does no harm. Silence is counted
    in this process's own looks, not in seconds: whoever did not run itself has seen nothing.

    Args:
        machines: the machine of every rank.
    """

    def __init__(self, store: Store, rank: int, machines: Mapping[int, str]) -> None:
        self._store, self._mine = store, machines[rank]
        self._others = sorted(set(machines.values()) - {self._mine})
        self._ranks = {name: [one for one, where in machines.items() if where == name] for name in self._others}
        self._seen = dict.fromkeys(self._others, -1)
        self._silent = dict.fromkeys(self._others, 0)
        self._next = 0.0

    def beat(self) -> list[int]:
        """Ranks of machines that have fallen silent. To be called about once a second, from one thread.

        Raises:
            RuntimeError: the store is gone.
        """
        now = time.monotonic()
        if not self._others or now < self._next:
            return []
        self._next = now + BEAT
        self._store.add(_key(self._mine), 1)
        for name in self._others:
            count = int(self._store.add(_key(name), 0))
            self._silent[name] = 0 if count != self._seen[name] else self._silent[name] + 1
            self._seen[name] = count
        return [rank for name in self._others if self._silent[name] > MISSED for rank in self._ranks[name]]


def _key(machine: str) -> str:
    return f"pulse/{machine}"
