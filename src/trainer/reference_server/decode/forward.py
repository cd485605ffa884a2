"""One forward of the text model over parts of different shape: steps of running rows and prompts of new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import row_mask
from .cache import RowCache
from .layers import Angles, Layer, Norm, Part, Plan
from .rows import RowRules

#: Above this many mask entries a first prefill uses plain causal attention instead of a mask.
LARGEST_MASK = 1 << 25


@dataclass(frozen=True)
class Feed:
    """What consecutive rows are given.

    Attributes:
        first: the first row.
        past: tokens already cached, per row (R of them).
        embeds: [R, n, H].
        angles: of all R * n tokens.
        deepstack: [V, H] to add to the outputs of the first layers, for the tokens at ``visual_at``.
        visual_at: int64 [V], indices into the R * n tokens.
        last_only: whether only the last token's hidden state is needed.
    """

    first: int
    past: list[int]
    embeds: Tensor
    angles: Angles
    deepstack: list[Tensor] = field(default_factory=list)
    visual_at: Tensor | None = None
    last_only: bool = False


@dataclass(frozen=True)
class Forward:
    """What one forward gives a feed.

    Attributes:
        hidden: [R, m, H], after the final norm: of all n tokens, or of a few last ones.
        captured: [R, n, K*H], outputs of the asked layers side by side, or None.
    """

    hidden: Tensor
    captured: Tensor | None


class TextModel:
    """The layers of a text model from embeddings to normed hidden states.

    Args:
        text: transformers' text model.
        rules: which shapes to fill up. packed: see ``linear``.
    """

    def __init__(self, text: Any, rules: RowRules, packed: bool) -> None:
        self._layers: list[Layer] = []
        for number, module in enumerate(text.layers):
            self._layers.append(Layer(module, number, sum(not layer.recurrent for layer in self._layers), packed))
        self._norm = Norm(text.norm)
        self._rules = rules
        config = text.config
        self._groups: int = config.num_attention_heads // config.num_key_value_heads

    def run(self, cache: RowCache, feeds: Sequence[Feed], capture: Sequence[int] = ()) -> list[Forward]:
        """Runs all feeds in one pass and caches their tokens; feeds must not share rows."""
        x, plan = self._plan(cache, feeds)
        parts = plan.parts
        taken: dict[int, Tensor] = {}
        kept: Tensor | None = None
        last = len(self._layers) - 1
        for number, layer in enumerate(self._layers):
            x = layer.mix(x, cache, plan)
            if number == last and last not in capture:
                kept = self._wanted(feeds, parts)
                if kept is not None:
                    x = x.index_select(0, kept)
            x = layer.feed(x)
            if number in capture:
                taken[number] = x
            x = _with_deepstack(x, feeds, parts, number)
        hidden = self._norm(x)
        states = torch.cat([taken[k] for k in capture], dim=-1) if capture else None
        return self._outputs(feeds, parts, hidden, states, kept is not None)

    def _plan(self, cache: RowCache, feeds: Sequence[Feed]) -> tuple[Tensor, Plan]:
        """All tokens [M, H], filled up to the fewest rows of a product, and what the layers need to know of them."""
        totals = [max(feed.past) + feed.embeds.shape[1] for feed in feeds]
        cache.keys.reserve(max(self._rules.keys(total) for total in totals))
        parts: list[Part] = []
        slots: list[Tensor] = []
        start = 0
        for feed, total in zip(feeds, totals, strict=True):
            part, where = self._part(cache, feed, total, start)
            parts.append(part)
            slots.append(where)
            start = part.span.stop
        x = _cat([feed.embeds.flatten(0, 1) for feed in feeds])
        cos, sin = (_cat([feed.angles[which] for feed in feeds]) for which in (0, 1))
        fill = self._rules.min_rows - x.shape[0]
        if fill > 0:
            x = F.pad(x, (0, 0, 0, fill))
            cos, sin = (F.pad(one, (0, 0, 0, 0, 0, fill)) for one in (cos, sin))
        return x, Plan(parts, (cos, sin), _cat(slots))

    def _part(self, cache: RowCache, feed: Feed, total: int, start: int) -> tuple[Part, Tensor]:
        rows, tokens, _ = feed.embeds.shape
        like = feed.embeds
        keys = self._rules.keys(total)
        large = self._groups * tokens * keys > LARGEST_MASK
        plain = rows == 1 and feed.past[0] == 0 and (like.device.type != "cpu" or large)
        keys = tokens if plain else keys
        past = torch.tensor(feed.past, device=like.device)
        mask = None if plain else row_mask(past, tokens, self._groups, keys, self._rules, like)
        row = torch.arange(feed.first, feed.first + rows, device=like.device)
        places = past[:, None] + torch.arange(tokens, device=like.device)
        slots = cache.keys.slots(row.repeat_interleave(tokens), places.flatten())
        return Part(feed.first, rows, tokens, start, keys, mask, feed.past[0] > 0), slots

    def _kept_of(self, feed: Feed, part: Part) -> int:
        """How many last tokens of a part go through the last MLP: enough for a product of the fewest rows."""
        return min(part.tokens, self._rules.min_rows) if feed.last_only else part.rows * part.tokens

    def _wanted(self, feeds: Sequence[Feed], parts: Sequence[Part]) -> Tensor | None:
        """Indices of the tokens whose hidden states are needed; None for all."""
        counts = [self._kept_of(feed, part) for feed, part in zip(feeds, parts, strict=True)]
        if sum(counts) == parts[-1].span.stop:
            return None
        ranges = [torch.arange(p.span.stop - n, p.span.stop) for p, n in zip(parts, counts, strict=True)]
        return torch.cat(ranges).to(feeds[0].embeds.device)

    def _outputs(
        self, feeds: Sequence[Feed], parts: Sequence[Part], hidden: Tensor, states: Tensor | None, some: bool
    ) -> list[Forward]:
        out: list[Forward] = []
        start = 0
        for feed, part in zip(feeds, parts, strict=True):
            count = self._kept_of(feed, part) if some else part.rows * part.tokens
            mine = hidden[start : start + count].unflatten(0, (part.rows, -1))
            start += count
            captured = None if states is None else states[part.span].unflatten(0, (part.rows, part.tokens))
            out.append(Forward(mine, captured))
        return out


def _with_deepstack(x: Tensor, feeds: Sequence[Feed], parts: Sequence[Part], number: int) -> Tensor:
    """Adds what the vision tower has for a layer's outputs."""
    for feed, part in zip(feeds, parts, strict=True):
        if feed.visual_at is not None and number < len(feed.deepstack):
            x = x.index_add(0, feed.visual_at + part.start, feed.deepstack[number].to(x.dtype))
    return x


def _cat(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
