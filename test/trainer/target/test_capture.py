"""Captured states are hidden_states[k + 1] of the whole model, whatever part of it was loaded."""

import io

import numpy as np
import pytest
import torch
from draft_maker import small_config
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.images import PixelReader, load_image_processor
from draftsmith_trainer.data.pictures.workers import PictureWorkers
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.feed import Preparer, StateSource
from draftsmith_trainer.target import capture_row, load_target, read_spec
from draftsmith_trainer.target.hooks import captured_layers
from draftsmith_trainer.target.load import freeze
from draftsmith_trainer.target.pictures import PictureSource
from PIL import Image
from sample import sample_row, video_row
from shard_maker import write_images, write_rows
from target_maker import IMAGE, LAYERS, MODEL_TYPES, VIDEO, make_model
from transformers import AutoModelForImageTextToText


def inputs_of(directory, seed=3):
    row, pngs = sample_row(seed, turns=2)
    ids = torch.tensor(row.ids)
    reader = load_image_processor(directory)
    made = reader(images=[Image.open(io.BytesIO(png)) for png in pngs], return_tensors="pt")
    return ids, (ids == IMAGE).int(), made["pixel_values"], made["image_grid_thw"]


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_capture_equals_hidden_states(kind, target_dirs):
    directory = target_dirs[kind]
    ids, types, pixels, grid = inputs_of(directory)
    model = AutoModelForImageTextToText.from_pretrained(directory, dtype=torch.float32).eval()
    with torch.no_grad():
        whole = model(
            input_ids=ids[None],
            mm_token_type_ids=types[None],
            pixel_values=pixels,
            image_grid_thw=grid,
            output_hidden_states=True,
        ).hidden_states
    for layer_ids in ((3, 4), (1, 3, 5)):
        target = load_target(read_spec(directory), layer_ids, torch.float32)
        assert len(target.model.model.language_model.layers) == max(layer_ids) + 1
        made = capture_row(target, ids, types, pixels, grid)
        wanted = torch.cat([whole[k + 1][0] for k in layer_ids], dim=-1)
        torch.testing.assert_close(made.states, wanted, atol=1e-6, rtol=1e-6)
        assert made.states.shape == (len(ids), len(layer_ids) * 64)


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_the_last_layer_is_raw_here_and_normed_in_hidden_states(kind, target_dirs):
    directory = target_dirs[kind]
    ids, types, pixels, grid = inputs_of(directory)
    model = AutoModelForImageTextToText.from_pretrained(directory, dtype=torch.float32).eval()
    shapes = {"mm_token_type_ids": types[None], "pixel_values": pixels, "image_grid_thw": grid}
    with torch.no_grad(), captured_layers(model.model.language_model.layers, (LAYERS - 1,)) as taken:
        whole = model(input_ids=ids[None], **shapes, output_hidden_states=True).hidden_states
    raw = taken[LAYERS - 1]
    assert len(whole) == LAYERS + 1 and not torch.allclose(raw, whole[-1], atol=1e-3)
    with torch.no_grad():
        torch.testing.assert_close(model.model.language_model.norm(raw), whole[-1], atol=1e-6, rtol=1e-6)
    with pytest.raises(UserError, match="target_layer_ids must lie in"):
        small_config(target_layer_ids=(3, LAYERS - 1))


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_rows_with_videos_are_captured_as_the_whole_model_sees_them(kind, target_dirs, tmp_path):
    """Through the shards: an image and a video of three frames in one row."""
    directory = target_dirs[kind]
    made, pngs, shown = video_row(5)
    write_images(tmp_path, [*pngs, *shown])
    write_rows(tmp_path, "train", [made])
    row = RowShards(tmp_path, "train")[0]
    reader = PixelReader(directory, ImageShards(tmp_path))
    model = AutoModelForImageTextToText.from_pretrained(directory, dtype=torch.float32).eval()
    ids, types = torch.tensor(row.input_ids)[None].long(), torch.tensor(row.token_types)[None].long()
    (pixels, grid), (videos, video_grid) = reader.pixels(row), reader.videos(row)
    shapes = {"image_grid_thw": grid, "video_grid_thw": video_grid}
    with torch.no_grad():
        whole = model(
            input_ids=ids,
            mm_token_type_ids=types,
            pixel_values=pixels,
            pixel_values_videos=videos,
            **shapes,
            output_hidden_states=True,
        ).hidden_states
    target = load_target(read_spec(directory), (3, 4), torch.float32)
    pictures = PictureSource(reader, PictureWorkers(ImageShards(tmp_path), 0))
    captured = StateSource(target, pictures, 0).row("train", row)
    wanted = torch.cat([whole[k + 1][0] for k in (3, 4)], dim=-1)
    torch.testing.assert_close(captured, wanted[: len(captured)], atol=1e-6, rtol=1e-6)
    positions, _ = model.model.get_rope_index(ids, types, **shapes)
    preparer = Preparer(target, small_config(), "split", packed=False, pack_tokens=1024, draft_tokens=1024)
    assert torch.equal(preparer.positions(row), positions[:, 0])

    other = capture_row(target, ids[0], types[0], pixels, grid, videos.flip(0), video_grid)
    assert not torch.allclose(other.states[: len(captured)], captured), "the frames do not matter"


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_early_stop_equals_reduced_depth_and_leaves_no_trace(kind, target_dirs):
    directory = target_dirs[kind]
    ids, types, pixels, grid = inputs_of(directory)
    spec = read_spec(directory)
    cut = load_target(spec, (3, 5), torch.float32)
    whole = load_target(spec, (3, 5), torch.float32, whole=True)
    calls = []
    whole.model.model.language_model.layers[6].register_forward_hook(lambda *_: calls.append(1))
    first = capture_row(whole, ids, types, pixels, grid)
    assert not calls, "a layer behind the last captured one was computed"
    assert torch.equal(first.states, capture_row(cut, ids, types, pixels, grid).states)
    text = ids[ids != IMAGE]
    again = capture_row(whole, text, torch.zeros_like(text), None, None)
    fresh = capture_row(cut, text, torch.zeros_like(text), None, None)
    assert torch.equal(again.states, fresh.states), "the row before left something behind"
    assert torch.equal(again.positions, torch.arange(len(text)).expand(3, -1))


