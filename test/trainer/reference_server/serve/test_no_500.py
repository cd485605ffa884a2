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


def value_at(value, at):
    for key in at:
        value = value[key]
    return value


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


#: Stand for JSON that Python's writer cannot write, in the text of a body: nesting, literals, escapes.
RAW = {
    "@list@": "[" * 100_000 + "]" * 100_000,
    "@object@": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "@mixed@": '[{"type":' * 3_000 + "1" + "}]" * 3_000,
    "@257@": "[" * 257 + "]" * 257,
    "@digits@": "1" * 10_000,
    "@infinite@": "1e400",
    "@nan@": "NaN",
    "@minus@": "-Infinity",
    "@tiny@": "1e-400",
}
HUGE = [
    2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400, 1e308, -1e308, 5e-324, [2**70], [10**400], [[2**64]],
    "@digits@", "@infinite@", "@nan@", "@minus@", "@tiny@",
]  # fmt: skip
#: What a client could put at any place of a body, by kind. Each kind has to be drawn, so each has a test of its own.
HOSTILE = {
    "lone surrogates": st.sampled_from(["\ud800", "a\udfffb", "\udc00\ud800", "<|im_start|>\ud8ff"]).flatmap(
        lambda text: st.sampled_from([text, [text], {text: 1}, {"type": "text", "text": text}])
    ),
    "deep nesting": st.sampled_from(["@list@", "@object@", "@mixed@", "@257@"]),
    "huge numbers": st.sampled_from(HUGE),
    "wrong types": st.sampled_from(
        [
            None,
            True,
            False,
            0,
            -1,
            0.5,
            "",
            "x",
            [],
            {},
            [None],
            [[]],
            [{}],
            {"": None},
            {"type": {}},
            [[1, "a"]],
            [0.5],
        ]
    ),
}
#: Arguments of an earlier tool call: texts that are no JSON object, and JSON that is no text.
ARGUMENTS = [
    "", " ", "{", "}", "[1]", "1", "null", "true", '"x"', "NaN", '{"a": NaN}', '{"a": 1e400}', "{'a': 1}", "{}{}",
    "\ufeff{}", '{"a": "\\ud800"}', '{"\\udfff": 1}', '{"a": "\ud800"}', "[" * 100_000,
    '{"a":' * 5_000 + "1" + "}" * 5_000,
    '{"n": ' + "9" * 5_000 + "}", "\x00", None, 1, True, [], [1], "@list@", "@object@", {"a": "\ud800"}, {"a": "@257@"},
]  # fmt: skip
#: Fields of other servers and of OpenAI, with values that ask for something.
ASKED = {
    "response_format": [
        {"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        {"type": "json_schema", "json_schema": "@list@"}, {"type": "\ud800"}, {"type": 3}, [], "json",
    ],
    "logprobs": [True, False, None, 1, 2**70, "yes", "@nan@", {"a": "@object@"}],
    "top_logprobs": [0, 3, -1, 2**70, 1e400, "\ud800", "@digits@"],
    "return_logprob": [True, [True], ["\ud800"], "@list@"],
    "logit_bias": [{"5": 1}, {"5": "@infinite@"}, {"\ud800": 1}, {"a": "@list@"}, 2**70],
    "regex": ["(", "\ud800", "@list@"],
    "tool_choice": ["required", {"type": "function", "function": {"name": "f"}}, "\ud800", "@list@", 2**70],
    "stop": ["\ud800", ["\ud800"], [2**70], "@list@"],
    "stop_token_ids": [[2**63], [-1], [10**400], "@257@", ["5"]],
    "chat_template_kwargs": [{"enable_thinking": "@list@"}, {"\ud800": 1}, {"tools": "@257@"}, {"a": "\ud800"}],
}  # fmt: skip


def as_json(body):
    """The body's text, with what Python cannot write put in; lone surrogates are escaped, as clients send them."""
    text = json.dumps(body)
    for mark, raw in RAW.items():
        text = text.replace(f'"{mark}"', raw)
    return text.encode()


def check_refused_or_answered(ask, path, body):
    answer = ask(path, as_json(body))
    assert answer.status_code in (200, 400), answer.text[:2000]
    if answer.status_code == 400:
        message = message_of(answer)
        assert message and len(message) < 20_000
    assert "Traceback" not in answer.text


def short(body):
    """Answers of a few tokens: what is asked for does not matter here."""
    if isinstance(body, dict) and isinstance(body.get("max_tokens"), int):
        return {**body, "max_tokens": min(1, body["max_tokens"])}
    return body


@pytest.mark.parametrize("kind", HOSTILE)
@given(st.data())
@hypothesis_settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_place_of_a_body_is_a_500(ask, kind, data):
    """A whole request with a hostile value in place of one of its own, or beside them under a known key."""
    path = data.draw(st.sampled_from(list(FULL)), "path")
    body, value = FULL[path], data.draw(HOSTILE[kind], "value")
    at = data.draw(st.sampled_from(list(paths(body))), "at")
    if data.draw(st.booleans(), "beside") and isinstance(own := value_at(body, at), dict):
        body = changed(body, at, {**own, data.draw(st.sampled_from(KEYS), "key"): value})
    else:
        body = changed(body, at, value)
    check_refused_or_answered(ask, path, short(body))


@given(st.sampled_from(ARGUMENTS), st.sampled_from([CHAT, "/tokenize"]), st.sampled_from(["assistant", "user", "tool"]))
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_arguments_of_a_tool_call_are_a_500(ask, arguments, path, role):
    more = {"max_tokens": 1, "temperature": 0} if path == CHAT else {}
    check_refused_or_answered(ask, path, {"messages": history(arguments, role), **more})


@given(st.sampled_from([(name, value) for name, values in ASKED.items() for value in values]), st.booleans())
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_field_of_another_server_is_a_500(ask, asked, in_generate):
    name, value = asked
    if in_generate:
        body = BODIES["/generate"]
        inside = {**body, "sampling_params": {**body["sampling_params"], name: value}}
        check_refused_or_answered(ask, "/generate", inside)
        check_refused_or_answered(ask, "/generate", {**body, name: value})
    else:
        check_refused_or_answered(ask, CHAT, {**BODIES[CHAT], name: value})


@given(st.data())
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_is_a_500(ask, data):
    """A whole request with one to three values replaced by anything, or a body that is anything."""
    path = data.draw(st.sampled_from(list(FULL)), "path")
    body = FULL[path]
    for _ in range(data.draw(st.integers(0, 3), "changes")):
        at = data.draw(st.sampled_from(list(paths(body))), "at")
        body = changed(body, at, data.draw(VALUE, "value"))
    check_refused_or_answered(ask, path, short(body))


@given(st.sampled_from(list(BODIES)), st.binary(max_size=40), st.integers(0, 60))
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_are_a_500(ask, path, garbage, at):
    whole = json.dumps(BODIES[path]).encode()
    for body in (garbage, whole[:at] + garbage + whole[at + len(garbage) :]):
        answer = ask(path, body)
        assert answer.status_code in (200, 400), answer.text
