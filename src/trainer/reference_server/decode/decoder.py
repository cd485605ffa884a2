"""The target model for decoding: checks prompts, runs forward passes over cached rows, and computes logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.target.load import load_target
from draftsmith_trainer.target.spec import read_spec
from torch import Tensor

from .cache import RowCache
from .forward import Feed, Forward, TextModel
from .linear import Product, can_pack
from .prompt import Prompt, check_placeholders, image_key
from .rotary import Rotary
from .rows import rules_for
from .vision import PixelImage, VisionEncoder, split_images


class Decoder:
    """A Qwen vision-language model (qwen3_vl, qwen3_vl_moe, qwen3_5, qwen3_5_moe) for decoding.

    The wrapped model computes what it did: no state and no setting of it changes (not even its ``rope_deltas``). Some
    of its weights may become views of joint matrices, see ``linear``.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.text = model.model.language_model
        self.text_config = self.text.config
        self.config = model.config
        self.device: torch.device = self.text.embed_tokens.weight.device
        self.dtype: torch.dtype = self.text.embed_tokens.weight.dtype
        self.hybrid = "linear_attention" in (getattr(self.text_config, "layer_types", None) or ())
        self.packed = packed = can_pack(model)
        self.rules = rules_for(self.device, self.dtype, self.hybrid, packed)
        self.vision = VisionEncoder(model.model, packed)
        self.like = torch.zeros(0, dtype=self.dtype, device=self.device)
        self._layers = TextModel(self.text, self.rules, packed)
        self._head = Product.of(model.lm_head, packed)
        self._rotary = Rotary(self.text.rotary_emb, self.like)

    @staticmethod
    def load(directory: str | Path, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Decoder:
        """Reads a checkpoint.

        Raises:
            UserError: ``target-missing``, ``target-config``, ``target-quantization``, ``target-weights``.
        """
        spec = read_spec(Path(directory))
        # The layers given here do not matter: the decoder captures whichever layers a call asks for.
        return Decoder(load_target(spec, (0,), dtype, device, whole=True).model)

    def new_cache(self, rows: int) -> RowCache:
        """An empty cache for up to ``rows`` sequences."""
        config = self.text_config
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return RowCache(config, rows, config.num_key_value_heads, width, self.like)

    def prompt(self, ids: Sequence[int], images: Sequence[PixelImage] = ()) -> Prompt:
        """Checks a prompt with expanded image placeholders and computes its positions and key.

        Without images, placeholders are ordinary tokens.

        Raises:
            UserError: ``prompt-empty``, ``token-range``, ``image-count``, ``image-tokens``.
        """
        vocabulary = self.text_config.vocab_size
        if not ids:
            raise UserError("prompt-empty", "The prompt has no tokens.")
        if min(ids) < 0 or max(ids) >= vocabulary:
            raise UserError("token-range", f"The prompt has a token id outside 0..{vocabulary - 1}.")
        tensor = torch.tensor([list(ids)], dtype=torch.int64)
        mask = tensor[0] == self.config.image_token_id
        if images:
            check_placeholders(mask, list(images), self.config.vision_config.spatial_merge_size)
            grids = torch.tensor([image.grid for image in images], dtype=torch.int64)
            positions, deltas = self.model.model.get_rope_index(
                tensor, mm_token_type_ids=mask[None].to(torch.int64), image_grid_thw=grids
            )
            positions, delta = positions[:, 0], int(deltas[0, 0])
        else:
            positions, delta = torch.arange(len(ids)).expand(3, -1), 0
        key = np.array(ids, dtype=np.int64)
        image_key(key, mask.numpy(), list(images))
        return Prompt(list(ids), list(images), positions, delta, key)

    def prompt_from_tensors(
        self, input_ids: Tensor, pixel_values: Tensor | None, image_grid_thw: Tensor | None
    ) -> Prompt:
        """Like ``prompt``, from a processor's output: ids [S] or [1, S], pixels [patches, ...], grids [images, 3]."""
        ids, images = input_ids.reshape(-1).tolist(), split_images(pixel_values, image_grid_thw)
        if not images and self.config.image_token_id in ids:
            raise UserError("image-count", "The prompt has image placeholders but no images.")
        return self.prompt(ids, images)

    @torch.inference_mode()
    def run(self, cache: RowCache, feeds: Sequence[Feed], capture: Sequence[int] = ()) -> list[Forward]:
        """One forward over feeds of different rows."""
        return self._layers.run(cache, feeds, capture)

    @torch.inference_mode()
    def prompt_feed(self, row: int, prompt: Prompt, start: int = 0) -> Feed:
        """Prompt tokens start.. for a row that already holds the first ``start`` ones; R = 1, n = S - start."""
        ids = torch.tensor(prompt.ids[start:], device=self.device)
        embeds = self.text.embed_tokens(ids)
        angles = self._rotary.of(prompt.positions[:, start:].to(self.device))
        at = (ids == self.config.image_token_id).nonzero().flatten() if prompt.images else ids[:0]
        count = len(at)
        if count == 0:
            return Feed(row, [start], embeds[None], angles, last_only=True)
        # Only images with placeholders in this part are encoded; the first of them may begin before it.
        features = [self.vision.encode(image) for image in self._images_from(prompt, count)]
        embeds[at] = torch.cat([f.embeds for f in features])[-count:].to(embeds.dtype)
        levels = zip(*(f.deepstack for f in features), strict=True)
        deepstack = [torch.cat(level)[-count:] for level in levels]
        return Feed(row, [start], embeds[None], angles, deepstack, at, last_only=True)

    @torch.inference_mode()
    def step_feed(self, past: list[int], deltas: list[int], tokens: Tensor) -> Feed:
        """n more text tokens for each of the first R rows; ``tokens``: int64 [R, n]."""
        n = tokens.shape[1]
        begin = [p + d for p, d in zip(past, deltas, strict=True)]
        positions = torch.tensor(begin, device=self.device)[:, None] + torch.arange(n, device=self.device)
        angles = self._rotary.of_text(positions.flatten(), max(begin) + n - 1)
        return Feed(0, past, self.text.embed_tokens(tokens.to(self.device)), angles)

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """The logits [M, V] of hidden states [M, H]."""
        rows = hidden.shape[0]
        fill = max(self.rules.min_rows - rows, 0)
        return self._head(F.pad(hidden, (0, 0, 0, fill)) if fill else hidden)[:rows]

    def _images_from(self, prompt: Prompt, count: int) -> list[PixelImage]:
        """The last images of a prompt that together have at least ``count`` placeholders."""
        merge = self.config.vision_config.spatial_merge_size**2
        chosen: list[PixelImage] = []
        for image in reversed(prompt.images):
            if count <= 0:
                break
            chosen.insert(0, image)
            count -= image.grid[0] * image.grid[1] * image.grid[2] // merge
        return chosen
