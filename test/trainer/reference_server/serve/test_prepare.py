"""Prompts against transformers' own processor, and what pictures may be."""

from __future__ import annotations

import base64
import io
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from PIL import Image
from reference_server.serve.errors import ApiError
from reference_server.serve.images import ImageReader
from reference_server.serve.prepare import Preparer
from reference_server.serve.protocol import ChatRequest
from reference_server.serve.render import Renderer
from serve_kit import MODEL, data_uri, image_part, picture, png


@pytest.fixture(scope="module")
def reader(checkpoint, settings):
    return ImageReader(checkpoint.image_processor, settings)


@pytest.fixture(scope="module")
def preparer(checkpoint, reader):
    return Preparer(checkpoint, Renderer(checkpoint.tokenizer), reader)


def test_prompts_equal_those_of_the_processor(preparer):
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(MODEL)
    # The second picture is no fixed point of the resize rule, so it is resized in both.
    pictures = [picture(1), picture(2, (300, 200)), picture(3, (192, 256))]
    messages = [
        {"role": "system", "content": "You operate a computer."},
        {
            "role": "user",
            "content": [image_part(pictures[0]), {"type": "text", "text": "Click."}, image_part(pictures[1])],
        },
        {"role": "assistant", "content": "Done: é 🙂"},
        {"role": "user", "content": [{"type": "text", "text": "Again."}, image_part(pictures[2])]},
    ]
    prompt = preparer.chat(ChatRequest(messages=messages))
    shown = [
        m
        | {
            "content": [p if p["type"] == "text" else {"type": "image"} for p in m["content"]]
            if isinstance(m["content"], list)
            else m["content"]
        }
        for m in messages
    ]
    text = processor.apply_chat_template(shown, tokenize=False, add_generation_prompt=True)
    wanted = processor(text=[text], images=pictures, return_tensors="pt")
    assert prompt.ids == wanted["input_ids"][0].tolist()
    assert [image.grid for image in prompt.images] == [tuple(grid) for grid in wanted["image_grid_thw"].tolist()]
    assert torch.equal(torch.cat([image.pixel_values for image in prompt.images]), wanted["pixel_values"])


def test_content_given_as_text_or_as_parts_is_the_same(preparer):
    text = [{"role": "user", "content": "Click."}]
    parts = [{"role": "user", "content": [{"type": "text", "text": "Cli"}, {"type": "text", "text": "ck."}]}]
    assert preparer.chat(ChatRequest(messages=text)).ids == preparer.chat(ChatRequest(messages=parts)).ids


def test_a_tool_conversation_is_rendered_with_objects_not_quoted_text(preparer, checkpoint):
    call = {"id": "1", "type": "function", "function": {"name": "click", "arguments": '{"x": 1}'}}
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "done", "tool_call_id": "1"},
    ]
    text = checkpoint.tokenizer.decode(preparer.chat(ChatRequest(messages=messages)).ids)
    assert '{"name": "click", "arguments": {"x": 1}}' in text


@pytest.mark.parametrize(
    ("tool", "shown"),
    [
        (
            {"function": {"parameters": {}, "name": "f", "x-any": 1}},
            '{"type": "function", "function": {"parameters": {}, "name": "f", "description": null}, '
            '"defer_loading": null}',
        ),
        (
            {"function": {"name": "f", "strict": False, "description": "d"}, "defer_loading": True},
            '{"type": "function", "function": {"name": "f", "strict": false, "description": "d", "parameters": null, '
            '"defer_loading": true}, "defer_loading": true}',
        ),
        (
            {"function": {"name": "f", "strict": None}},
            '{"type": "function", "function": {"name": "f", "description": null, "parameters": null}, '
            '"defer_loading": null}',
        ),
    ],
)
def test_tools_reach_the_template_as_in_sglang(preparer, checkpoint, tool, shown):
    request = ChatRequest(messages=[{"role": "user", "content": "go"}], tools=[tool])
    text = checkpoint.tokenizer.decode(preparer.chat(request).ids)
    assert f"<tools>\n{shown}\n</tools>" in text


def test_alpha_is_dropped_and_grey_becomes_three_channels(reader):
    clear = picture(1).convert("RGBA")
    clear.putalpha(40)
    solid = reader.read(data_uri(png(picture(1))))
    assert torch.equal(reader.read(data_uri(png(clear))).pixel_values, solid.pixel_values)
    grey = reader.read(data_uri(png(picture(1).convert("L"))))
    assert grey.pixel_values.shape == solid.pixel_values.shape


def test_jpeg_as_raw_base64_is_no_path(reader):
    out = io.BytesIO()
    picture(1).save(out, "jpeg")
    raw = base64.b64encode(out.getvalue()).decode()
    assert raw.startswith("/9j/")
    assert reader.read(raw).grid == (1, 12, 16)


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(checkpoint, settings):
    small = ImageReader(checkpoint.image_processor, replace(settings, max_image_pixels=1000))
    with pytest.raises(ApiError, match="256 x 192 pixels; at most 1000"):
        small.read(data_uri(png(picture(1))))
    # A bomb: a few bytes that would be gigabytes.
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "png")
    with pytest.raises(ApiError) as caught:
        ImageReader(checkpoint.image_processor, settings).read(data_uri(bomb.getvalue()))
    assert caught.value.status == 400


def test_files_only_below_a_root(checkpoint, settings, tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for directory in (inside, outside):
        directory.mkdir()
        (directory / "a b.png").write_bytes(png(picture(1)))
    (inside / "link.png").symlink_to(outside / "a b.png")
    allowed = ImageReader(checkpoint.image_processor, replace(settings, image_roots=(inside,)))
    assert allowed.read(str(inside / "a b.png")).grid == (1, 12, 16)
    assert allowed.read(f"file://{inside}/a%20b.png").grid == (1, 12, 16)
    for path in (outside / "a b.png", inside / ".." / "out" / "a b.png", inside / "link.png"):
        with pytest.raises(ApiError, match="not below an --image-root"):
            allowed.read(str(path))
    with pytest.raises(ApiError) as caught:
        allowed.read(str(inside / "missing.png"))
    assert caught.value.status == 500


def test_the_network_only_when_allowed(checkpoint, settings, tmp_path):
    (tmp_path / "a.png").write_bytes(png(picture(1)))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/a.png"
    try:
        with pytest.raises(ApiError, match="without --remote-images"):
            ImageReader(checkpoint.image_processor, settings).read(url)
        allowed = ImageReader(checkpoint.image_processor, replace(settings, remote_images=True))
        assert allowed.read(url).grid == (1, 12, 16)
        with pytest.raises(ApiError) as caught:
            allowed.read(url.replace("a.png", "b.png"))
        assert caught.value.status == 500
    finally:
        server.shutdown()
        server.server_close()
