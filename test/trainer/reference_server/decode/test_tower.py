"""Picture features against transformers' own, for both kinds of tower, pictures and frames."""

from __future__ import annotations

import pytest
import torch
from reference_server.decode.decoder import Decoder
from reference_server.decode.vision import PixelImage
from releases import NEEDS_TOWER_INPUTS
from target_maker import make_model


@pytest.mark.parametrize("kind", ["qwen3_vl", "qwen3_5"])
@pytest.mark.parametrize("grid", [(1, 4, 6), (1, 8, 2), (3, 4, 4)])
def test_features_are_transformers(kind, grid, monkeypatch):
    model = make_model(kind, seed=3)
    pixels = torch.randn(grid[0] * grid[1] * grid[2], 3 * 2 * 16 * 16, generator=torch.Generator().manual_seed(1))
    image = PixelImage.of(pixels, grid)
    ours = Decoder(model).vision.encode(image)
    other = Decoder(model).vision
    monkeypatch.setattr(other, "_tower", None)
    theirs = other.encode(image)
    torch.testing.assert_close(ours.embeds, theirs.embeds, rtol=1e-4, atol=1e-5)
    assert len(ours.deepstack) == len(theirs.deepstack) == (3 if kind == "qwen3_vl" else 0)
    for mine, wanted in zip(ours.deepstack, theirs.deepstack, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-4, atol=1e-5)


@NEEDS_TOWER_INPUTS
def test_many_grids_are_not_all_kept():
    vision = Decoder(make_model("qwen3_vl")).vision
    for height in range(2, 44, 2):
        grid = (1, height, 2)
        vision.encode(PixelImage.of(torch.zeros(height * 2, 3 * 2 * 16 * 16), grid))
    assert len(vision._tower._grids) == 16
