"""Continuous batching: requests join as soon as there is room, advance together, and leave when they finish."""

from __future__ import annotations

from collections import deque

from .batch import BatchedSequence, Joined, SequenceBatch
from .decoder import Decoder
from .drafting import Drafting, Speculation
from .prefix_cache import PrefixCache
from .request import DecodeRequest, DraftCounts, Finish

#: Tokens of the prompts that join in one forward: enough for its products to be worth their weights, few enough for
#: running answers not to wait long. A longer prompt comes alone.
PREFILL_TOKENS = 512


class Scheduler:
    """Decodes requests greedily, with or without a draft. Not thread-safe: one thread submits and steps.

    Args:
        target: the model.
        max_rows: maximum number of sequences in a batch.
        drafting: turns on speculative decoding, which gives the same ids.
        prefix_bytes: size of the prefix cache, which keeps states of finished sequences; 0 for none.
        capture: without a draft, the layers whose outputs requests may ask for.
    """

    def __init__(
        self,
        target: Decoder,
        max_rows: int,
        drafting: Drafting | None = None,
        prefix_bytes: int = 0,
        capture: tuple[int, ...] = (),
    ) -> None:
        self.target = target
        self.drafting = drafting
        self.prefixes = PrefixCache(prefix_bytes, whole_only=target.hybrid) if prefix_bytes else None
        self.batch = SequenceBatch(target, max_rows, drafting.capture if drafting else capture, self.prefixes)
        self.waiting: deque[DecodeRequest] = deque()
        self._requests: dict[BatchedSequence, DecodeRequest] = {}
        self._speculation = Speculation(drafting, self.batch) if drafting else None

    @property
    def busy(self) -> bool:
        """Whether any request runs or waits."""
        return bool(self.waiting or self.batch.sequences)

    @property
    def running(self) -> int:
        """Number of sequences in the batch."""
        return len(self.batch.sequences)

    def submit(self, request: DecodeRequest) -> None:
        """Queues a request."""
        self.waiting.append(request)

    def run(self) -> None:
        """Steps until all requests are finished."""
        while self.busy:
            self.step()

    def step(self) -> None:
        """Lets waiting requests in, and advances every running sequence."""
        self._drop_cancelled()
        coming = self._next_requests()
        if self._speculation is None:
            self._advance(coming)
        else:
            self._advance(coming, alone=True)
            self._round(self._speculation)

    def clear_prefixes(self) -> None:
        """Empties the prefix cache and drops cached image features."""
        if self.prefixes is not None:
            self.prefixes.clear()
        self.target.vision.forget()

    def abort_all(self, message: str) -> None:
        """Aborts all running and waiting requests."""
        for request in [*self.waiting, *self._requests.values()]:
            request.finish = Finish("abort", message=message)
            request.report()
        self.waiting.clear()
        self._requests.clear()
        self.batch = SequenceBatch(self.target, self.batch.max_rows, self.batch.capture, self.prefixes)
        if self.drafting is not None:
            self._speculation = Speculation(self.drafting, self.batch)

    def _next_requests(self) -> list[DecodeRequest]:
        """Waiting requests for which there is room, until their prompts have ``PREFILL_TOKENS`` tokens together."""
        coming: list[DecodeRequest] = []
        tokens = 0
        while self.waiting and len(coming) < self.batch.free and tokens < PREFILL_TOKENS:
            coming.append(self.waiting.popleft())
            tokens += len(coming[-1].prompt)
        return coming

    def _advance(self, coming: list[DecodeRequest], alone: bool = False) -> None:
        """Prefills requests, and in the same forward feeds each running sequence its last token, unless ``alone``."""
        running = [] if alone else list(self.batch.sequences)
        if not coming and not running:
            return
        fed = [self._requests[sequence].ids[-1] for sequence in running]
        try:
            joined, tokens = self.batch.advance([request.prompt for request in coming], fed)
        except Exception:
            # Whoever handles this ends all requests, these among them.
            self.waiting.extendleft(reversed(coming))
            raise
        # Before anything else can fail: abort_all reaches only those that wait or are known here.
        self._requests.update((start.sequence, request) for request, start in zip(coming, joined, strict=True))
        for sequence, token in zip(running, tokens, strict=True):
            self._requests[sequence].take([token])
        for request, start in zip(coming, joined, strict=True):
            self._admit(request, start)
        for sequence in [*running, *(start.sequence for start in joined)]:
            self._after(sequence)

    def _round(self, speculation: Speculation) -> None:
        """Drafts and verifies one block for every sequence."""
        sequences = list(self.batch.sequences)
        if not sequences:
            return
        requests = [self._requests[sequence] for sequence in sequences]
        results = speculation.run_round([request.ids[-1] for request in requests])
        for request, result in zip(requests, results, strict=True):
            taken = request.take(result.tokens)
            assert request.drafts is not None
            request.drafts.proposed += speculation.proposed
            request.drafts.matched.append(result.matched)
            request.drafts.accepted.append(min(taken, result.matched))
        for sequence in sequences:
            self._after(sequence)

    def _admit(self, request: DecodeRequest, start: Joined) -> None:
        sequence = start.sequence
        request.cached_tokens = sequence.cached_tokens
        if request.wants_states:
            request.states = start.captured
        if self._speculation is not None:
            request.drafts = DraftCounts()
            self._speculation.join(start)
        if request.max_new_tokens == 0:
            request.finish = Finish("length")
        else:
            request.take([start.first])

    def _after(self, sequence: BatchedSequence) -> None:
        request = self._requests[sequence]
        if request.finish is not None:
            # Before reporting: the client may send the next turn as soon as it learns of the end.
            self._leave(sequence)
        request.report()

    def _leave(self, sequence: BatchedSequence) -> None:
        if self._speculation is not None:
            self._speculation.leave(sequence)
        self.batch.leave(sequence)
        del self._requests[sequence]

    def _drop_cancelled(self) -> None:
        for request in [request for request in self.waiting if request.cancelled]:
            self.waiting.remove(request)
            self._abort(request)
        for sequence, request in list(self._requests.items()):
            if request.cancelled:
                self._leave(sequence)
                self._abort(request)

    @staticmethod
    def _abort(request: DecodeRequest) -> None:
        request.finish = Finish("abort", message="Aborted")
        request.report()
