"""Continuous batching: requests join as soon as there is room, take steps together, and leave when they are done."""

from __future__ import annotations

from collections import deque

from .batch import BatchedSequence, SequenceBatch
from .decoder import Decoder
from .drafting import Drafter, Drafting, begin, run_round
from .prefix_cache import PrefixCache
from .request import DecodeRequest, DraftCounts, Finish


class Scheduler:
    """Decodes requests greedily, with a draft or without. Not thread-safe: one thread submits and steps.

    Args:
        target: the model.
        max_rows: most sequences at a time.
        drafting: given, speculative decoding; the ids stay the same.
        prefix_bytes: how much of finished sequences to keep for later prompts that begin like them.
    """

    def __init__(self, target: Decoder, max_rows: int, drafting: Drafting | None = None, prefix_bytes: int = 0) -> None:
        self.target = target
        self.drafting = drafting
        self.prefixes = PrefixCache(prefix_bytes, whole_only=target.hybrid) if prefix_bytes else None
        self.batch = SequenceBatch(target, max_rows, drafting.capture if drafting else (), self.prefixes)
        self.waiting: deque[DecodeRequest] = deque()
        self._requests: dict[BatchedSequence, DecodeRequest] = {}
        self._drafters: dict[BatchedSequence, Drafter] = {}

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.waiting or self.batch.sequences)

    @property
    def running(self) -> int:
        """Sequences in the batch."""
        return len(self.batch.sequences)

    def submit(self, request: DecodeRequest) -> None:
        """Queues a request."""
        self.waiting.append(request)

    def run(self) -> None:
        """Works until nothing is left."""
        while self.busy:
            self.step()

    def step(self) -> None:
        """Lets waiting requests in, then advances every sequence by one step."""
        self._drop_cancelled()
        while self.waiting and self.batch.free:
            self._admit(self.waiting.popleft())
        if not self.batch.sequences:
            return
        requests = [self._requests[sequence] for sequence in self.batch.sequences]
        anchors = [request.ids[-1] for request in requests]
        if self.drafting is None:
            for request, token in zip(requests, self.batch.step(anchors), strict=True):
                request.take([token])
        else:
            drafters = [self._drafters[sequence] for sequence in self.batch.sequences]
            for request, drafter, result in zip(
                requests, drafters, run_round(self.batch, self.drafting, drafters, anchors), strict=True
            ):
                taken = request.take(result.tokens)
                assert request.drafts is not None
                request.drafts.proposed += drafter.block_size - 1
                request.drafts.matched.append(result.matched)
                request.drafts.accepted.append(min(taken, result.matched))
        for sequence in list(self.batch.sequences):
            self._after(sequence)

    def clear_prefixes(self) -> None:
        """Forgets the prefix cache and the image features."""
        if self.prefixes is not None:
            self.prefixes.clear()
        self.target.vision.forget()

    def abort_all(self, message: str) -> None:
        """Ends everything that runs or waits."""
        for request in [*self.waiting, *self._requests.values()]:
            request.finish = Finish("abort", message=message)
            request.report()
        self.waiting.clear()
        self._requests.clear()
        self._drafters.clear()
        self.batch = SequenceBatch(self.target, self.batch.max_rows, self.batch.capture, self.prefixes)

    def _admit(self, request: DecodeRequest) -> None:
        sequence, token, captured = self.batch.join(request.prompt)
        request.cached_tokens = sequence.cached_tokens
        self._requests[sequence] = request
        if self.drafting is not None:
            assert captured is not None
            request.drafts = DraftCounts()
            self._drafters[sequence] = begin(self.drafting, sequence, captured)
        if request.max_new_tokens == 0:
            request.finish = Finish("length")
        else:
            request.take([token])
        self._after(sequence)

    def _after(self, sequence: BatchedSequence) -> None:
        request = self._requests[sequence]
        if request.finish is not None:
            # Before reporting: whoever hears of the end may send the next turn at once.
            self.batch.leave(sequence)
            del self._requests[sequence]
            self._drafters.pop(sequence, None)
        request.report()

    def _drop_cancelled(self) -> None:
        for request in [request for request in self.waiting if request.cancelled]:
            self.waiting.remove(request)
            self._abort(request)
        for sequence, request in list(self._requests.items()):
            if request.cancelled:
                self.batch.leave(sequence)
                del self._requests[sequence]
                self._drafters.pop(sequence, None)
                self._abort(request)

    @staticmethod
    def _abort(request: DecodeRequest) -> None:
        request.finish = Finish("abort", message="Aborted")
        request.report()
