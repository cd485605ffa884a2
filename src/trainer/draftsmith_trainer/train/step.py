"""One optimizer step: target states, draft passes with their loss and gradient, update. It never waits for a GPU."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..algorithms.algorithm import BlockOutputs
from ..algorithms.registry import algorithm_of
from ..draft.linear import WorkingCopies
from ..draft.model import DFlashDraft
from ..draft.passes import DraftModule, run_batch
from ..feed import PackWork, Part, StateSource
from ..losses import LossRule
from ..parallel.device import Compute
from ..parallel.ranks import Ranks
from ..target import Target
from ..train.options import TrainOptions
from .optimizer import Optimizer
from .soft_labels import soft_rule, soft_targets

#: Numbers of each draft pass that stay on its rank.
_OF_PART = 2


@dataclass(frozen=True)
class PartFlags:
    """Whether a draft pass of this rank was finite.

    Attributes:
        first_bad: the first label whose cross-entropy was not; -1 if all were.
        states: whether those of the target were.
    """

    first_bad: int
    states: bool

    @property
    def finite(self) -> bool:
        """Whether nothing was wrong."""
        return self.first_bad < 0 and self.states


@dataclass(frozen=True)
class StepResult:
    """What a step measured, over all ranks.

    Attributes:
        loss: weighted mean cross-entropy, mixed with the divergence from soft labels if they are used.
        accept: mean of 1 + correct prefix over the drawn blocks (teacher-forced, at random anchors: a hint, not an
            accept length of a walk).
        stop: sum of the values that ranks passed to :meth:`Stepper.step` as ``stop``.
        finite: whether loss and gradient were finite; if not, the step changed nothing.
        accuracy: for places 1..B-1, the share of labels that the draft predicts, whatever it predicts before them; None
            for a place without labels.
        bad_parameter: number of the first parameter whose gradient was not; 0 if all were.
        parts: of this rank, in the order of its work.
    """

    loss: float
    accept: float
    grad_norm: float
    stop: int
    finite: bool
    bad_parameter: int
    parts: tuple[PartFlags, ...]
    accuracy: list[float | None] = field(default_factory=list)


class Pending:
    """A step's measurements on their way to the host."""

    def __init__(self, sums: Tensor, parts: int) -> None:
        """``sums``: float64, the numbers over all ranks, then those of each of ``parts`` draft passes of this one."""
        self._parts = parts
        if sums.is_cuda:
            self._host = torch.empty(sums.shape, dtype=sums.dtype, pin_memory=True)
            self._host.copy_(sums, non_blocking=True)
            self._event: torch.cuda.Event | None = torch.cuda.Event()
            self._event.record()
        else:
            self._host, self._event = sums, None

    def result(self) -> StepResult:
        """Waits until they are there."""
        if self._event is not None:
            self._event.synchronize()
        values = self._host.tolist()
        own = values[len(values) - _OF_PART * self._parts :]
        weight, total, correct, blocks, stop, *places, norm, finite, bad = values[: len(values) - len(own)]
        right, labels = places[: len(places) // 2], places[len(places) // 2 :]
        return StepResult(
            loss=total / max(weight, 1e-12),
            accept=1 + correct / max(blocks, 1.0),
            grad_norm=norm,
            stop=round(stop),
            finite=bool(finite),
            accuracy=[hit / count if count else None for hit, count in zip(right, labels, strict=True)],
            bad_parameter=round(bad),
            parts=tuple(PartFlags(round(own[i]), bool(own[i + 1])) for i in range(0, len(own), _OF_PART)),
        )


class Stepper:
    """Holds what every step needs.

    Args:
        module: the draft, wrapped for data parallelism when there are several ranks.
        asked: whether this process was asked to stop.
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
        room: int = 0,
        asked: Callable[[], bool] | None = None,
    ) -> None:
        self._target, self._draft, self._module, self._source = target, draft, module, source
        self._compute, self._ranks, self._room, self._asked = compute, ranks, room, asked
        self._algorithm = algorithm_of(draft.config)
        self._rule = LossRule(options.decay(draft.config.block_size), options.dpace_alpha)
        self._soft = soft_rule(options)
        self.optimizer = Optimizer(draft, options)
        on_gpu = compute.autocast and compute.device == "cuda"
        self._copies = WorkingCopies(draft, compute.dtype) if on_gpu else None

    def step(self, work: list[PackWork], lr: float, stop: int = 0, passes: int = 0) -> Pending:
        """Learns from this rank's work (never empty: a rank without rows brings :meth:`.Preparer.nothing`).

        Args:
            passes: passes of a sharded target that the rank with the most work runs in this step.
        """
        device = self._target.device
        self.optimizer.zero_grad()
        sums = torch.zeros(5 + 2 * (self._draft.config.block_size - 1), dtype=torch.float64, device=device)
        left, flags = sum(len(one.parts) for one in work), []
        for one in work:
            states = self._source.states("train", one, self._room)
            for part in one.parts:
                left -= 1
                if not left:
                    # Before the gradients are exchanged: collectives must come in the same order on all ranks.
                    self._source.idle(passes - sum(each.passes for each in work))
                    # And none of them waits there for one that still decodes, captures or copies a state.
                    self._ranks.meet(self._asked)
                with self._alone() if left else nullcontext():
                    measured, flag = self._learn(states, part.to(device))
                sums += measured
                flags.append(flag)
        # The gradient is that of a sum; what it is divided by, the weight over all ranks, is known only now.
        sums[4] = stop
        self._ranks.sum(sums)
        outcome = self.optimizer.step(lr, sums[0], self._ranks.world, sums[1])
        self.renew()
        return Pending(torch.cat([sums, *(one.double()[None] for one in outcome), *flags]), len(flags))

    def renew(self) -> None:
        """Brings what is derived from the draft's weights up to date, after they were loaded or updated."""
        if self._copies is not None:
            self._copies.renew()

    def _learn(self, states: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Adds a part's gradient.

        Returns:
            Weight, total, correct prefixes, blocks, 0, and hits and labels by place; and the :class:`PartFlags`.
        """
        batch, context = part.batch, self._target.context(states)
        with torch.autocast(states.device.type, torch.bfloat16, enabled=self._compute.autocast):
            hidden = run_batch(self._module, self._target.embed, context, batch, part.attend)
        soft = None if self._soft is None else soft_targets(states, batch, self._target, self._soft)
        outputs = BlockOutputs(hidden, batch, context, self._target.embed, self._target.lm_head, soft)
        loss = self._algorithm.loss(self._draft, outputs, self._rule)
        # Without labels the loss is a constant; the hidden states tie it to the parameters all the same.
        (loss.total if len(batch.labels) else loss.total + 0 * hidden.sum()).backward()
        right, labels = torch.zeros(2, batch.ids.numel(), dtype=torch.bool, device=states.device)
        right[batch.places] = loss.best == batch.labels
        labels.index_fill_(0, batch.places, True)
        hits, counts = (one.view(batch.ids.shape)[:, 1:] for one in (right, labels))
        values = [loss.weight.double(), loss.total.detach().double(), hits.cumprod(dim=1).sum().double()]
        values += [torch.full_like(values[0], batch.blocks), torch.zeros_like(values[0])]
        sums = torch.cat([torch.stack(values), hits.sum(dim=0).double(), counts.sum(dim=0).double()])
        return sums, _flags(loss.cross_entropy, states)

    def _alone(self) -> AbstractContextManager[None]:
        """Gradients of all but the last pass are not exchanged."""
        wait: Callable[[], AbstractContextManager[None]] | None = getattr(self._module, "no_sync", None)
        return wait() if wait is not None else nullcontext()


@torch.no_grad()
def _flags(losses: Tensor, states: Tensor) -> Tensor:
    """Float64 [2], the members of :class:`PartFlags`: the sum of the states is finite only where all of them are."""
    bad = ~torch.isfinite(losses)
    first = bad.int().argmax().where(bad.any(), -1) if len(losses) else torch.full((), -1, device=losses.device)
    return torch.stack([first.double(), torch.isfinite(states.sum(dtype=torch.float32)).double()])
