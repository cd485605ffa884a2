"""Vision towers give the same bits from inputs that were computed before as from the grids themselves."""

import pytest
import torch
from draftsmith_trainer.target.tower_inputs import TowerInputs
from releases import NEEDS_TOWER_INPUTS
from target_maker import MODEL_TYPES, make_model

GRIDS = [(1, 4, 6), (1, 34, 60), (2, 4, 4), (1, 4, 6), (3, 2, 8), (1, 2, 2)]


def parts(made):
    return [made.last_hidden_state, made.pooler_output, *(getattr(made, "deepstack_features", None) or [])]


@NEEDS_TOWER_INPUTS
@pytest.mark.parametrize("kind", MODEL_TYPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_towers_give_the_same_bits(kind, dtype):
    visual = make_model(kind).model.visual.to(dtype)
    inputs = TowerInputs.of(visual)
    for grids in (GRIDS, GRIDS[3:4], GRIDS[::-1]):
        shape = torch.tensor(grids)
        pixels = torch.randn(int(shape.prod(1).sum()), 3 * 2 * 16 * 16, dtype=dtype)
        given = inputs.for_grids(grids)
        with torch.no_grad():
            wanted = parts(visual(pixels, shape, return_dict=True))
            made = parts(visual(pixels, None, return_dict=True, **given))
            # It takes its arguments out of a dict of its own: they can be used again.
            again = parts(visual(pixels, None, return_dict=True, **given))
        assert len(made) == len(wanted) and all(map(torch.equal, made, wanted)) and all(map(torch.equal, again, wanted))


@NEEDS_TOWER_INPUTS
def test_they_are_what_the_library_computes_for_all_grids_together():
    from transformers import vision_utils

    visual = make_model("qwen3_vl").model.visual
    shape = torch.tensor(GRIDS)
    made = TowerInputs.of(visual).for_grids(GRIDS)
    indices, weights = vision_utils.get_vision_interpolation_indices_and_weights(
        shape, 8, mode="bilinear", align_corners=True, spatial_merge_size=2
    )
    ends = vision_utils.get_vision_cu_seqlens(shape)
    assert torch.equal(made["interp_indices"], indices) and torch.equal(made["interp_weights"], weights)
    assert torch.equal(made["cu_seqlens"], ends) and made["cu_seqlens"].dtype == ends.dtype == torch.int32
    assert torch.equal(made["position_ids"], vision_utils.get_vision_position_ids(shape, 2))
    assert made["max_seqlen"] == int(ends.diff().max()) and type(made["max_seqlen"]) is int


@NEEDS_TOWER_INPUTS
def test_each_grid_is_computed_once_and_few_are_kept(monkeypatch):
    inputs = TowerInputs.of(make_model("qwen3_5").model.visual)
    seen = []
    plain = inputs._computed
    monkeypatch.setattr(inputs, "_computed", lambda grid: seen.append(grid) or plain(grid))
    inputs.for_grids(GRIDS)
    inputs.for_grids(GRIDS)
    assert sorted(seen) == sorted(set(GRIDS))
    inputs.for_grids([(1, 2, 2 * n) for n in range(1, 200)])
    assert len(inputs._kept) == 64


def test_towers_of_other_versions_are_left_alone():
    assert TowerInputs.of(torch.nn.Linear(1, 1)) is None


@pytest.mark.cuda
def test_equal_on_a_device_and_without_waiting():
    visual = make_model("qwen3_vl").model.visual
    inputs = TowerInputs.of(visual)
    torch.cuda.set_sync_debug_mode("error")
    try:
        sent = inputs.for_grids(GRIDS, "cuda")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    host = inputs.for_grids(GRIDS)
    assert sent.pop("max_seqlen") == host.pop("max_seqlen")
    assert sent.keys() == host.keys()
    for name, values in sent.items():
        assert values.is_cuda and torch.equal(values.cpu(), host[name]), name