def test_positions_are_the_targets_own(target_dirs):
    directory = target_dirs["qwen3_vl"]
    ids, types, pixels, grid = inputs_of(directory)
    target = load_target(read_spec(directory), (3,), torch.float32)
    made = capture_row(target, ids, types, pixels, grid)
    wanted, _ = target.model.model.get_rope_index(ids[None], types[None].long(), image_grid_thw=grid)
    assert torch.equal(made.positions, wanted[:, 0])
    assert not torch.equal(made.positions[1], made.positions[2])


def test_embedding_and_head(target_dirs):
    target = load_target(read_spec(target_dirs["qwen3_5"]), (1,), torch.bfloat16)
    assert target.embed.shape == target.lm_head.shape == (512, 64)
    assert target.embed.dtype == torch.bfloat16
    assert not any(p.requires_grad for p in target.model.parameters())


def test_tied_head_stays_tied(target_dirs):
    model = make_model("qwen3_vl")
    model.config.tie_word_embeddings = True
    model.tie_weights()
    target = freeze(read_spec(target_dirs["qwen3_vl"]), model, (3,))
    assert target.embed.data_ptr() == target.lm_head.data_ptr()


def test_stray_placeholders_and_missing_weights_are_refused(target_dirs, tmp_path):
    target = load_target(read_spec(target_dirs["qwen3_vl"]), (3,), torch.float32)
    with pytest.raises(UserError) as error:
        capture_row(target, torch.tensor([1, 2]), torch.tensor([0, 2]), None, None)
    assert error.value.code == "video-tokens"
    with pytest.raises(UserError) as error:
        capture_row(target, torch.tensor([1, VIDEO]), torch.tensor([0, 0]), None, None)
    assert error.value.code == "video-tokens"

    ids, types, pixels, grid = inputs_of(target_dirs["qwen3_vl"])
    with pytest.raises(UserError) as error:
        capture_row(target, torch.cat((ids, torch.tensor([IMAGE]))), torch.cat((types, types[:1])), pixels, grid)
    assert error.value.code == "image-tokens"

    from safetensors.torch import load_file, save_file

    source = target_dirs["qwen3_vl"]
    tensors = load_file(source / "model.safetensors")
    name = next(n for n in tensors if "layers.2.mlp" in n)
    save_file({n: t for n, t in tensors.items() if n != name}, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_bytes((source / "config.json").read_bytes())
    with pytest.raises(UserError) as error:
        load_target(read_spec(tmp_path), (3,), torch.float32)
    assert error.value.code == "target-weights"


def test_states_do_not_depend_on_what_follows(target_dirs):
    """A walk reads states of a whole row; in service only the past exists. Causality makes them the same."""
    directory = target_dirs["qwen3_5_moe"]
    ids, types, pixels, grid = inputs_of(directory)
    target = load_target(read_spec(directory), (1, 3), torch.float32)
    whole = capture_row(target, ids, types, pixels, grid).states
    cut = len(ids) - 7
    part = capture_row(target, ids[:cut], types[:cut], pixels, grid).states
    np.testing.assert_allclose(part.numpy(), whole[:cut].numpy(), atol=2e-5)
