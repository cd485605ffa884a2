"""The plain way, as the request and its public relatives train: what the trainer is compared with.

The whole transformers target with every hidden state kept, rows padded to one batch, a mask made by create_block_mask
every step, attention compiled, logits of all places in chunks that the backward pass computes again, a bf16 draft with
fp32 masters. Pictures are ready on the device, so that nothing of its loader counts.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from draftsmith_trainer.data.blocks import candidates, draw_anchors
from draftsmith_trainer.data.shards import Row
from draftsmith_trainer.draft.layers import KeyValue
from draftsmith_trainer.draft.model import DFlashDraft
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils.checkpoint import checkpoint

_CHUNK = 512


class PlainWay:
    """Trains one draft on batches of rows of equal length."""

    def __init__(self, model: Any, draft: DFlashDraft, gamma: float, lr: float = 1e-4) -> None:
        self._model, self._gamma, self._lr = model, gamma, lr
        self._masters = [p.detach().float().clone() for p in draft.parameters()]
        self._draft = draft.to(torch.bfloat16)
        for master in self._masters:
            master.requires_grad_()
        self._adam = torch.optim.AdamW(self._masters, lr=lr, fused=True)
        self._attention = torch.compile(flex_attention, dynamic=True)
        self._create = torch.compile(create_block_mask, dynamic=True)

    def step(self, rows: list[Row], pixels: Tensor, grids: Tensor, seed: int) -> Tensor:
        """One optimizer step over ``rows``; the loss."""
        device = pixels.device
        config, size = self._draft.config, self._draft.config.block_size
        ids = torch.stack([torch.from_numpy(row.input_ids.astype("int64")) for row in rows]).to(device)
        types = torch.stack([torch.from_numpy(row.token_types.astype("int64")) for row in rows]).to(device)
        mask = torch.stack([torch.from_numpy(row.loss_mask.astype("int64")) for row in rows]).to(device)
        with torch.no_grad():
            out = self._model.model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                mm_token_type_ids=types,
                pixel_values=pixels,
                image_grid_thw=grids,
                output_hidden_states=True,
                use_cache=False,
            )
            states = torch.cat([out.hidden_states[k + 1] for k in config.target_layer_ids], dim=-1)
        count = max(min(512, len(candidates(row))) for row in rows)
        anchors = torch.stack([torch.from_numpy(draw_anchors(row, count, seed, 0)) for row in rows]).to(device)
        length, places = ids.shape[1], anchors[..., None] + torch.arange(size, device=device)
        inside = places < length
        places = places.clamp(max=length - 1).flatten(1)
        valid = (inside & (mask.gather(1, places).view(inside.shape) > 0)).cumprod(dim=-1).bool()[..., 1:]
        labels = ids.gather(1, places).view(inside.shape)[..., 1:]
        noise = torch.full(inside.shape, config.mask_token_id, device=device)
        noise[..., 0] = ids.gather(1, anchors)
        embed = self._model.get_input_embeddings().weight
        positions = (anchors[..., None] + torch.arange(size, device=device)).flatten(1)
        hidden = self._draft(
            states,
            torch.arange(length, device=device).expand(len(rows), -1),
            embed[noise].flatten(1, 2),
            positions,
            self._attend(anchors, size, length),
        )
        hidden = hidden.view(len(rows), count, size, -1)[:, :, 1:]
        weights = valid * torch.exp(-torch.arange(size - 1, device=device) / self._gamma)
        loss = self._loss(hidden.flatten(0, 2), labels.flatten(), weights.flatten())
        loss.backward()
        self._update()
        return loss.detach()

    def _attend(self, anchors: Tensor, size: int, length: int) -> Any:
        rows, blocks = anchors.shape

        def visible(row: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            number = query // size
            far = (key < length) & (key < anchors[row, number])
            return far | ((key >= length) & ((key - length) // size == number))

        mask = self._create(visible, rows, None, blocks * size, length + blocks * size, device=anchors.device)

        def attend(q: Tensor, context: KeyValue, block: KeyValue, _window: int | None) -> Tensor:
            keys, values = (torch.cat(pair, dim=2) for pair in zip(context, block, strict=True))
            return self._attention(q, keys, values, block_mask=mask, enable_gqa=True)

        return attend

    def _loss(self, hidden: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        head = self._model.get_output_embeddings().weight
        total = torch.zeros((), device=hidden.device)
        for start in range(0, len(hidden), _CHUNK):
            part = slice(start, start + _CHUNK)
            total = total + checkpoint(_chunk, hidden[part], labels[part], weights[part], head, use_reentrant=False)
        return total / weights.sum()

    def _update(self) -> None:
        parameters = list(self._draft.parameters())
        for master, parameter in zip(self._masters, parameters, strict=True):
            master.grad = parameter.grad.float()
            parameter.grad = None
        torch.nn.utils.clip_grad_norm_(self._masters, 1.0)
        self._adam.step()
        with torch.no_grad():
            for master, parameter in zip(self._masters, parameters, strict=True):
                parameter.copy_(master)
                master.grad = None


def _chunk(hidden: Tensor, labels: Tensor, weights: Tensor, head: Tensor) -> Tensor:
    losses = F.cross_entropy((hidden @ head.T).float(), labels, reduction="none")
    return (losses * weights).sum()
