"""Messages between ranks through the process group's store, for waits that may last.

A collective has a time-out (10 minutes for NCCL), after which it ends the process: right for a step, wrong where a rank
waits for another one that walks long rows or writes tens of gigabytes. Here a wait lasts while the other lives.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from torch.distributed.distributed_c10d import Store

from ..base.errors import Interrupted, UserError
from .links import Links

#: Seconds between two looks: short at first, since most waits are.
_FIRST_LOOK, _LONGEST_LOOK = 0.002, 0.2
#: Seconds that ranks of other machines, of whom nobody knows whether they live, get after a stop was asked for.
_GRACE = 60.0


class Board:
    """Where ranks leave messages. All ranks make the same calls of :meth:`gather` in the same order."""

    def __init__(self, store: Store, rank: int, world: int) -> None:
        self._store, self._rank, self._world = store, rank, world
        self._links = Links(store, rank, world)
        self._round = 0

    def gather(
        self,
        message: str,
        asked: Callable[[], bool] | None = None,
        waiting: Callable[[list[int]], None] | None = None,
    ) -> list[str]:
        """Everybody's message of this round, by rank; waits for as long as those live who have not left one.

        Args:
            asked: whether this process was asked to stop; it then does not wait for ever for other machines.
            waiting: called from time to time with the ranks whose message is missing.

        Raises:
            UserError: ``rank-lost`` when a rank has ended without a message.
            Interrupted: after a stop was asked for, when ranks of other machines say nothing.
        """
        found = {self._rank: message}
        self._set(self._key(self._rank), message)
        pause, deadline = _FIRST_LOOK, None
        while missing := [rank for rank in range(self._world) if rank not in found]:
            # Asked before its message is looked for: a rank may say its last word and leave.
            lost = [rank for rank in missing if self._links.lost(rank)]
            for rank in missing:
                if self._has(self._key(rank)):
                    found[rank] = self._get(self._key(rank))
            gone = [rank for rank in lost if rank not in found]
            if gone:
                raise _lost(gone)
            if len(found) == self._world:
                break
            if waiting is not None:
                waiting([rank for rank in missing if rank not in found])
            if asked is not None and asked():
                deadline = deadline or time.monotonic() + _GRACE
                if time.monotonic() > deadline and not any(map(self._links.known, missing)):
                    raise Interrupted
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK)
        if self._round:
            # Everybody is in this round, so nobody reads the one before any more.
            self._forget(self._key(self._rank, self._round - 1))
        self._round += 1
        return [found[rank] for rank in range(self._world)]

    def call(self, name: str) -> None:
        """Raises a flag that all ranks can see until the coming round is over."""
        self._set(f"{self._round}/flag/{name}", "1")

    def called(self, name: str) -> bool:
        """Whether any rank has raised the flag for the coming round."""
        return self._has(f"{self._round}/flag/{name}")

    def count(self, name: str, more: int) -> int:
        """Adds to a number that belongs to the coming round; returns the sum over all ranks so far."""
        try:
            return int(self._store.add(f"{self._round}/count/{name}", more))
        except RuntimeError as error:
            raise _lost([0]) from error

    def close(self, failed: bool) -> None:
        """Leaves. Rank 0, which may hold the store, stays until the others have read all they need.

        Args:
            failed: leave at once, so that the others notice.
        """
        try:
            if not failed:
                self._set(f"left/{self._rank}", "1")
            if not failed and self._rank == 0:
                deadline = time.monotonic() + _GRACE
                for rank in range(1, self._world):
                    while not self._links.lost(rank) and not self._has(f"left/{rank}"):
                        if not self._links.known(rank) and time.monotonic() > deadline:
                            break
                        time.sleep(_FIRST_LOOK)
        except UserError:
            # The store went with rank 0, which leaves last or has failed: there is nobody left to tell.
            pass
        finally:
            self._links.close()

    def _key(self, rank: int, number: int | None = None) -> str:
        return f"{self._round if number is None else number}/said/{rank}"

    def _set(self, key: str, value: str) -> None:
        try:
            self._store.set(key, value)
        except RuntimeError as error:
            raise _lost([0]) from error

    def _get(self, key: str) -> str:
        try:
            return self._store.get(key).decode()
        except RuntimeError as error:
            raise _lost([0]) from error

    def _has(self, key: str) -> bool:
        # Unlike get or wait, this never holds the connection, which NCCL's watchdog shares.
        try:
            return bool(self._store.check([key]))
        except RuntimeError as error:
            raise _lost([0]) from error

    def _forget(self, key: str) -> None:
        try:
            self._store.delete_key(key)
        except RuntimeError as error:
            raise _lost([0]) from error


def _lost(ranks: list[int]) -> UserError:
    who = f"rank {ranks[0]} has" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))} have"
    return UserError(
        "rank-lost",
        f"{who} ended while the other ranks waited for it",
        "its own message says why; run the same command again to go on from the last saved state",
    )
