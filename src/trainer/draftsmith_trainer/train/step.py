"""One optimizer step: blocks, forward, loss over all ranks, backward, update."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..algorithms.algorithm import BlockOutputs
from ..algorithms.registry import algorithm_of
from ..base.errors import UserError
from ..data.blocks import draw_anchors, make_blocks
from ..data.shards import Row
from ..draft.model import DFlashDraft
from ..draft.passes import DraftModule, run_blocks
from ..losses import BlockLoss, LossRule
from ..parallel.device import Compute
from ..parallel.ranks import Ranks
from ..target import Target
from ..target.states import StateSource
from ..train.options import TrainOptions

#: Rows that a message names.
_ROWS_SHOWN = 8


@dataclass(frozen=True)
class StepResult:
    """What a step measured, over all ranks.

    Attributes:
        loss: weighted mean cross-entropy. accept: mean of 1 + correct prefix over the drawn blocks (teacher-forced, at
            random anchors: a hint, not an accept length of a walk).
        stop: highest value any rank passed to :meth:`Stepper.step` as ``stop``.
    """

    loss: float
    accept: float
    grad_norm: float
    stop: int


class Stepper:
    """Holds what every step needs.

    Args:
        module: the draft, wrapped for data parallelism when there are several ranks.
    """

    def __init__(
        self,
        target: Target,
        draft: DFlashDraft,
        module: DraftModule,
        source: StateSource,
        options: TrainOptions,
        compute: Compute,
        ranks: Ranks,
    ) -> None:
        self._target, self._draft, self._module, self._source = target, draft, module, source
        self._options, self._compute, self._ranks = options, compute, ranks
        self._algorithm = algorithm_of(draft.config)
        self._rule = LossRule(options.decay, options.dpace_alpha)
        self.optimizer = make_optimizer(draft, options)

    def step(self, rows: list[Row], epoch: int, lr: float, number: int, stop: int = 0) -> StepResult:
        """Learns from this rank's ``rows`` (possibly none; the ranks stay in step all the same).

        Args:
            number: of this step, from 1, for messages.

        Raises:
            UserError: ``training-diverged`` when the loss or its gradient is no longer finite.
        """
        loss, blocks = self._loss(rows, epoch)
        prefix = loss.correct.cumprod(dim=1).sum()
        sums = torch.stack(
            [loss.weight, loss.total.detach(), prefix, torch.tensor(float(blocks)).to(prefix.device), prefix * 0 + stop]
        )
        # Summed before the backward pass: the loss is normalised by the weight of all ranks, not by the mean of means.
        weight, total, correct, count, flags = self._ranks.sum(sums.double()).tolist()
        if not math.isfinite(total):
            raise _diverged(f"the loss is {total}", number, lr, rows)
        self.optimizer.zero_grad(set_to_none=True)
        # Data parallelism averages gradients over ranks; the factor turns that back into the sum.
        (loss.total * (self._ranks.world / max(weight, 1e-12))).backward()
        clip = self._options.clip if self._options.clip is not None else float("inf")
        norm = nn.utils.clip_grad_norm_(self._draft.parameters(), clip)
        if not math.isfinite(norm):
            raise _diverged(f"the norm of the gradient is {float(norm)}", number, lr, rows)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        return StepResult(total / max(weight, 1e-12), 1 + correct / max(count, 1.0), float(norm), int(flags))

    def _loss(self, rows: list[Row], epoch: int) -> tuple[BlockLoss, int]:
        options, config, device = self._options, self._draft.config, self._target.device
        drawn = [draw_anchors(row, options.anchors, options.seed, epoch) for row in rows]
        if rows:
            states, positions = self._source.batch("train", rows)
            blocks = make_blocks(rows, drawn, config.block_size, config.mask_token_id).to(device)
        else:
            states, positions, blocks = _nothing(self._target, config.block_size)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._compute.autocast):
            hidden = run_blocks(
                self._module,
                config,
                self._target.embed,
                states,
                positions,
                blocks.anchors,
                blocks.keep,
                blocks.ids,
                self._compute.attention,
            )
        outputs = BlockOutputs(hidden, blocks, states, self._target.embed, self._target.lm_head)
        loss = self._algorithm.loss(self._draft, outputs, self._rule)
        return loss, sum(len(anchors) for anchors in drawn)


def make_optimizer(draft: DFlashDraft, options: TrainOptions) -> torch.optim.AdamW:
    """AdamW; norms and biases are not decayed."""
    matrices = [p for p in draft.parameters() if p.dim() > 1]
    others = [p for p in draft.parameters() if p.dim() <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=options.lr, betas=(0.9, options.beta2), fused=True)


def _nothing(target: Target, block_size: int) -> tuple[Tensor, Tensor, Any]:
    """A padded block over one empty position, for a rank that got no row: every gradient exists and is zero."""
    from ..data.blocks import Blocks

    device, width = target.device, len(target.layer_ids) * target.embed.shape[1]
    one = torch.zeros(1, 1, dtype=torch.int64, device=device)
    labels = torch.zeros(1, 1, block_size - 1, dtype=torch.int64, device=device)
    ids = torch.zeros(1, 1, block_size, dtype=torch.int64, device=device)
    positions = torch.arange(block_size, device=device)[None]
    blocks = Blocks(one, one.bool(), ids, positions, labels, labels.bool())
    states = torch.zeros(1, 1, width, dtype=target.embed.dtype, device=device)
    return states, one[None].expand(3, -1, -1), blocks


def _diverged(what: str, number: int, lr: float, rows: list[Row]) -> UserError:
    shown = ", ".join(f"{row.dialogue_id}/{row.row}" for row in rows[:_ROWS_SHOWN])
    more = "" if len(rows) <= _ROWS_SHOWN else f" and {len(rows) - _ROWS_SHOWN} more"
    return UserError(
        "training-diverged",
        f"training diverged: {what} at step {number}, learning rate {lr:.3g}, rows {shown or 'of another rank'}{more}",
        "try a lower lr, a longer warmup or clip; when it is always the same rows, look at them",
    )
