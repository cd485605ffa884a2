"""Drafting for one sequence, step by step: the minimal form of what an engine does with a draft."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .attend import CachedAttend
from .layers import KeyValue
from .model import DFlashDraft

#: Block states [1, B, H] and the anchor's token int64 [1] -> drafted tokens int64 [1, B - 1].
Propose = Callable[[Tensor, Tensor], Tensor]


class BlockDrafter:
    """Caches the projected keys and values of the context and drafts one block after another.

    The context holds the target's captured states of positions 0..p-1, strictly before the anchor: the token at p is
    known (the target has just generated it), but its states are not. The block starts at p.

    Args:
        draft: in eval mode, on the embedding's device.
        embed_weight: [V, H], the target's embedding.
        propose: the algorithm's function from block states to tokens.
    """

    def __init__(self, draft: DFlashDraft, embed_weight: Tensor, propose: Propose) -> None:
        self.model = draft
        self.block_size = draft.config.block_size
        self._embed, self._propose = embed_weight, propose
        self._attend = CachedAttend(self.block_size)
        self._dtype = draft.fc.weight.dtype
        mask = torch.full((1, self.block_size), draft.config.mask_token_id, device=embed_weight.device)
        self._block_ids = mask
        self._store: list[KeyValue] = []
        self.reset()

    @property
    def length(self) -> int:
        """Number of cached context positions; also the position of the next anchor."""
        return self._length

    def reset(self) -> None:
        """Clears the context."""
        self._length = 0
        self._next = 0

    @torch.no_grad()
    def extend(self, captured: Tensor, positions: Tensor | None = None) -> None:
        """Appends context states.

        Args:
            captured: [n, K*H], the target's layer outputs of the next n positions, concatenated in the order of
                ``target_layer_ids``. Final positions only: the cache cannot be rolled back.
            positions: int64 [3, n], the target's own positions; for mrope drafts with images, otherwise None.
        """
        count = captured.shape[0]
        if count == 0:
            return
        if positions is None:
            positions = torch.arange(self._next, self._next + count, device=captured.device)[None]
        else:
            positions = positions[:, None]
        fresh = self.model.context_keys(captured[None].to(self._dtype), positions)
        self._reserve(self._length + count, fresh)
        for kept, new in zip(self._store, fresh, strict=True):
            for room, part in zip(kept, new, strict=True):
                room[:, :, self._length : self._length + count] = part
        self._length += count
        self._next = int(positions.max()) + 1

    @torch.no_grad()
    def draft(self, anchor_id: int) -> Tensor:
        """Greedy tokens for the B-1 positions after the anchor, int64 [B - 1], on the draft's device.

        Args:
            anchor_id: the token at position :attr:`length`.
        """
        ids = self._block_ids.clone()
        ids[0, 0] = anchor_id
        context = [(k[:, :, : self._length], v[:, :, : self._length]) for k, v in self._context()]
        positions = torch.arange(self._next, self._next + self.block_size, device=ids.device)[None]
        noise = self._embed[ids].to(self._dtype)
        hidden = self.model.blocks(noise, context, positions, self._attend)
        return self._propose(hidden, ids[:, 0])[0]

    def _context(self) -> list[KeyValue]:
        if self._store:
            return self._store
        config, device = self.model.config, self._embed.device
        empty = torch.empty(1, config.num_key_value_heads, 0, config.head_dim, dtype=self._dtype, device=device)
        return [(empty, empty)] * config.num_hidden_layers

    def _reserve(self, needed: int, like: list[KeyValue]) -> None:
        """Ensures capacity for ``needed`` positions, doubling it so that a long answer is not copied at every step."""
        room = self._store[0][0].shape[2] if self._store else 0
        if needed <= room:
            return
        size = max(needed, 2 * room, 256)
        grown: list[KeyValue] = []
        for i, (keys, values) in enumerate(like):
            shape = (*keys.shape[:2], size, keys.shape[3])
            pair = (keys.new_empty(shape), values.new_empty(shape))
            for old, new in zip(self._store[i] if self._store else (), pair, strict=False):
                new[:, :, : self._length] = old[:, :, : self._length]
            grown.append(pair)
        self._store = grown
