"""Requests that are refused: with 400, in SGLang's form, naming the field. Nothing that a client sends is a 500."""

from __future__ import annotations

import asyncio
import json

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from reference_server.serve.app import make_app, make_context
from reference_server.serve.errors import ApiError
from reference_server.serve.protocol import Message
from reference_server.serve.render import Renderer
from serve_kit import data_uri, image_part, picture, png

CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "Open the menu."}]
BODIES = {
    CHAT: {"messages": HI, "temperature": 0, "max_tokens": 2},
    "/generate": {"text": "Open", "sampling_params": {"temperature": 0, "max_new_tokens": 2}},
    "/tokenize": {"messages": HI},
    "/v1/tokenize": {"prompt": "Open"},
    "/detokenize": {"tokens": [5, 6]},
    "/v1/detokenize": {"tokens": [[5], [6]]},
}
DEEP = 100_000


@pytest.fixture(scope="module")
def ask(settings, checkpoint):
    """Posts a body to a server without a socket and returns the response; one server for all tests of this file."""
    loop = asyncio.new_event_loop()
    context = make_context(settings, checkpoint)
    app = make_app(context)
    lifespan = app.router.lifespan_context(app)
    loop.run_until_complete(lifespan.__aenter__())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://server", timeout=120)

    def post(path, body):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        return loop.run_until_complete(client.post(path, content=content, headers=headers))

    yield post
    loop.run_until_complete(client.aclose())
    loop.run_until_complete(lifespan.__aexit__(None, None, None))
    loop.close()


def message_of(response):
    assert response.status_code == 400, response.text
    body = response.json()
    if "object" in body:
        assert list(body) == ["object", "message", "type", "param", "code"]
        assert (body["object"], body["param"], body["code"]) == ("error", None, 400)
        return body["message"]
    assert list(body) == ["error"]
    return body["error"]["message"] if isinstance(body["error"], dict) else body["error"]


def history(arguments, role="assistant"):
    call = {"id": "c1", "type": "function", "function": {"name": "type_text", "arguments": arguments}}
    message = {"role": role, "content": "", "tool_calls": [call]}
    return [*HI, message, {"role": "tool", "content": "ok", "tool_call_id": "c1"}]


NOT_JSON = "Assistant tool call function.arguments must be valid JSON."
NOT_OBJECT = "Assistant tool call function.arguments must be a JSON object."


@pytest.mark.parametrize("path", [CHAT, "/tokenize"])
@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("", NOT_JSON),
        ("text=hello", NOT_JSON),
        ('{"text": "hel', NOT_JSON),
        ("{'text': 1}", NOT_JSON),
        ('{"x": NaN}', NOT_JSON),
        ('{"text": "\\ud83d"}', NOT_JSON),
        ('{"x": ' * DEEP, NOT_JSON),
        ("[1, 2]", NOT_OBJECT),
        ("17.5", NOT_OBJECT),
        ('"hello"', NOT_OBJECT),
        ("true", NOT_OBJECT),
        ("null", NOT_OBJECT),
    ],
)
def test_arguments_that_are_no_json_object(ask, path, arguments, wanted):
    answer = ask(path, {**BODIES[CHAT], "messages": history(arguments)})
    assert message_of(answer) == wanted
    assert answer.json()["type"] == "BadRequestError"


@pytest.mark.parametrize("arguments", [[1], 3, True])
def test_arguments_that_are_neither_text_nor_object(ask, arguments):
    message = message_of(ask(CHAT, {**BODIES[CHAT], "messages": history(arguments)}))
    assert "'tool_calls', 0, 'function', 'arguments'" in message


@pytest.mark.parametrize("arguments", ["{}", '{"text": "a", "text": "b"}', {"text": "b"}, None])
def test_arguments_that_sglang_accepts(ask, arguments):
    assert ask("/tokenize", {"messages": history(arguments)}).status_code == 200


def test_an_earlier_turn_is_checked_as_the_last_is(ask):
    messages = [*history("[]"), {"role": "assistant", "content": "Done."}, *HI]
    assert message_of(ask(CHAT, {**BODIES[CHAT], "messages": messages})) == NOT_OBJECT


LONE = "x\udcffy"


