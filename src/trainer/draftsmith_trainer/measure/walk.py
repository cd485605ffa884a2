"""The exact walk: replays greedy speculative decoding with a draft from teacher-forced blocks.

The rows are the target's own greedy output, so a verified token is simply the next token of the row. From anchor p, a
draft whose first a tokens are correct advances the engine to p + a + 1: a drafted tokens and one from the target.
"""

from __future__ import annotations

import numpy as np
import torch

from ..data.shards import Ints


def correct_prefix(proposed: torch.Tensor, input_ids: Ints, anchors: Ints, end: Ints | int) -> Ints:
    """Length of each block's correct prefix of drafted tokens, int64 [N].

    Drafted tokens past the response's end are not counted, because the engine has stopped there.

    Args:
        proposed: int64 [N, B-1]. input_ids: [S]. anchors: [N], each < end - 1.
        end: the response's end, exclusive; one for all or [N].
    """
    places = anchors[:, None] + np.arange(1, proposed.shape[1] + 1)
    inside = places < np.asarray(end).reshape(-1, 1)
    wanted = input_ids[np.minimum(places, len(input_ids) - 1)]
    right = (proposed.cpu().numpy() == wanted) & inside
    prefix: Ints = np.logical_and.accumulate(right, axis=1).sum(axis=1)
    return prefix


def walk(start: int, end: int, prefix: Ints) -> list[int]:
    """The number of accepted tokens in each step over one response.

    Starts at the first response token, which prefill yields; ends when the last token is known.

    Args:
        start, end: the response, end exclusive.
        prefix: ``prefix[i]`` is the correct prefix at anchor ``start + i``, for i = 0 .. end - start - 2.
    """
    steps, at = [], start
    while at < end - 1:
        accepted = int(prefix[at - start])
        steps.append(accepted)
        at += accepted + 1
    return steps
