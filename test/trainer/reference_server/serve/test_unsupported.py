"""Fields that would change the answer are refused with what to use instead; the others are ignored."""

from __future__ import annotations

import pytest
from reference_server.serve.errors import ApiError
from reference_server.serve.protocol import Message
from reference_server.serve.render import Renderer
from refusal_kit import BODIES, CHAT, HI, message_of


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
