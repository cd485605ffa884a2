"""Nothing that a client sends is a 500: damaged images, bodies with anything anywhere, bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from refusal_kit import BODIES, CHAT, HI, history, message_of
from serve_kit import data_uri, image_part, picture, png


@pytest.mark.parametrize(
    "url",
    [
        "", "data:", "data:image/png;base64,", "data:image/png;base64,äöü", "http://[", "file://[/a", "/a\0b", "file:///%00",
        "file://", "/", "ftp://a/b", "é", "=", "data:image/png;base64,AAAA", data_uri(png(picture(1))[:90]),
        data_uri(png(picture(1).resize((9000, 9)))),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [CHAT, "/generate"])
def test_images_that_are_none(ask, path, url):
    part = {"type": "image_url", "image_url": {"url": url}}
    pad = "<|vision_start|><|image_pad|><|vision_end|>"
    body = {"messages": [{"role": "user", "content": [part]}]} if path == CHAT else {"text": pad, "image_data": url}
    assert message_of(ask(path, {**BODIES[path], **body}))


@pytest.mark.parametrize("size", [(1, 1), (1, 100), (3, 2), (33, 31)])
def test_tiny_images_are_images(ask, size):
    content = [image_part(picture(0).resize(size))]
    assert ask(CHAT, {**BODIES[CHAT], "messages": [{"role": "user", "content": content}]}).status_code == 200


@given(st.binary(min_size=1, max_size=60), st.integers(0, 400))
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_pictures_are_never_a_500(ask, garbage, at):
    whole = png(picture(2, (128, 96)))
    body = {**BODIES["/generate"], "text": "<|image_pad|>", "image_data": data_uri(whole[:at] + garbage + whole[at:])}
    assert ask("/generate", body).status_code in (200, 400)


WORDS = [
    "",
    "user",
    "assistant",
    "tool",
    "text",
    "image_url",
    "{}",
    "[1]",
    "auto",
    "none",
    "<|image_pad|>",
    "é🙂",
    "\ud83d",
]
KEYS = [
    "messages", "role", "content", "type", "text", "image_url", "url", "tool_calls", "function", "name", "arguments",
    "tools", "parameters", "tool_choice", "stop", "n", "temperature", "max_tokens", "stream", "stream_options",
    "chat_template_kwargs", "response_format", "logprobs", "input_ids", "prompt", "tokens", "sampling_params", "rid",
    "image_data", "stop_token_ids", "max_new_tokens", "top_p", "continue_final_message", "reasoning_content",
]  # fmt: skip
LEAF = (
    st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from([2**31, 2**63, 2**64, -(2**70), 1e308, 0.5, -0.0])
    | st.sampled_from(WORDS) | st.text(max_size=4)
)  # fmt: skip
VALUE = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


def paths(value, at=()):
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*at, key))


def changed(value, at, new):
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = changed(value[at[0]], at[1:], new)
    return copy


FULL = {
    CHAT: {
        "messages": [
            {"role": "system", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}, image_part(picture(1).resize((64, 64)))]},
            *history('{"x": 1}')[1:],
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "auto", "stop": ["z"], "stop_token_ids": [3], "temperature": 0, "top_p": 1, "n": 1,
        "max_tokens": 1, "stream": False, "stream_options": {"include_usage": True}, "rid": "r",
        "chat_template_kwargs": {"enable_thinking": True}, "response_format": {"type": "text"},
        "return_token_ids": True, "return_meta_info": True, "input_ids": None, "continue_final_message": False,
    },
    "/generate": {
        "text": None, "input_ids": [[5, 6], [7]], "image_data": None, "rid": ["a", "b"], "stream": False,
        "sampling_params": [{"temperature": 0, "max_new_tokens": 1, "stop": "z", "stop_token_ids": [3]}] * 2,
    },
    "/tokenize": {"messages": HI, "prompt": None, "tools": None, "add_special_tokens": True},
    "/detokenize": {"tokens": [[5], [6]], "skip_special_tokens": True},
}  # fmt: skip


@given(st.data())
@hypothesis_settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_is_a_500(ask, data):
    """A whole request with one to three values replaced by anything, or a body that is anything."""
    path = data.draw(st.sampled_from(list(FULL)), "path")
    body = FULL[path]
    for _ in range(data.draw(st.integers(0, 3), "changes")):
        at = data.draw(st.sampled_from(list(paths(body))), "at")
        body = changed(body, at, data.draw(VALUE, "value"))
    if isinstance(body, dict) and path != "/generate" and "max_tokens" in body:
        body = {**body, "max_tokens": 1} if isinstance(body["max_tokens"], int) else body
    answer = ask(path, body)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert message_of(answer)
    assert "Traceback" not in answer.text


@given(st.sampled_from(list(BODIES)), st.binary(max_size=40), st.integers(0, 60))
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_are_a_500(ask, path, garbage, at):
    whole = json.dumps(BODIES[path]).encode()
    for body in (garbage, whole[:at] + garbage + whole[at + len(garbage) :]):
        answer = ask(path, body)
        assert answer.status_code in (200, 400), answer.text