@pytest.mark.parametrize(
    ("path", "change", "where"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "\ud800"}]}, "'messages', 0, 'content'"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": LONE}]}]}, "'content', 0, 'text'"),
        (CHAT, {"messages": [*HI, {"role": "tool", "content": "a", "name": LONE}]}, "'messages', 1, 'name'"),
        (CHAT, {"messages": history({"text": LONE})}, "'arguments', 'text'"),
        (CHAT, {"tools": [{"function": {"name": "f", "parameters": {LONE: 1}}}]}, "'function', 'parameters'"),
        (CHAT, {"stop": ["a", LONE]}, "'stop', 1"),
        (CHAT, {"chat_template_kwargs": {"note": LONE}}, "'chat_template_kwargs', 'note'"),
        (CHAT, {"rid": LONE}, "'rid'"),
        (CHAT, {"nobody_knows": LONE}, "'nobody_knows'"),
        (CHAT, {LONE: 1}, "key with a lone surrogate"),
        ("/generate", {"text": ["fine", LONE]}, "'text', 1"),
        ("/generate", {"sampling_params": {"stop": LONE}}, "'sampling_params', 'stop'"),
        ("/tokenize", {"messages": [{"role": "user", "content": LONE}]}, "'messages', 0, 'content'"),
        ("/v1/tokenize", {"prompt": LONE}, "'prompt'"),
        ("/detokenize", {"model": LONE}, "'model'"),
    ],
)
def test_lone_surrogates(ask, path, change, where):
    message = message_of(ask(path, {**BODIES[path], **change}))
    assert "lone surrogate" in message
    assert where in message


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("open_, close", [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("levels", [300, DEEP])
def test_deep_nesting(ask, path, open_, close, levels):
    deep = open_ * levels + b"1" + close * levels
    whole = json.dumps({**BODIES[path], "HERE": 0}).encode()
    for body in (deep, whole.replace(b'"HERE": 0', b'"metadata": ' + deep)):
        assert "nested deeper than 256 levels" in message_of(ask(path, body))


def test_a_schema_and_template_arguments_below_the_limit_are_rendered(ask):
    schema = {"type": "string"}
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    body = {"messages": HI, "tools": [{"function": {"name": "f", "parameters": schema}}]}
    assert ask("/tokenize", body).status_code == 200


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"null", b"3", b'"a"', b"[]", b"{}", b"\xff\xfe", b"{", b'{"a": NaN}', b'{"a": 1e999}', b"9" * 9000],
)
def test_malformed_bodies(ask, path, body):
    answer = ask(path, body)
    assert message_of(answer)
    if (path, body) != ("/generate", b"{}"):
        assert answer.json()["type"] == "Bad Request"


def test_a_repeated_key_is_named(ask):
    message = message_of(ask(CHAT, b'{"messages": [], "max_tokens": 1, "max_tokens": 2}'))
    assert "'max_tokens'" in message


def test_many_mistakes_give_a_short_answer(ask):
    answer = ask(CHAT, {"messages": [{"role": 5}] * 5000})
    assert message_of(answer).endswith("more")
    assert len(answer.text) < 20_000


@pytest.mark.parametrize(
    ("field", "value", "instead"),
    [
        ("response_format", {"type": "json_object"}, "in the prompt"),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}, "in the prompt"),
        ("response_format", {"type": "structural_tag", "structures": []}, "in the prompt"),
        ("logprobs", True, "return_token_ids"),
        ("top_logprobs", 5, "return_token_ids"),
        ("n", 3, "n = 1"),
        ("n", 0, "n = 1"),
        ("temperature", 0.2, "temperature 0"),
        ("frequency_penalty", 0.5, "Send 0"),
        ("repetition_penalty", 1.2, "Send 1"),
        ("logit_bias", {"7": -100}, "Leave it out"),
        ("min_tokens", 4, "ignore_eos"),
        ("stop_regex", "a+", "stop_token_ids"),
        ("ebnf", 'root ::= "a"', "in the prompt"),
        ("guided_json", {"type": "object"}, "in the prompt"),
        ("functions", [{"name": "f"}], "tools"),
        ("function_call", {"name": "f"}, "tool_choice"),
        ("reasoning_effort", "low", "enable_thinking"),
        ("reasoning", {"effort": "low"}, "enable_thinking"),
        ("chat_template", "{{ messages }}", "checkpoint"),
        ("lora_path", "adapter", "merged"),
        ("custom_logit_processor", "code", "Leave it out"),
        ("modalities", ["text", "audio"], '"text"'),
        ("mm_processor_kwargs", {"max_pixels": 5}, "preprocessor_config.json"),
    ],
)
def test_fields_that_would_change_the_answer(ask, field, value, instead):
    message = message_of(ask(CHAT, {**BODIES[CHAT], field: value}))
    assert f"{field} = " in message
    assert "not support" in message
    assert instead in message


def test_one_call_at_a_time_cannot_be_promised(ask):
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert "parallel_tool_calls" in message_of(
        ask(CHAT, {**BODIES[CHAT], "tools": tools, "parallel_tool_calls": False})
    )


