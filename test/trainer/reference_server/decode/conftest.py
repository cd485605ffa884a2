"""Random targets whose greedy output varies, and prompts with and without images for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from reference_server.decode.decoder import Decoder
from reference_server.decode.vision import PixelImage
from target_maker import IMAGE, MODEL_TYPES, VISION_END, VISION_START, make_model


@dataclass
class Case:
    """A prompt before the target has seen it."""

    ids: list[int]
    images: list[PixelImage] = field(default_factory=list)

    def tensors(self) -> dict[str, Any]:
        """As a processor would give it."""
        ids = torch.tensor([self.ids])
        out: dict[str, Any] = {"input_ids": ids, "mm_token_type_ids": (ids == IMAGE).long()}
        if self.images:
            out["pixel_values"] = torch.cat([image.pixel_values for image in self.images])
            out["image_grid_thw"] = torch.tensor([image.grid for image in self.images])
        return out


def case(seed: int, text: int, grids: list[tuple[int, int]] | None = None) -> Case:
    """``text`` random tokens, then each image followed by a few more."""
    generator = torch.Generator().manual_seed(seed)

    def words(count: int) -> list[int]:
        return torch.randint(0, 490, (count,), generator=generator).tolist()

    made = Case(words(text))
    for height, width in grids or []:
        pixels = torch.randn(height * width, 3 * 2 * 16 * 16, generator=generator)
        made.images.append(PixelImage.of(pixels, (1, height, width)))
        made.ids += [VISION_START, *[IMAGE] * (height * width // 4), VISION_END, *words(5)]
    return made


@pytest.fixture(scope="session")
def targets() -> dict[str, Decoder]:
    """Model type -> a random target; weights are enlarged so that its greedy answers are not one token repeated."""
    made = {}
    for kind in MODEL_TYPES:
        model = make_model(kind)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(4)
        made[kind] = Decoder(model)
    return made


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    """Text short and long, one image, two images of different size, a single token."""
    return [
        case(1, 7),
        case(2, 20, [(4, 6)]),
        case(3, 3, [(4, 4), (6, 8)]),
        case(4, 90),
        case(5, 1),
        case(6, 11, [(8, 8)]),
    ]


@pytest.fixture(scope="session")
def new_case() -> Callable[..., Case]:
    """Makes further cases."""
    return case


@pytest.fixture(scope="session")
def answers(targets: dict[str, Decoder], cases: list[Case]) -> dict[str, list[list[int]]]:
    """Model type -> what transformers' own generate() says to each case, 20 tokens."""
    out = {}
    for kind, target in targets.items():
        out[kind] = []
        for one in cases:
            tensors = one.tensors()
            mask = torch.ones_like(tensors["input_ids"])
            with torch.no_grad():
                ids = target.model.generate(
                    **tensors,
                    attention_mask=mask,
                    do_sample=False,
                    max_new_tokens=20,
                    eos_token_id=None,
                    pad_token_id=0,
                )
            out[kind].append(ids[0, len(one.ids) :].tolist())
            # generate() leaves this behind; nothing of ours may depend on it.
            target.model.model.rope_deltas = None
    return out
