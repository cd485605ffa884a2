"""From messages to token ids, the way SGLang does it."""

from __future__ import annotations

from typing import Any

import jinja2

from .errors import bad_request, printable
from .protocol import ImagePart, ImageUrl, Message, Tool
from .strict_json import StrictJsonError, loads

#: Arguments of transformers' apply_chat_template that the server sets, or that would change what it returns.
RENDER_ARGUMENTS = frozenset(
    {
        "add_generation_prompt",
        "continue_final_message",
        "conversation",
        "max_length",
        "messages",
        "padding",
        "return_assistant_tokens_mask",
        "return_dict",
        "return_tensors",
        "tokenize",
        "tokenizer_kwargs",
        "tools",
        "truncation",
    }
)


class Renderer:
    """The checkpoint's template and tokenizer. Ids are not expanded: one placeholder per image."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def chat(
        self,
        messages: list[Message],
        tools: list[Tool] | None,
        template_kwargs: dict[str, Any] | None,
        add_generation_prompt: bool = True,
        continue_final: bool = False,
    ) -> list[int]:
        """Ids of a conversation.

        A last assistant message with plain text is either continued (its text is tokenised alone and joined behind the
        generation prompt) or, as in SGLang, turned into a user message.

        Raises:
            ApiError: for an empty conversation, a template in the request, or what the template refuses.
        """
        if not messages:
            raise bad_request("Messages cannot be empty.")
        kwargs = dict(template_kwargs or {})
        taken = sorted(RENDER_ARGUMENTS & kwargs.keys())
        if taken:
            raise bad_request(
                f"chat_template_kwargs holds {taken[0]!r}, which the server sets itself; use the request's own fields."
            )
        if "chat_template" in kwargs:
            raise bad_request(
                "Request-supplied chat_template is not allowed. Start the server with --trust-request-chat-template to "
                "permit it."
            )
        shown = [_for_template(message) for message in messages]
        prefix = ""
        if shown[-1]["role"] == "assistant" and isinstance(messages[-1].content, str):
            if continue_final:
                prefix = messages[-1].content
                shown = shown[:-1]
                add_generation_prompt = True
            else:
                shown[-1] = {"role": "user", "content": messages[-1].content}
        try:
            text = self._tokenizer.apply_chat_template(
                shown,
                tools=[_tool(tool) for tool in tools] if tools else None,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                **kwargs,
            )
        except jinja2.TemplateError as error:
            raise bad_request(printable(str(error))) from error
        except Exception as error:
            # A template is a program that runs on what the client sent; whatever fails in it, the request is at fault.
            message = f"The chat template cannot render this request: {type(error).__name__}: {error}"
            raise bad_request(printable(message)) from error
        ids = self.text(text)
        return ids + self.text(prefix) if prefix else ids

    def text(self, text: str, add_special_tokens: bool = False) -> list[int]:
        """Ids of a text; special tokens written out in it become special ids."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=add_special_tokens)
        return ids


def image_urls(messages: list[Message]) -> list[ImageUrl]:
    """All images of a conversation, in order."""
    return [
        part.image_url
        for message in messages
        if isinstance(message.content, list)
        for part in message.content
        if isinstance(part, ImagePart)
    ]


def _for_template(message: Message) -> dict[str, Any]:
    content: Any = message.content if message.content is not None else ""
    if isinstance(content, list):
        content = [
            {"type": "image"} if isinstance(part, ImagePart) else {"type": "text", "text": part.text}
            for part in content
        ]
    out: dict[str, Any] = {"role": message.role, "content": content}
    if message.reasoning_content is not None:
        out["reasoning_content"] = message.reasoning_content
    if message.tool_calls:
        # SGLang checks and parses the arguments of assistant messages only.
        arguments = _arguments if message.role == "assistant" else lambda value: value
        out["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": arguments(call.function.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        out["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        out["name"] = message.name
    return out


def _arguments(value: str | dict[str, Any] | None) -> Any:
    """Arguments as the object that templates print with tojson; a text would come out quoted.

    Raises:
        ApiError: in SGLang's words, for a text that is not a JSON object.
    """
    if not isinstance(value, str):
        return value
    try:
        parsed = loads(value)
    except StrictJsonError as error:
        raise bad_request("Assistant tool call function.arguments must be valid JSON.") from error
    if not isinstance(parsed, dict):
        raise bad_request("Assistant tool call function.arguments must be a JSON object.")
    return parsed


def _tool(tool: Tool) -> dict[str, Any]:
    """A tool as SGLang 0.5.23 gives it to the template.

    Unknown keys of the function are gone, the others stand as they were sent; a missing description or missing
    parameters follow as null, the two flags only where they are set.
    """
    function = tool.function
    values: dict[str, Any] = {
        "description": function.description,
        "name": function.name,
        "parameters": function.parameters,
    }
    if function.strict is not None:
        values["strict"] = function.strict
    deferred = function.defer_loading if function.defer_loading is not None else tool.defer_loading
    if deferred is not None:
        values["defer_loading"] = deferred
    order = [key for key in function.given if key in values]
    order += [key for key in values if key not in order]
    return {
        "type": tool.type,
        "function": {key: values[key] for key in order},
        "defer_loading": tool.defer_loading,
    }
