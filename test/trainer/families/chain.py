"""Gives a random model something to say: answers of some ten words that end, and begin according to the prompt.

Plain random weights repeat themselves for ever, which regeneration rightly rejects and from which a draft learns
nothing. Here the head's row of a word points along the embedding of the word before it, so that words follow each other
in fixed paths; which path an answer begins depends on what the layers make of the prompt, pictures included. All layers
stay random.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

#: Lengths of the paths, in words.
_SHORTEST, _LONGEST = 6, 11
#: Embeddings' norms: of words, against which the layers' contributions weigh little, and of the newline, against which
#: they decide.
_WORD, _START = 3.0, 0.5


@dataclass(frozen=True)
class Plan:
    """Word ids in paths; ``thoughts`` come before the end of a thought, ``answers`` before the end of the turn."""

    thoughts: list[list[int]]
    answers: list[list[int]]


def plan_words(ids: dict[str, int], thinks: bool, seed: int) -> Plan:
    """Distributes the vocabulary's words over paths."""
    words = [
        i for token, i in ids.items() if token.startswith("\u0120") and token[1:].isascii() and token[1:].isalpha()
    ]
    generator = torch.Generator().manual_seed(seed)
    order = [sorted(words)[i] for i in torch.randperm(len(words), generator=generator).tolist()]
    paths: list[list[int]] = []
    while len(order) >= _LONGEST:
        length = int(torch.randint(_SHORTEST, _LONGEST + 1, (), generator=generator))
        paths.append(order[:length])
        order = order[length:]
    half = len(paths) // 2 if thinks else 0
    return Plan(paths[:half], paths[half:])


def teach(model: Any, ids: dict[str, int], plan: Plan, seed: int) -> None:
    """Sets embedding and head of an untied model in place."""
    embed: Tensor = model.get_input_embeddings().weight.data
    head: Tensor = model.get_output_embeddings().weight.data
    generator = torch.Generator().manual_seed(seed)
    width = embed.shape[1]
    axes = torch.linalg.qr(torch.randn(width, 4, generator=generator)).Q.T
    to_thought, to_answer, thought_ends, answer_ends = axes
    noise = torch.randn(embed.shape, generator=generator)
    noise -= noise @ axes.T @ axes
    embed.copy_(_WORD * noise / noise.norm(dim=1, keepdim=True))
    # Everything that is not a word of a path, placeholders above all, is never said.
    head.zero_()
    for paths, start, end in ((plan.thoughts, to_thought, thought_ends), (plan.answers, to_answer, answer_ends)):
        for path in paths:
            opening = torch.randn(width, generator=generator)
            head[path[0]] = start * 4 + opening / opening.norm()
            for before, after in pairwise(path):
                head[after] = embed[before] / _WORD
            embed[path[-1]] += _WORD * 2 * end
    _listen(model)
    newline, closing = ids["\u010a"], ids["</think>"]
    embed[newline] = _START * (to_thought if plan.thoughts else to_answer)
    embed[closing] = _START * to_answer
    head[closing] = 2 * thought_ends
    head[ids["<|im_end|>"]] = 2 * answer_ends
    # Greedy decoding does not see it; a draft learns from logits that are far apart.
    head *= 3


def _listen(model: Any) -> None:
    """Lets attention pick single tokens and weigh in: as initialised, it averages over the prompt, whatever that is."""
    for layer in model.model.language_model.layers:
        if hasattr(layer, "linear_attn"):
            layer.linear_attn.out_proj.weight.data *= 4
            continue
        attention = layer.self_attn
        norm = attention.q_norm.weight.data
        # Qwen3.5 stores a norm's scale less one, and halves what attention says by a gate.
        gated = bool((norm == 0).all())
        norm += 3.0 if gated else 2.0
        attention.v_proj.weight.data *= 8 if gated else 3
