"""Drafts for all rows of a batch in one pass of the draft model, over a cache of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from draftsmith_trainer.algorithms.registry import algorithm_of
from draftsmith_trainer.draft.layers import KeyValue
from draftsmith_trainer.draft.masks import context_mask, inner_mask
from draftsmith_trainer.draft.model import DFlashDraft
from torch import Tensor

from .attention import attend, packed_mask
from .cache import KeyRows
from .drafting import Seen
from .rows import RowRules


class DraftRows:
    """The draft's context keys and values of all rows, from which it drafts one block per row.

    A row holds the projected captured states of its positions; during a pass, the block's own keys follow them. Shapes
    are padded by ``rules``, so that a draft does not depend on the other rows of the batch.

    Args:
        draft: in eval mode.
        embed, lm_head: [V, H], the target's.
        rows: maximum number of rows.
        rules: how to pad shapes.
    """

    def __init__(self, draft: DFlashDraft, embed: Tensor, lm_head: Tensor, rows: int, rules: RowRules) -> None:
        self._draft, self._embed, self._lm_head, self._rules = draft, embed, lm_head, rules
        self._algorithm = algorithm_of(draft.config)
        self._dtype, config = draft.norm.weight.dtype, draft.config
        self.block_size = config.block_size
        self._lengths: list[int] = []
        self._next: list[int] = []
        # Rows that only fill a matrix up need a place to write to.
        room = max(rows, rules.forward_rows(1, config.block_size))
        like = torch.empty(0, dtype=self._dtype, device=embed.device)
        self._keys = KeyRows(config.num_hidden_layers, room, config.num_key_value_heads, config.head_dim, like)

    def join(self, row: int, seen: Seen) -> None:
        """See :class:`.drafting.Drafters`."""
        assert row == len(self._lengths), "rows are consecutive"
        self._lengths.append(0)
        self._next.append(0)
        self._take([row], [seen])

    def extend(self, seen: Sequence[Seen]) -> None:
        """See :class:`.drafting.Drafters`."""
        self._take(range(len(seen)), seen)

    def leave(self, row: int, last: int) -> None:
        """See :class:`.drafting.Drafters`."""
        assert last == len(self._lengths) - 1, "rows are consecutive"
        length, following = self._lengths.pop(), self._next.pop()
        if row != last:
            self._keys.move(last, row, length)
            self._lengths[row], self._next[row] = length, following

    def draft(self, anchors: Sequence[int]) -> Tensor:
        """See :class:`.drafting.Drafters`."""
        rows, size, device = len(anchors), self.block_size, self._embed.device
        filled = self._rules.forward_rows(rows, size)
        rest = [0] * (filled - rows)
        ids = torch.full((filled, size), self._draft.config.mask_token_id, device=device)
        ids[:, 0] = torch.tensor([*anchors, *rest], device=device)
        place = torch.arange(size, device=device)
        positions = torch.tensor([*self._next, *rest], device=device)[:, None] + place
        lengths = torch.tensor([*self._lengths, *rest], device=device)
        seen = _Pass(self._draft, self._keys, self._rules, lengths, max(self._lengths) + size)
        contexts = [seen.context(number) for number in range(len(self._draft.layers))]
        hidden = self._draft.blocks(self._embed[ids].to(self._dtype), contexts, positions, seen)
        return self._algorithm.propose(self._draft, hidden, ids[:, 0], self._lm_head)[:rows]

    def _take(self, rows: Sequence[int], seen: Sequence[Seen]) -> None:
        """Projects the new states of several rows together and stores them."""
        device = self._embed.device
        counts = [len(one.captured) for one in seen]
        total = sum(counts)
        which = torch.tensor(rows, device=device).repeat_interleave(torch.tensor(counts, device=device))
        positions = [self._positions(row, one) for row, one in zip(rows, seen, strict=True)]
        starts = zip(rows, counts, strict=True)
        places = torch.cat([torch.arange(self._lengths[r], self._lengths[r] + n, device=device) for r, n in starts])
        captured = torch.cat([one.captured for one in seen]).to(self._dtype)
        fill = max(self._rules.min_rows - total, 0)
        joined = torch.cat(positions, dim=-1)
        fresh = self._draft.context_keys(F.pad(captured, (0, 0, 0, fill))[None], F.pad(joined, (0, fill)).unsqueeze(-2))
        for row, count, own in zip(rows, counts, positions, strict=True):
            self._lengths[row] += count
            self._next[row] = int(own.max()) + 1 if count else self._next[row]
        self._keys.reserve(self._rules.keys(max(self._lengths) + self.block_size))
        slots = self._keys.slots(which, places)
        for number, (keys, values) in enumerate(fresh):
            self._keys.write(number, slots, keys[0, :, :total].transpose(0, 1), values[0, :, :total].transpose(0, 1))

    def _positions(self, row: int, seen: Seen) -> Tensor:
        """Of new states: int64 [n], or [3, n] as the target gave them."""
        if seen.positions is not None:
            return seen.positions
        return torch.arange(self._next[row], self._next[row] + len(seen.captured), device=self._embed.device)


class _Pass:
    """Attention of one pass over blocks: called by the draft's layers in their order, once each."""

    def __init__(self, draft: DFlashDraft, keys: KeyRows, rules: RowRules, lengths: Tensor, longest: int) -> None:
        self._keys, self._rules, self._lengths = keys, rules, lengths
        self._size = draft.config.block_size
        self._seen = rules.keys(longest)
        self._groups = draft.config.num_attention_heads // draft.config.num_key_value_heads
        keys.reserve(self._seen)
        rows = torch.arange(len(lengths), device=lengths.device).repeat_interleave(self._size)
        places = lengths[:, None] + torch.arange(self._size, device=lengths.device)
        self._slots = keys.slots(rows, places.flatten())
        self._masks: dict[int | None, Tensor] = {}
        self._layer = 0

    def context(self, layer: int) -> KeyValue:
        """The keys and values of a layer, with room for the block."""
        return self._keys.view(layer, 0, len(self._lengths), self._seen)

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """See :class:`draft.layers.Attend`; q holds one block per row."""
        keys, values = (part.transpose(1, 2).flatten(0, 1) for part in block)
        self._keys.write(self._layer, self._slots, keys, values)
        self._layer += 1
        if window not in self._masks:
            self._masks[window] = packed_mask(self._visible(window), self._groups, self._rules, q)
        return attend(q, *context, self._masks[window])

    def _visible(self, window: int | None) -> Tensor:
        """What each place of a block sees, bool [R, B, T]: the row's context, and its own block behind it."""
        high = self._lengths
        before = context_mask(torch.zeros_like(high), high, self._size, self._seen, window)
        place = torch.arange(self._seen, device=high.device) - high[:, None]
        inside = (place >= 0) & (place < self._size)
        own = inner_mask(self._size, window, high.device)[:, place.clamp(0, self._size - 1)].transpose(0, 1)
        return before | (own & inside[:, None])
