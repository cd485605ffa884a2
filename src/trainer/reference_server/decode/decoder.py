"""The target model as decoding sees it: prompts in, one forward over cached rows, hidden states and logits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.target.hooks import captured_layers
from draftsmith_trainer.target.load import load_target
from draftsmith_trainer.target.spec import read_spec
from torch import Tensor

from .attention import row_attention, row_mask
from .cache import CacheView, RowCache
from .prompt import Prompt, check_placeholders, image_key
from .rows import rules_for
from .vision import PixelImage, VisionEncoder, split_images

#: Above this many mask entries a first prefill uses plain causal attention instead of a mask.
LARGEST_MASK = 1 << 25


@dataclass(frozen=True)
class Forward:
    """What one forward gives.

    Attributes:
        hidden: [R, n, H], after the final norm.
        captured: [R, n, K*H], outputs of the asked layers side by side, or None.
    """

    hidden: Tensor
    captured: Tensor | None


class Decoder:
    """A Qwen vision-language model (qwen3_vl, qwen3_vl_moe, qwen3_5, qwen3_5_moe) for decoding.

    The wrapped model is left as it was: nothing is stored in it (not even its ``rope_deltas``) and its attention
    implementation is switched only during a forward.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.text = model.model.language_model
        self.text_config = self.text.config
        self.config = model.config
        self.device: torch.device = self.text.embed_tokens.weight.device
        self.dtype: torch.dtype = self.text.embed_tokens.weight.dtype
        self.hybrid = "linear_attention" in (getattr(self.text_config, "layer_types", None) or ())
        self.groups = self.text_config.num_attention_heads // self.text_config.num_key_value_heads
        self.rules = rules_for(self.device, self.dtype, self.hybrid)
        self.vision = VisionEncoder(model.model)
        head_dim = getattr(self.text_config, "head_dim", None)
        head_dim = head_dim or self.text_config.hidden_size // self.text_config.num_attention_heads
        self.like = torch.zeros(
            1, self.text_config.num_key_value_heads, 1, head_dim, dtype=self.dtype, device=self.device
        )

    @staticmethod
    def load(directory: str | Path, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Decoder:
        """Reads a checkpoint.

        Raises:
            UserError: ``target-missing``, ``target-config``, ``target-quantization``, ``target-weights``.
        """
        spec = read_spec(Path(directory))
        # Which layers a draft reads does not matter here: the decoder captures what it is asked for.
        return Decoder(load_target(spec, (0,), dtype, device, whole=True).model)

    def new_cache(self, rows: int) -> RowCache:
        """An empty cache for up to ``rows`` sequences."""
        return RowCache(self.text_config, rows)

    def prompt(self, ids: Sequence[int], images: Sequence[PixelImage] = ()) -> Prompt:
        """Checks and completes a prompt whose image placeholders are expanded. Without images they are just tokens.

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
        """The same from a processor's output: ids [S] or [1, S], pixel_values [patches, ...], grids [images, 3]."""
        ids, images = input_ids.reshape(-1).tolist(), split_images(pixel_values, image_grid_thw)
        if not images and self.config.image_token_id in ids:
            raise UserError("image-count", "The prompt has image placeholders but no images.")
        return self.prompt(ids, images)

    @torch.inference_mode()
    def prefill(
        self, cache: RowCache, row: int, prompt: Prompt, start: int = 0, capture: Sequence[int] = ()
    ) -> Forward:
        """Runs prompt tokens start.. in one row that already holds the first ``start`` ones; R = 1, n = S - start."""
        ids = torch.tensor([prompt.ids[start:]], device=self.device)
        embeds = self.text.embed_tokens(ids)
        visual: dict[str, Any] = {}
        mask = ids[0] == self.config.image_token_id
        if prompt.images and bool(mask.any()):
            count = int(mask.sum())
            # Only images with a token in this part are encoded; the first of them may have begun before it.
            features = [self.vision.encode(image) for image in self._images_from(prompt, count)]
            embeds[0, mask] = torch.cat([f.embeds for f in features])[-count:].to(embeds.dtype)
            if features[0].deepstack:
                visual["visual_pos_masks"] = mask[None]
                visual["deepstack_visual_embeds"] = [
                    torch.cat(level)[-count:] for level in zip(*(f.deepstack for f in features), strict=True)
                ]
        positions = prompt.positions[:, None, start:].to(self.device)
        return self._run(cache, row, [start], embeds, positions, capture, visual)

    @torch.inference_mode()
    def step(
        self, cache: RowCache, past: list[int], deltas: list[int], tokens: Tensor, capture: Sequence[int] = ()
    ) -> Forward:
        """Runs n more text tokens for each of the first R rows; ``tokens``: int64 [R, n]."""
        begin = torch.tensor([p + d for p, d in zip(past, deltas, strict=True)], device=self.device)
        positions = begin[:, None] + torch.arange(tokens.shape[1], device=self.device)
        embeds = self.text.embed_tokens(tokens.to(self.device))
        return self._run(cache, 0, past, embeds, positions.expand(3, -1, -1), capture, {})

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """[M, H] -> [M, V]."""
        rows = hidden.shape[0]
        fill = self.rules.forward_rows(rows, 1) - rows
        logits: Tensor = self.model.lm_head(F.pad(hidden, (0, 0, 0, fill)) if fill else hidden)
        return logits[:rows]

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

    def _run(
        self,
        cache: RowCache,
        first: int,
        past: list[int],
        embeds: Tensor,
        positions: Tensor,
        capture: Sequence[int],
        visual: dict[str, Any],
    ) -> Forward:
        R, n, _ = embeds.shape
        total = max(past) + n
        keys = self.rules.keys(total)
        plain = R == 1 and past[0] == 0 and (self.device.type != "cpu" or self.groups * n * keys > LARGEST_MASK)
        keys = n if plain else keys
        step = CacheView(
            first=first,
            past=past,
            tokens=n,
            keys=keys,
            rows=torch.arange(first, first + R, device=self.device)[:, None],
            positions=torch.tensor(past, device=self.device)[:, None] + torch.arange(n, device=self.device),
            mask=None if plain else row_mask(past, n, self.groups, keys, self.rules, self.like),
        )
        rows = R if self.hybrid else self.rules.forward_rows(R, n)
        if rows > R:
            embeds = F.pad(embeds, (0, 0, 0, 0, 0, rows - R))
            positions = F.pad(positions, (0, 0, 0, rows - R))
            if visual:
                visual = {**visual, "visual_pos_masks": F.pad(visual["visual_pos_masks"], (0, 0, 0, rows - R))}
        cache.begin(step, self.like)
        with captured_layers(self.text.layers, capture) as captured, row_attention(self.text_config):
            out = self.text(
                inputs_embeds=embeds,
                position_ids=positions,
                attention_mask=step.mask,
                past_key_values=cache,
                use_cache=True,
                **visual,
            )
        cache.end(step)
        states = torch.cat([captured[k][:R] for k in capture], dim=-1) if capture else None
        return Forward(out.last_hidden_state[:R], states)
