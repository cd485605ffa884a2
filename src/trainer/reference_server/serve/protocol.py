"""Request bodies. Unknown keys are ignored, as in SGLang, unless they would change the answer (see ``unsupported``)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, PrivateAttr, model_validator


class Body(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(extra="ignore")


class TextPart(Body):
    """A piece of text."""

    type: Literal["text"]
    text: str


class ImageUrl(Body):
    """Where an image is: http(s), file://, a path, a data URI or raw base64."""

    url: str
    content_hash: str | None = None


class ImagePart(Body):
    """An image."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class FunctionCall(Body):
    """A function's name and its arguments, as JSON text or as an object."""

    name: str
    arguments: str | dict[str, Any] | None = None


class ToolCall(Body):
    """An earlier call in the history."""

    id: str | None = None
    type: Literal["function"] = "function"
    function: FunctionCall


class Message(Body):
    """One message; an assistant may have tool calls instead of content."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    tools: Any = None

    @model_validator(mode="after")
    def _has_content(self) -> Message:
        if self.content is None and self.role != "assistant":
            raise ValueError(f"a {self.role} message needs content")
        if self.tools:
            raise ValueError("tools inside a message are not supported; put them into the request's tools")
        return self


class Function(Body):
    """A tool's signature. Templates print it whole, so the order in which a client gave the keys is kept."""

    description: str | None = None
    name: str
    parameters: Any = None
    strict: bool | None = None
    defer_loading: bool | None = None
    _given: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="wrap")
    @classmethod
    def _remember_order(cls, value: Any, build: ModelWrapValidatorHandler[Function]) -> Function:
        function = build(value)
        if isinstance(value, dict):
            function._given = tuple(value)
        return function

    @property
    def given(self) -> tuple[str, ...]:
        """Keys as the client sent them."""
        return self._given


class Tool(Body):
    """A tool."""

    type: Literal["function"] = "function"
    function: Function
    defer_loading: bool | None = None


class StreamOptions(Body):
    """What a stream ends with."""

    include_usage: bool = False


class Sampling(Body):
    """Fields that decide about sampling, in both endpoints. Only greedy values are accepted; see ``sampling``."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    stop_regex: str | list[str] | None = None
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True
    no_stop_trim: bool = False
    regex: str | None = None
    ebnf: str | None = None
    logit_bias: dict[str, float] | None = None


class ChatRequest(Sampling):
    """POST /v1/chat/completions. Undeclared fields are kept, so that ``unsupported`` can judge them."""

    model_config = ConfigDict(extra="allow")

    messages: list[Message]
    model: str = "default"
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    min_tokens: int | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    tools: list[Tool] | None = None
    tool_choice: Any = None
    chat_template_kwargs: dict[str, Any] | None = None
    reasoning_effort: str | float | None = None
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    separate_reasoning: bool = True
    response_format: dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    return_hidden_states: bool | Literal["last"] = False
    return_prompt_token_ids: bool = False
    return_token_ids: bool = False
    return_meta_info: bool = False
    input_ids: list[int] | None = None
    rid: str | None = None


class GenerateSampling(Sampling):
    """/generate's sampling_params; other keys are refused (``SAMPLING_KEYS`` are those that SGLang knows)."""

    max_new_tokens: int | None = 128
    min_new_tokens: int | None = None
    json_schema: str | None = None
    structural_tag: str | None = None
    choice: Any = None
    beam_width: int | None = None
    watermark: Any = None
    custom_params: dict[str, Any] | None = None


class GenerateRequest(Body):
    """POST /generate. Undeclared fields are kept, so that ``unsupported`` can judge them."""

    model_config = ConfigDict(extra="allow")

    text: str | list[str] | None = None
    input_ids: list[int] | list[list[int]] | None = None
    image_data: str | list[str] | list[list[str]] | None = None
    sampling_params: dict[str, Any] | list[dict[str, Any]] | None = None
    rid: str | list[str] | None = None
    return_logprob: bool | list[bool] = False
    return_hidden_states: bool = False
    return_prompt_token_ids: bool = False
    stream: bool = False


class TokenizeRequest(Body):
    """POST /tokenize: a prompt, several, or messages."""

    model: str = "default"
    prompt: str | list[str] | None = None
    messages: list[Message] | None = None
    tools: list[Tool] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_special_tokens: bool = True
    add_generation_prompt: bool = True
    continue_final_message: bool = False

    @model_validator(mode="after")
    def _one_of(self) -> TokenizeRequest:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("Exactly one of 'prompt' or 'messages' must be provided.")
        return self


class DetokenizeRequest(Body):
    """POST /detokenize."""

    model: str = "default"
    tokens: list[int] | list[list[int]]
    skip_special_tokens: bool = True


#: Keys of sampling_params in SGLang 0.5.23, in the order in which its error message lists them.
SAMPLING_KEYS = (
    "max_new_tokens", "stop", "stop_token_ids", "stop_regex", "temperature", "top_p", "top_k", "min_p",
    "frequency_penalty", "presence_penalty", "repetition_penalty", "min_new_tokens", "n", "json_schema", "regex",
    "ebnf", "structural_tag", "ignore_eos", "skip_special_tokens", "spaces_between_special_tokens", "no_stop_trim",
    "stream_interval", "logit_bias", "sampling_seed", "custom_params", "beam_width", "watermark", "choice",
)  # fmt: skip
