"""Continuous batching: jobs join as soon as there is room, take steps together, and leave when they are done."""

from __future__ import annotations

from collections import deque

from .batch import Batch, Row
from .drafting import Drafter, Drafting, begin, run_round
from .job import DraftCounts, Finish, Job
from .prefix_cache import PrefixCache
from .target import Target


class Scheduler:
    """Decodes jobs greedily, with a draft or without. Not thread-safe: one thread submits and steps.

    Args:
        target: the model.
        max_rows: most sequences at a time.
        drafting: given, speculative decoding; the ids stay the same.
        prefix_bytes: how much of finished sequences to keep for later prompts that begin like them.
    """

    def __init__(self, target: Target, max_rows: int, drafting: Drafting | None = None, prefix_bytes: int = 0) -> None:
        self.target = target
        self.drafting = drafting
        self.prefixes = PrefixCache(prefix_bytes, whole_only=target.hybrid) if prefix_bytes else None
        self.batch = Batch(target, max_rows, drafting.capture if drafting else (), self.prefixes)
        self.waiting: deque[Job] = deque()
        self._jobs: dict[Row, Job] = {}
        self._drafters: dict[Row, Drafter] = {}

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.waiting or self.batch.rows)

    @property
    def running(self) -> int:
        """Sequences in the batch."""
        return len(self.batch.rows)

    def submit(self, job: Job) -> None:
        """Queues a job."""
        self.waiting.append(job)

    def run(self) -> None:
        """Works until nothing is left."""
        while self.busy:
            self.step()

    def step(self) -> None:
        """Lets waiting jobs in, then advances every sequence by one step."""
        self._drop_cancelled()
        while self.waiting and self.batch.free:
            self._admit(self.waiting.popleft())
        if not self.batch.rows:
            return
        jobs = [self._jobs[row] for row in self.batch.rows]
        anchors = [job.ids[-1] for job in jobs]
        if self.drafting is None:
            for job, token in zip(jobs, self.batch.step(anchors), strict=True):
                job.take([token])
        else:
            drafters = [self._drafters[row] for row in self.batch.rows]
            for job, drafter, result in zip(
                jobs, drafters, run_round(self.batch, self.drafting, drafters, anchors), strict=True
            ):
                taken = job.take(result.tokens)
                assert job.drafts is not None
                job.drafts.proposed += drafter.block_size - 1
                job.drafts.matched.append(result.matched)
                job.drafts.accepted.append(min(taken, result.matched))
        for row in list(self.batch.rows):
            self._after(row)

    def clear_prefixes(self) -> None:
        """Forgets the prefix cache and the image features."""
        if self.prefixes is not None:
            self.prefixes.clear()
        self.target.vision.forget()

    def abort_all(self, message: str) -> None:
        """Ends everything that runs or waits."""
        for job in [*self.waiting, *self._jobs.values()]:
            job.finish = Finish("abort", message=message)
            job.report()
        self.waiting.clear()
        self._jobs.clear()
        self._drafters.clear()
        self.batch = Batch(self.target, self.batch.max_rows, self.batch.capture, self.prefixes)

    def _admit(self, job: Job) -> None:
        row, token, captured = self.batch.join(job.prompt)
        job.cached_tokens = row.cached_tokens
        self._jobs[row] = job
        if self.drafting is not None:
            assert captured is not None
            job.drafts = DraftCounts()
            self._drafters[row] = begin(self.drafting, row, captured)
        if job.max_new_tokens == 0:
            job.finish = Finish("length")
        else:
            job.take([token])
        self._after(row)

    def _after(self, row: Row) -> None:
        job = self._jobs[row]
        if job.finish is not None:
            # Before reporting: whoever hears of the end may send the next turn at once.
            self.batch.leave(row)
            del self._jobs[row]
            self._drafters.pop(row, None)
        job.report()

    def _drop_cancelled(self) -> None:
        for job in [job for job in self.waiting if job.cancelled]:
            self.waiting.remove(job)
            self._abort(job)
        for row, job in list(self._jobs.items()):
            if job.cancelled:
                self.batch.leave(row)
                del self._jobs[row]
                self._drafters.pop(row, None)
                self._abort(job)

    @staticmethod
    def _abort(job: Job) -> None:
        job.finish = Finish("abort", message="Aborted")
        job.report()
