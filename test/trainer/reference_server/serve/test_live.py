"""A server process: its start, OpenAI's Python client, its end."""

from __future__ import annotations

import socket
import threading
import time

import httpx
import pytest
from openai import BadRequestError, OpenAI
from reference_server import serve
from serve_kit import MODEL, image_part, picture, start

ASK = [{"role": "user", "content": [image_part(picture(1)), {"type": "text", "text": "Click the red button."}]}]


@pytest.fixture(scope="module")
def client(live):
    with OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_listens_on_loopback_only(live):
    port = int(live.url.rsplit(":", 1)[1])
    assert live.url.startswith("http://127.0.0.1:")
    own = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in own:
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((address, port)) != 0 or address.startswith("127.")


def test_openai_client(client):
    answer = client.chat.completions.create(model="tiny-gui", messages=ASK, temperature=0, max_tokens=80)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens > 3
    assert [model.id for model in client.models.list()] == ["tiny-gui"]


def test_openai_client_streams_the_same(client):
    whole = client.chat.completions.create(model="tiny-gui", messages=ASK, temperature=0, max_tokens=80)
    parts = list(
        client.chat.completions.create(
            model="tiny-gui",
            messages=ASK,
            temperature=0,
            max_tokens=80,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
    assert text == whole.choices[0].message.content
    assert parts[-1].usage == whole.usage


def test_openai_client_understands_refusals(client):
    with pytest.raises(BadRequestError, match="decodes greedily only"):
        client.chat.completions.create(model="tiny-gui", messages=ASK, temperature=1)


def test_leaving_a_stream_frees_the_server(client, live):
    stream = client.chat.completions.create(
        model="tiny-gui", messages=ASK, temperature=0, max_tokens=3000, stream=True, extra_body={"ignore_eos": True}
    )
    next(iter(stream))
    stream.close()
    deadline = time.monotonic() + 20
    while httpx.post(f"{live.url}/flush_cache").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_wrong_start_ends_with_one_clear_error():
    process = start("--model", "/nowhere", "--port", "0")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert '"reason": "target-missing"' in out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--draft", "/nowhere", "--port", "0"), "draft-missing"),
        (("--dtype", "float31", "--port", "0"), "bad-dtype"),
        (("--port", "TAKEN"), "port-taken"),
    ],
)
def test_so_do_other_mistakes(arguments, code, live, capsys):
    given = [live.url.rsplit(":", 1)[1] if word == "TAKEN" else word for word in arguments]
    assert serve.main(["--model", str(MODEL), *given]) == 2
    assert f'"reason": "{code}"' in capsys.readouterr().out


def test_a_stop_signal_lets_running_requests_end(live):
    """Last in this file: it ends the server."""
    answers = []

    def ask():
        body = {"messages": ASK, "temperature": 0, "max_tokens": 200, "ignore_eos": True}
        answers.append(httpx.post(f"{live.url}/v1/chat/completions", json=body, timeout=120))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.7)
    assert live.stop() == 0
    thread.join()
    assert answers[0].status_code == 200
    assert answers[0].json()["usage"]["completion_tokens"] == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{live.url}/health")
