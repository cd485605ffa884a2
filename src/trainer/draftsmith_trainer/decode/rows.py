"""Which matrix shapes to use so that a token's numbers do not depend on what else is in the batch.

A float32 matrix product on a CPU gives each output row the same bits whatever the number of rows, as long as there are
enough of them: below four rows per thread the libraries switch to a kernel that adds up in another order. The same is
true of attention, over the number of queries and, from a certain length, of keys (measured with oneMKL under torch
2.15: one thread from 4 rows, two from 12; keys from 384 in steps of 64). So short batches are filled up with rows of
zeros and the keys with masked ones. Then batch 1 and batch 16, prefill in one piece or after a cached prefix, a single
step and a verified block all give the same bits, and greedy near-ties cannot flip. It is cheap: a small model's step is
bound by reading weights and by Python, not by the extra rows.

It holds for dense models. Mixture-of-experts layers see as many rows as the router sends them, and gated delta-net
layers compute blocks and single steps by different formulas; those agree to rounding only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class RowRules:
    """Lower bounds and steps of matrix shapes.

    Attributes:
        min_rows: fewest rows of a matrix product (tokens in one forward).
        query_multiple: queries of one attention call are filled up to a multiple of this.
        key_floor: fewest keys of one attention call.
        key_multiple: keys are filled up to a multiple of this.
    """

    min_rows: int
    query_multiple: int
    key_floor: int
    key_multiple: int

    def forward_rows(self, rows: int, tokens: int) -> int:
        """Rows to run so that rows x tokens reaches ``min_rows``."""
        return max(rows, -(-self.min_rows // tokens))

    def queries(self, count: int) -> int:
        """Queries to run for ``count`` real ones."""
        return -(-count // self.query_multiple) * self.query_multiple

    def keys(self, count: int) -> int:
        """Keys to attend over for ``count`` real ones."""
        return max(self.key_floor, -(-count // self.key_multiple) * self.key_multiple)


#: No filling up: other devices choose kernels by other rules, and low precision flips near-ties anyway.
EXACT_SHAPES = RowRules(min_rows=1, query_multiple=1, key_floor=1, key_multiple=1)


def rules_for(device: torch.device, dtype: torch.dtype, hybrid: bool) -> RowRules:
    """The rules for a model: filled-up shapes for float32 on a CPU, unless it has recurrent (hybrid) layers."""
    if device.type != "cpu" or dtype != torch.float32 or hybrid:
        return EXACT_SHAPES
    return RowRules(min_rows=max(16, 8 * torch.get_num_threads()), query_multiple=4, key_floor=384, key_multiple=64)
