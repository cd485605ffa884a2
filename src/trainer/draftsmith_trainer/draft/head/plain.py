"""The plain head: every place of the block is read off the target's frozen lm_head on its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PlainHead(nn.Module):
    """No weights of its own. A head decides how block states become tokens; the loss asks the same head for its logits.

    Another head (a pairwise selector, a Markov bias) is one more class with these methods, registered in
    :mod:`draftsmith_trainer.draft.head`.
    """

    #: Maps this module's parameter names to those that engines look for; the plain head has none.
    export_prefix = ""

    @torch.no_grad()
    def propose(self, hidden: Tensor, anchor_ids: Tensor, lm_head: Tensor, chunk: int = 4096) -> Tensor:
        """Greedy tokens for places 1..B-1 of each block.

        Args:
            hidden: [..., B, H], the draft's output.
            anchor_ids: int64 [...], the token at place 0; heads that chain tokens need it, this one does not.
            lm_head: [V, H], the target's, frozen.
            chunk: places whose logits are alive at once.

        Returns:
            int64 [..., B - 1].
        """
        del anchor_ids
        wanted = hidden[..., 1:, :]
        flat = wanted.reshape(-1, wanted.shape[-1]).to(lm_head.dtype)
        ids = [(part @ lm_head.T).argmax(dim=-1) for part in flat.split(chunk)]
        return torch.cat(ids).view(wanted.shape[:-1]) if ids else wanted.new_zeros(wanted.shape[:-1], dtype=torch.int64)
