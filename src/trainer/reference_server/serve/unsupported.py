"""Request fields that would change an answer and that this server does not have.

SGLang serves some of them and ignores others as unknown; a reference that ignored them would answer another request
than the one it got. Fields without influence on a greedy answer (``seed``, ``user``, ``top_k``, ``priority`` ...) are
not listed and are ignored. Sources: the request models of SGLang 0.5.23 and vLLM 0.33, and OpenAI's reference of chat
completions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import not_greedy, unsupported

CONSTRAINED = "Describe the form in the prompt and check it in the answer, or send the request to SGLang."
_VLLM = f"It is a field of vLLM. {CONSTRAINED}"
_MEDIA = "Send images only, as image_url parts of a message (/generate: image_data)."
_ADAPTER = "Serve a checkpoint with the adapter merged into it."
_IMAGES = "Set the image sizes in the checkpoint's preprocessor_config.json, or resize the image before it is sent."
_NO_PROBABILITIES = "Leave it out, or send the request to SGLang; token ids come with return_token_ids."

#: Field -> what to do instead. Null, false, 0, and empty values leave an answer as it is and are accepted.
INSTEAD: dict[str, str] = {
    # Constrained decoding.
    "response_format": CONSTRAINED,
    "regex": CONSTRAINED,
    "ebnf": CONSTRAINED,
    "json_schema": CONSTRAINED,
    "structural_tag": CONSTRAINED,
    "choice": CONSTRAINED,
    "guided_json": _VLLM,
    "guided_regex": _VLLM,
    "guided_choice": _VLLM,
    "guided_grammar": _VLLM,
    "structured_outputs": _VLLM,
    # Probabilities and states.
    "logprobs": _NO_PROBABILITIES,
    "top_logprobs": _NO_PROBABILITIES,
    "prompt_logprobs": _NO_PROBABILITIES,
    "return_logprob": _NO_PROBABILITIES,
    "top_logprobs_num": _NO_PROBABILITIES,
    "token_ids_logprob": _NO_PROBABILITIES,
    "return_routed_experts": "Leave it out.",
    # The choice of tokens.
    "temperature": "Send temperature 0.",
    "n": "Send n = 1; greedy answers to one request are all the same.",
    "best_of": "Leave it out; greedy answers to one request are all the same.",
    "use_beam_search": "Leave it out.",
    "beam_width": "Leave it out.",
    "frequency_penalty": "Send 0.",
    "presence_penalty": "Send 0.",
    "repetition_penalty": "Send 1.",
    "length_penalty": "Leave it out.",
    "logit_bias": "Leave it out.",
    "bad_words": "Leave it out.",
    "allowed_token_ids": "Leave it out.",
    "custom_logit_processor": "Leave it out.",
    "custom_params": "Leave it out.",
    "watermark": "Leave it out.",
    "min_tokens": "Send ignore_eos and max_tokens for a fixed length.",
    "min_new_tokens": "Send ignore_eos and max_new_tokens for a fixed length.",
    "stop_regex": "Use stop or stop_token_ids.",
    "include_stop_str_in_output": "Use no_stop_trim.",
    # The prompt.
    "functions": "Use tools.",
    "function_call": "Use tools and tool_choice.",
    "chat_template": "Serve a checkpoint with this template.",
    "documents": "Use chat_template_kwargs.documents.",
    "reasoning": 'Use chat_template_kwargs, as in {"enable_thinking": false}.',
    "reasoning_effort": 'Use chat_template_kwargs, as in {"enable_thinking": false}.',
    "thinking_token_budget": "Use max_tokens.",
    "verbosity": "Ask for it in the prompt.",
    "truncate_prompt_tokens": "Shorten the prompt before it is sent.",
    "web_search_options": "Leave it out.",
    "input_embeds": "Use text, input_ids or messages.",
    "prompt_embeds": "Use text, input_ids or messages.",
    "lora_path": _ADAPTER,
    "lora_request": _ADAPTER,
    "session_params": "Send the whole conversation.",
    "video_data": _MEDIA,
    "audio_data": _MEDIA,
    "audio": _MEDIA,
    "mm_processor_kwargs": _IMAGES,
    "media_io_kwargs": _IMAGES,
    "max_long_side_pixel": _IMAGES,
}

#: Values that leave a greedy answer as it is, beside null, false, 0 and empty ones.
NEUTRAL: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "beam_width": (1,),
    "repetition_penalty": (1.0,),
    "length_penalty": (1.0,),
    "function_call": ("none", "auto"),
    "verbosity": ("medium",),
}
#: Fields where a zero or an empty value is a setting of its own and not the absence of one.
_STRICT = frozenset({"n", "repetition_penalty", "regex", "ebnf", "json_schema", "response_format", "length_penalty"})


def check_supported(fields: Mapping[str, Any]) -> None:
    """Refuses the first field that would change a greedy answer.

    Raises:
        ApiError: 400 that names the field and what to use instead.
    """
    for name, value in fields.items():
        instead = INSTEAD.get(name)
        if instead is None or value is None or value in NEUTRAL.get(name, ()):
            continue
        if not value and name not in _STRICT:
            continue
        if name == "response_format" and isinstance(value, dict) and value.get("type") == "text":
            continue
        raise not_greedy(name, value, instead)
    modalities = fields.get("modalities")
    if modalities and modalities != ["text"]:
        raise unsupported("modalities", modalities, 'Send ["text"] or leave it out; answers are texts.')
    if fields.get("parallel_tool_calls") is False and fields.get("tools"):
        raise unsupported("parallel_tool_calls", False, "Leave it out, and drop all calls of an answer but the first.")
