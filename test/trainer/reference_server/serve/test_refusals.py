"""Malformed requests are refused: with 400, in SGLang's form, naming the field."""

from __future__ import annotations

import json

import openai
import pytest
from refusal_kit import BODIES, CHAT, HI, NOT_JSON, NOT_OBJECT, history, message_of

DEEP = 100_000


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