def test_tools_inside_a_message(ask):
    messages = [{"role": "system", "content": "a", "tools": [{"function": {"name": "f"}}]}, *HI]
    assert "tools inside a message" in message_of(ask(CHAT, {**BODIES[CHAT], "messages": messages}))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"return_logprob": True}, "return_logprob"),
        ({"top_logprobs_num": 2, "return_logprob": False}, "top_logprobs_num"),
        ({"input_embeds": [[0.5]]}, "input_embeds"),
        ({"audio_data": "x"}, "audio_data"),
        ({"sampling_params": {"json_schema": "{}"}}, "json_schema"),
        ({"sampling_params": {"beam_width": 4}}, "beam_width"),
        ({"sampling_params": {"custom_params": {"a": 1}}}, "custom_params"),
        ({"sampling_params": [{}, {}]}, "sampling_params has 2 entries for 1"),
        ({"text": ["a", "b"], "rid": ["1"]}, "rid has 1 entries for 2"),
        ({"text": ["a", "b"], "sampling_params": [{}]}, "sampling_params has 1 entries for 2"),
        ({"text": ["a", "b"], "image_data": ["x"]}, "image_data has 1 entries for 2"),
        ({"text": ["a", "b"], "image_data": "x"}, "image_data is one image for 2"),
        ({"text": ["a"], "input_ids": [[1]]}, "not as both"),
    ],
)
def test_generate_fields_that_would_change_the_answer(ask, change, word):
    assert word in message_of(ask("/generate", {**BODIES["/generate"], **change}))


def test_fields_that_change_nothing_are_ignored(ask):
    plain = ask(CHAT, BODIES[CHAT]).json()["choices"]
    neutral = {
        "seed": 7, "user": "me", "store": True, "metadata": {"a": "b"}, "service_tier": "auto", "n": 1, "top_k": 40,
        "top_p": 0.9, "min_p": 0.1, "logprobs": False, "top_logprobs": None, "response_format": {"type": "text"},
        "presence_penalty": 0, "repetition_penalty": 1, "logit_bias": {}, "modalities": ["text"], "best_of": 1,
        "parallel_tool_calls": True, "priority": 3, "cache_salt": "s", "reasoning_effort": None, "unknown": [1],
    }  # fmt: skip
    answer = ask(CHAT, {**BODIES[CHAT], **neutral})
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"] == plain


@pytest.mark.parametrize("name", ["tokenize", "tools", "return_dict", "messages", "add_generation_prompt"])
def test_template_arguments_of_the_server(ask, name):
    assert name in message_of(ask(CHAT, {**BODIES[CHAT], "chat_template_kwargs": {name: True}}))


def test_what_a_template_fails_with_is_the_requests_fault():
    class Failing:
        def apply_chat_template(self, *_args, **_more):
            raise self.error

    for error in (KeyError("a"), RecursionError("deep"), ZeroDivisionError("zero"), AttributeError("x\ud800")):
        Failing.error = error
        with pytest.raises(ApiError) as caught:
            Renderer(Failing()).chat([Message(role="user", content="a")], None, None)
        assert caught.value.status == 400
        assert type(error).__name__ in caught.value.message
        caught.value.message.encode()


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


def test_a_failure_that_nobody_foresaw_has_the_form_too(ask, monkeypatch):
    def failing(*_):
        raise RuntimeError("out of \ud800 luck")

    monkeypatch.setattr("reference_server.serve.prepare.Preparer.chat", failing)
    answer = ask(CHAT, BODIES[CHAT])
    assert answer.status_code == 500
    assert answer.json() == {
        "object": "error",
        "message": "Internal server error: RuntimeError: out of \\ud800 luck",
        "type": "InternalServerError",
        "param": None,
        "code": 500,
    }


def test_openai_client_raises_bad_request_with_the_message(live):
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as client:
        for more, word in (
            ({"response_format": {"type": "json_object"}}, "response_format"),
            ({"logprobs": True, "top_logprobs": 2}, "logprobs"),
            ({"messages": history("[1]")}, NOT_OBJECT),
            ({"max_tokens": 10**7}, "maximum context length"),
        ):
            with pytest.raises(openai.BadRequestError) as caught:
                client.chat.completions.create(**{"model": "tiny-gui", "messages": HI, "temperature": 0, **more})
            error = caught.value
            assert (error.status_code, error.type, error.param) == (400, "BadRequestError", None)
            assert word in error.message
            assert error.body == {
                "object": "error",
                "message": error.body["message"],
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            }
