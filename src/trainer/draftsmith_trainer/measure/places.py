"""What the draft's own distributions say at each place of its blocks: rank and loss of the right token, confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data.shards import Ints
from ..kernels.products import linear

#: Logits alive at once, in elements.
_BUDGET = {"cpu": 16 * 2**20, "cuda": 160 * 2**20}
#: Ranks are counted up to this one.
WORST_RANK = 2**15 - 1


@dataclass(frozen=True)
class PlaceMarks:
    """Marks of N blocks at places 1..B-1, each [N, B-1]; only entries inside a response mean anything.

    They are those of the backbone's logits, the same for every drafting algorithm: the candidates that an algorithm may
    choose from, and how sure the backbone is of its choice.

    Attributes:
        ranks: int16, tokens that the draft ranks before the right one (of equal logits the lower id is first).
        losses: fp32, cross-entropy of the right token in nats.
        confidence: fp32, probability that the draft gives the token that it proposed.
    """

    ranks: Ints
    losses: Ints
    confidence: Ints

    def rows(self, start: int, end: int) -> PlaceMarks:
        """Those of blocks ``start`` .. ``end`` - 1."""
        return PlaceMarks(self.ranks[start:end], self.losses[start:end], self.confidence[start:end])


def blank_marks(blocks: int, places: int) -> PlaceMarks:
    """Marks to be filled in."""
    shape = (blocks, places)
    return PlaceMarks(np.zeros(shape, np.int16), np.zeros(shape, np.float32), np.zeros(shape, np.float32))


@torch.no_grad()
def place_marks(hidden: Tensor, proposed: Tensor, places: Tensor, labels: Tensor, lm_head: Tensor) -> PlaceMarks:
    """Marks of the labeled places of blocks.

    Args:
        hidden: [N, B, H], the draft's output. proposed: int64 [N, B-1], its tokens.
        places: int64 [P], n * B + k. labels: int64 [P], the right tokens there.
        lm_head: [V, H].
    """
    blocks, size, _ = hidden.shape
    ranks = torch.zeros(blocks * size, dtype=torch.int16, device=hidden.device)
    losses, confidence = (torch.zeros(blocks * size, device=hidden.device) for _ in range(2))
    flat = hidden.flatten(0, 1)
    said = torch.nn.functional.pad(proposed.to(hidden.device), (1, 0)).flatten()
    below = torch.arange(lm_head.shape[0], device=hidden.device)
    chunk = max(1, _BUDGET[hidden.device.type] // lm_head.shape[0])
    for at, wanted in zip(places.split(chunk), labels.split(chunk), strict=True):
        logits = linear(flat[at].to(lm_head.dtype), lm_head)
        right = logits.gather(1, wanted[:, None])
        before = torch.where(below < wanted[:, None], logits >= right, logits > right).sum(dim=1)
        norm = logits.float().logsumexp(dim=1)
        ranks[at] = before.clamp(max=WORST_RANK).to(torch.int16)
        losses[at] = norm - right[:, 0].float()
        confidence[at] = (logits.gather(1, said[at][:, None])[:, 0].float() - norm).exp()
    return PlaceMarks(*(one.view(blocks, size)[:, 1:].cpu().numpy() for one in (ranks, losses, confidence)))
