"""What the tests of refused requests share: whole bodies, and the check of an error's form."""

from __future__ import annotations

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


NOT_JSON = "Assistant tool call function.arguments must be valid JSON."
NOT_OBJECT = "Assistant tool call function.arguments must be a JSON object."


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
