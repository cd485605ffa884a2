"""The vision tower for one picture or video at a time, computed from transformers' weights.

What depends on the grid alone (interpolated position embeddings, rotation angles) is computed once per grid.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from draftsmith_trainer.target.tower_inputs import TowerInputs
from torch import Tensor

from .layers import Angles, rotate
from .linear import Product

Grid = tuple[int, int, int]
#: Grids whose positions are kept; those of a 1920x1088 picture take 30 MB in a tower 1,152 wide.
_KEPT = 16


class Tower:
    """A transformers tower of Qwen3-VL or Qwen3.5. Thread-safe.

    Args:
        tower: the module. packed: see ``linear``.
    """

    def __init__(self, tower: Any, packed: bool) -> None:
        inputs = TowerInputs.of(tower)
        assert inputs is not None, "see runs_towers"
        self._tower, self._inputs = tower, inputs
        patches = tower.patch_embed.proj
        # A convolution whose stride equals its kernel is a product.
        self._embed = Product(patches.weight.data.flatten(1), patches.bias, packed)
        self._blocks = [_Block(block, packed) for block in tower.blocks]
        self._merger = _Merger(tower.merger, packed)
        self._deep = {
            number: _Merger(merger, packed)
            for number, merger in zip(
                getattr(tower, "deepstack_visual_indexes", None) or (),
                getattr(tower, "deepstack_merger_list", None) or (),
                strict=True,
            )
        }
        self._grids: OrderedDict[Grid, tuple[Tensor, Angles]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, pixels: Tensor, grid: Grid) -> tuple[Tensor, tuple[Tensor, ...]]:
        """[patches, channels * temporal * patch^2] -> [n, H], and the same for each layer with deepstack."""
        positions, angles = self._of_grid(grid)
        x = self._embed(pixels.to(positions.dtype)) + positions
        deep: list[Tensor] = []
        for number, block in enumerate(self._blocks):
            x = block(x, angles, grid[0])
            if number in self._deep:
                deep.append(self._deep[number](x))
        return self._merger(x), tuple(deep)

    def _of_grid(self, grid: Grid) -> tuple[Tensor, Angles]:
        """Position embeddings [patches, width] and angles of a grid."""
        with self._lock:
            if grid not in self._grids:
                weight = self._tower.pos_embed.weight
                made = self._inputs.for_grids([grid], weight.device)
                found = (self._tower.pos_embed(made["interp_indices"]) * made["interp_weights"][:, :, None]).sum(1)
                cos, sin = self._tower.rotary_pos_emb(found, made["position_ids"])
                half = cos.shape[-1] // 2
                signed = torch.cat((-sin[:, None, :half], sin[:, None, half:]), dim=-1)
                self._grids[grid] = (found.to(weight.dtype), (cos[:, None], signed))
                if len(self._grids) > _KEPT:
                    self._grids.popitem(last=False)
            self._grids.move_to_end(grid)
            return self._grids[grid]


def runs_towers(tower: Any) -> bool:
    """Whether this transformers version has towers of the form that :class:`Tower` knows."""
    return TowerInputs.of(tower) is not None


class _Block:
    def __init__(self, block: Any, packed: bool) -> None:
        self._norm1, self._norm2 = block.norm1, block.norm2
        self._heads: int = block.attn.num_heads
        self._qkv = Product.of(block.attn.qkv, packed)
        self._proj = Product.of(block.attn.proj, packed)
        self._act: Callable[[Tensor], Tensor] = block.mlp.act_fn
        self._fc1, self._fc2 = Product.of(block.mlp.linear_fc1, packed), Product.of(block.mlp.linear_fc2, packed)

    def __call__(self, x: Tensor, angles: Angles, frames: int) -> Tensor:
        """Attention does not cross frames."""
        x = x + self._proj(self._attended(self._qkv(self._norm1(x)), angles, frames))
        return x + self._fc2(self._act(self._fc1(self._norm2(x))))

    def _attended(self, mixed: Tensor, angles: Angles, frames: int) -> Tensor:
        """[patches, 3 * width] -> [patches, width]."""
        heads = mixed.view(len(mixed), 3 * self._heads, -1)
        turned = rotate(heads[:, : 2 * self._heads].float(), angles).to(mixed.dtype)
        q, k = turned.unflatten(0, (frames, -1)).transpose(1, 2).split(self._heads, dim=1)
        v = heads[:, 2 * self._heads :].unflatten(0, (frames, -1)).transpose(1, 2)
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(len(mixed), -1)


class _Merger:
    def __init__(self, merger: Any, packed: bool) -> None:
        self._norm, self._act = merger.norm, merger.act_fn
        self._width: int = merger.hidden_size
        self._after = bool(merger.use_postshuffle_norm)
        self._fc1, self._fc2 = Product.of(merger.linear_fc1, packed), Product.of(merger.linear_fc2, packed)

    def __call__(self, x: Tensor) -> Tensor:
        """[patches, width] -> [n, H]."""
        merged = self._norm(x.view(-1, self._width)) if self._after else self._norm(x).view(-1, self._width)
        return self._fc2(self._act(self._fc1(merged)))
