"""Matrix shapes that make a token's results independent of the rest of the batch, bit for bit.

In a float32 matrix product on a CPU, an output row has the same bits for any number of rows, provided there are enough:
oneDNN (``linear``) needs 2, while MKL, below four rows per thread, uses a kernel with another order of summation. MKL
sums a long inner dimension, such as the keys of attention, in pieces: of 192 from 384 on, but of half the length
between 192 and 384 (torch 2.15; results are stable from 4 rows with one thread, from 12 with two). So short batches are
padded with rows of zeros, queries with zeros, and keys with masked ones, to 192 or to at least 384. Then the bits are
equal for batch 1 and batch 16, for a prefill in one piece, beside others and after a cached prefix, and for a single
step and a verified block, and greedy near-ties cannot flip. ``bits_hold`` checks whether this machine's libraries
behave this way.

This applies to dense models. A mixture-of-experts layer computes as many rows as the router sends to each expert, and
gated delta-net layers use different formulas for blocks and for single steps; there results agree up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .linear import Product


@dataclass(frozen=True)
class RowRules:
    """Minimum sizes and multiples of matrix shapes.

    Attributes:
        min_rows: minimum number of rows of a matrix product (tokens in one forward pass).
        query_multiple: the queries of an attention call are padded to a multiple of this.
        key_piece: keys are padded to this number; more keys, to at least twice this and a multiple of
            ``key_multiple``.
        key_multiple: see ``key_piece``.
    """

    min_rows: int
    query_multiple: int
    key_piece: int
    key_multiple: int

    def forward_rows(self, rows: int, tokens: int) -> int:
        """The number of rows to run, so that rows x tokens reaches ``min_rows``."""
        return max(rows, -(-self.min_rows // tokens))

    def queries(self, count: int) -> int:
        """The padded number of queries."""
        return -(-count // self.query_multiple) * self.query_multiple

    def keys(self, count: int) -> int:
        """The padded number of keys."""
        if count <= self.key_piece:
            return self.key_piece
        return max(2 * self.key_piece, -(-count // self.key_multiple) * self.key_multiple)


#: No padding: other devices choose kernels by other rules, and in low precision near-ties flip anyway.
EXACT_SHAPES = RowRules(min_rows=1, query_multiple=1, key_piece=0, key_multiple=1)


def rules_for(device: torch.device, dtype: torch.dtype, hybrid: bool, packed: bool) -> RowRules:
    """The rules for a model: filled-up shapes for float32 on a CPU, unless it has recurrent (hybrid) layers.

    ``packed``: whether its products are oneDNN's (see ``linear``), which are regular from 2 rows on.
    """
    if device.type != "cpu" or dtype != torch.float32 or hybrid:
        return EXACT_SHAPES
    fewest = 4 if packed else max(16, 8 * torch.get_num_threads())
    return RowRules(min_rows=fewest, query_multiple=4, key_piece=192, key_multiple=64)


@cache
def bits_hold(threads: int, packed: bool) -> bool:
    """Tries the promise above on this machine, with as many torch threads as are set now (``threads``, for the cache).

    Some products of the sizes that small targets have; a few milliseconds. ``packed``: see :func:`rules_for`.
    """
    rules = rules_for(torch.device("cpu"), torch.float32, hybrid=False, packed=packed)
    assert threads == torch.get_num_threads()
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    for inner, outer in ((64, 128), (256, 768), (768, 256), (256, 2048)):
        x, product = random(300, inner), Product(random(outer, inner), packed=packed)
        whole = product(x)
        for rows in (rules.min_rows, rules.min_rows + 1, 2 * rules.min_rows + 3, 129):
            if not torch.equal(product(x[:rows]), whole[:rows]):
                return False
    query, key, value = random(1, 2, 64, 64), random(1, 2, 1024, 64), random(1, 2, 1024, 64)
    for count in (100, 180, 300, 500):
        mask = torch.zeros(1, 1, 64, 1024)
        mask[..., count:] = float("-inf")
        whole = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        for queries in (4, 8, 36):
            keys = rules.keys(count)
            part = F.scaled_dot_product_attention(
                query[:, :, :queries], key[:, :, :keys], value[:, :, :keys], attn_mask=mask[:, :, :queries, :keys]
            )
            if not torch.equal(part, whole[:, :, :queries]):
                return False
    return True
