"""Messages between ranks through the process group's store, for waits that may be long.

A collective has a time-out (10 minutes for NCCL), after which it ends the process. That is right within a step, but not
where a rank waits for another that evaluates long rows or writes tens of gigabytes. Here a rank waits for as long as
the other process is alive.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from torch.distributed.distributed_c10d import Store

from ..base.errors import Interrupted, UserError
from .links import Links
from .pulse import Pulse

#: Seconds between two polls: short at first, since most waits are short.
_FIRST_POLL, _LONGEST_POLL = 0.002, 0.2
#: The same for :meth:`Board.meet`, which every step calls; a share of the time waited so far bounds the delay.
_SHORTEST_POLL, _POLL_SHARE = 0.0005, 1 / 16
#: Seconds to wait, after a stop was requested, for ranks on other machines, which may or may not be alive.
_GRACE = 60.0
#: The key under which ranks on other machines learn which rank has died.
_DIED = "died"


class Board:
    """A message board for ranks. All ranks must make the same calls of :meth:`gather` in the same order."""

    def __init__(self, store: Store, rank: int, world: int) -> None:
        self._store, self._rank, self._world = store, rank, world
        self._links = Links(store, rank, world)
        self._pulse = Pulse(store, rank, self._links.machines)
        self._round = self._meeting = 0

    def gather(
        self,
        message: str,
        asked: Callable[[], bool] | None = None,
        waiting: Callable[[list[int]], None] | None = None,
    ) -> list[str]:
        """Every rank's message of this round; waits for the missing ones as long as their processes are alive.

        Args:
            asked: whether this process was asked to stop; if so, the wait for other machines is limited.
            waiting: called at every poll with the ranks whose message is missing.

        Raises:
            UserError: ``rank-lost`` when a rank has ended without leaving a message.
            Interrupted: after a stop was requested, when ranks on other machines do not answer.
        """
        found = {self._rank: message}
        self._set(self._key(self._rank), message)
        pause, deadline = _FIRST_POLL, None
        while missing := [rank for rank in range(self._world) if rank not in found]:
            # Checked before looking for its message: a rank may leave a message and exit in between.
            lost = [rank for rank in missing if self._links.lost(rank)]
            for rank in missing:
                if self._has(self._key(rank)):
                    found[rank] = self._get(self._key(rank))
            gone = [rank for rank in lost if rank not in found]
            if gone:
                raise _left(gone, asked)
            if len(found) == self._world:
                break
            if waiting is not None:
                waiting([rank for rank in missing if rank not in found])
            if asked is not None and asked():
                deadline = deadline or time.monotonic() + _GRACE
                if time.monotonic() > deadline and not any(map(self._links.known, missing)):
                    raise Interrupted
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL)
        if self._round:
            # All ranks have reached this round, so no one reads the previous one any more.
            self._forget(self._key(self._rank, self._round - 1))
        self._round += 1
        return [found[rank] for rank in range(self._world)]

    def meet(self, asked: Callable[[], bool] | None = None) -> None:
        """Waits for every rank like :meth:`gather`, but cheaply enough for every step: one request, then polls.

        Called before a collective, so that ranks wait here, without a time-out, and not in the collective.

        Raises:
            UserError, Interrupted: as :meth:`gather`.
        """
        key, began = f"meeting/{self._meeting}", time.monotonic()
        here, others = self._add(key, 1), [rank for rank in range(self._world) if rank != self._rank]
        while here < self._world:
            waited = time.monotonic() - began
            time.sleep(min(_LONGEST_POLL, max(_SHORTEST_POLL, _POLL_SHARE * waited)))
            # Checked before reading the count: a rank may arrive, continue and exit in between.
            gone = [rank for rank in others if self._links.lost(rank)]
            here = self._add(key, 0)
            if here < self._world and gone:
                raise _left(gone, asked)
            if asked is not None and asked() and waited > _GRACE and not any(map(self._links.known, others)):
                raise Interrupted
        if self._meeting and self._rank == 0:
            # All ranks have arrived, so no one polls the previous meeting any more.
            self._forget(f"meeting/{self._meeting - 1}")
        self._meeting += 1

    def call(self, name: str) -> None:
        """Raises a flag that all ranks can see until the next round is over."""
        self._set(f"{self._round}/flag/{name}", "1")

    def called(self, name: str) -> bool:
        """Whether any rank has raised the flag for the next round."""
        return self._has(f"{self._round}/flag/{name}")

    def count(self, name: str, more: int) -> int:
        """Adds to a counter of the next round; returns the sum over all ranks so far."""
        return self._add(f"{self._round}/count/{name}", more)

    def trouble(self) -> UserError | None:
        """Why the run cannot continue: a rank on this machine, one reported by another machine, or a machine has ended.

        For a thread other than the one that waits; never blocks.
        """
        try:
            for rank in range(self._world):
                if self._links.lost(rank) and not self._has(_left_key(rank)):
                    self._set(_DIED, f"{rank} {socket.gethostname()}")
                    return _lost([rank])
            if self._has(_DIED):
                rank_text, _, host = self._get(_DIED).partition(" ")
                return _lost([int(rank_text)], host)
            silent = self._pulse.beat()
        except UserError as error:
            return error
        except RuntimeError:
            return _lost([0])
        return _lost(silent, self._links.hosts[silent[0]]) if silent else None

    def close(self, failed: bool) -> None:
        """Leaves the board. Rank 0, which may host the store, stays until the others have left.

        Args:
            failed: leave at once, so that the other ranks notice.
        """
        try:
            if not failed:
                self._set(_left_key(self._rank), "1")
            if not failed and self._rank == 0:
                deadline = time.monotonic() + _GRACE
                for rank in range(1, self._world):
                    while not self._links.lost(rank) and not self._has(_left_key(rank)):
                        if not self._links.known(rank) and time.monotonic() > deadline:
                            break
                        time.sleep(_FIRST_POLL)
        except UserError:
            # The store is gone, and with it rank 0, which leaves last or has failed: there is no one left to tell.
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
        # Unlike get and wait, check does not block the connection, which NCCL's watchdog shares.
        try:
            return bool(self._store.check([key]))
        except RuntimeError as error:
            raise _lost([0]) from error

    def _add(self, key: str, more: int) -> int:
        try:
            return int(self._store.add(key, more))
        except RuntimeError as error:
            raise _lost([0]) from error

    def _forget(self, key: str) -> None:
        try:
            self._store.delete_key(key)
        except RuntimeError as error:
            raise _lost([0]) from error


def _left(ranks: list[int], asked: Callable[[], bool] | None) -> Exception:
    """Why others are gone: a stop reaches ranks one after the other, and one that loads or compiles leaves at once."""
    return Interrupted() if asked is not None and asked() else _lost(ranks)


def _left_key(rank: int) -> str:
    return f"left/{rank}"


def _lost(ranks: list[int], host: str | None = None) -> UserError:
    who = f"rank {ranks[0]} has" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))} have"
    return UserError(
        "rank-lost",
        f"{who} ended on {host or socket.gethostname()} while other ranks were waiting",
        "that rank's own message says why; run the same command again to continue from the last saved state",
    )
