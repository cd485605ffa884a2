"""The application in this process: batching, limits, failures, clients that leave."""

from __future__ import annotations

import asyncio
import json

import pytest
from serve_kit import image_part, picture

HI = [{"role": "user", "content": "Please scroll down."}]
LONG = {"max_tokens": 3000, "ignore_eos": True}


def ids_of(response):
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["response_token_ids"]


def asked(i):
    content = [image_part(picture(i)), {"type": "text", "text": "Click the red button."}]
    return [{"role": "user", "content": content if i % 3 else "Click on Save."}]


def test_many_at_once_answer_as_one_by_one(serve):
    async def alone(server):
        return [ids_of(await server.chat(asked(i))) for i in range(7)]

    async def together(server):
        return [ids_of(r) for r in await asyncio.gather(*(server.chat(asked(i)) for i in range(7)))]

    assert serve(alone, max_batch=1, prefix_cache_bytes=0) == serve(together)


async def until_open(server, requests):
    for _ in range(3000):
        if server.context.engine.open_requests == requests:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"the server has {server.context.engine.open_requests} requests, not {requests}")


def test_a_cancelled_request_makes_room(serve):
    async def test(server):
        running = [asyncio.ensure_future(server.chat(HI, **LONG)) for _ in range(4)]
        await until_open(server, 4)
        waiting = asyncio.ensure_future(server.chat(HI))
        await until_open(server, 5)
        await asyncio.sleep(0.2)
        assert not waiting.done()
        running[0].cancel()
        assert ids_of(await waiting)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await until_open(server, 0)

    serve(test)


def test_a_full_queue_says_so(serve):
    async def test(server):
        running = asyncio.ensure_future(server.chat(HI, **LONG))
        await until_open(server, 1)
        refused = await server.chat(HI)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return refused

    refused = serve(test, max_queue=1)
    assert refused.status_code == 503
    assert refused.json()["message"] == "The request queue is full."


def test_flushing_waits_for_nobody(serve):
    async def test(server):
        running = asyncio.ensure_future(server.chat(HI, **LONG))
        await until_open(server, 1)
        busy = await server.client.post("/flush_cache")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await until_open(server, 0)
        return busy.status_code, (await server.client.post("/flush_cache")).status_code

    assert serve(test) == (400, 200)


def test_a_body_that_is_too_large_is_refused(serve):
    async def test(server):
        return await server.chat([{"role": "user", "content": "x" * 3000}])

    answer = serve(test, max_body_bytes=2000)
    assert answer.status_code == 413
    assert answer.json()["code"] == 413


def test_a_failure_while_decoding_is_told_and_survived(serve, monkeypatch):
    async def test(server):
        scheduler = server.context.engine._scheduler
        advance = scheduler.batch.advance
        calls = 0

        def failing(prompts, tokens):
            nonlocal calls
            calls += 1
            if calls == 3:
                raise RuntimeError("no memory left")
            return advance(prompts, tokens)

        monkeypatch.setattr(scheduler.batch, "advance", failing)
        broken = await server.chat(HI)
        return broken, await server.chat(HI)

    broken, next_one = serve(test)
    assert broken.status_code == 500
    assert broken.json()["message"] == "Internal server error: RuntimeError: no memory left"
    assert ids_of(next_one)


def test_a_failure_while_a_prompt_joins_is_told_too(serve, monkeypatch):
    async def test(server):
        scheduler = server.context.engine._scheduler

        def failing(_prompts, _tokens):
            raise RuntimeError("no memory left")

        monkeypatch.setattr(scheduler.batch, "advance", failing)
        broken = await server.chat(HI)
        return broken, await server.chat(HI)

    broken, next_one = serve(test)
    assert broken.status_code == 500
    assert ids_of(next_one)


def test_a_stream_tells_a_failure_too(serve, monkeypatch):
    async def test(server):
        batch = server.context.engine._scheduler.batch
        advance = batch.advance

        def failing(prompts, tokens):
            if tokens:
                raise RuntimeError("no memory left")
            return advance(prompts, tokens)

        monkeypatch.setattr(batch, "advance", failing)
        return await server.chat(HI, stream=True)

    lines = [line for line in serve(test).text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[-2][6:])["error"]["code"] == 500


def test_parsers_are_applied_when_the_server_has_them(serve, monkeypatch):
    said = '<think>\nlook\n</think>\n\nI click.\n<tool_call>\n{"name": "click", "arguments": {}}\n</tool_call>'
    tools = [{"type": "function", "function": {"name": "click", "parameters": {}}}]
    monkeypatch.setattr("reference_server.serve.text.TextOf.whole", lambda *_: said)

    async def test(server):
        return [
            (await server.chat(HI, tools=tools, max_tokens=60)).json()["choices"][0],
            (await server.chat(HI, max_tokens=60)).json()["choices"][0],
            (await server.chat(HI, tools=tools, tool_choice="none", separate_reasoning=False)).json()["choices"][0],
        ]

    with_tools, without, neither = serve(test, tool_call_parser="qwen25", reasoning_parser="qwen3")
    assert with_tools["message"]["reasoning_content"] == "look"
    assert with_tools["message"]["content"] == "I click."
    assert with_tools["message"]["tool_calls"][0]["function"] == {"name": "click", "arguments": "{}"}
    assert "tool_calls" not in without["message"]
    assert without["message"]["content"].startswith("I click.\n<tool_call>")
    assert neither["message"] == {"role": "assistant", "content": said, "reasoning_content": None}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "click"}}])
def test_a_forced_call_is_refused(serve, choice):
    async def test(server):
        return await server.chat(HI, tool_choice=choice)

    answer = serve(test)
    assert answer.status_code == 400
    assert "constrained decoding" in answer.json()["message"]


def test_drafts_change_the_counts_and_not_the_answer(serve, settings, checkpoint):
    from dataclasses import replace

    import httpx
    from draftsmith_trainer.algorithms.drafts import new_draft
    from draftsmith_trainer.algorithms.plain.settings import PlainConfig
    from draftsmith_trainer.draft.config import DraftConfig
    from reference_server.decode.speculative import drafting_for
    from reference_server.serve.app import make_app, make_context

    config = DraftConfig(
        hidden_size=256,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        intermediate_size=256,
        vocab_size=checkpoint.target.text_config.vocab_size,
        block_size=4,
        mask_token_id=checkpoint.target.text_config.vocab_size - 1,
        target_layer_ids=(3, 4),
        num_target_layers=8,
        algorithm=PlainConfig(),
    )
    drafting = drafting_for(checkpoint.target, new_draft(config, 0).eval())

    async def plain(server):
        return [(await server.chat(asked(i))).json()["choices"][0] for i in range(4)]

    async def drafted():
        context = make_context(settings, replace(checkpoint, drafting=drafting, block_size=4))
        app = make_app(context)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://s") as client,
        ):
            from serve_kit import Local

            return await plain(Local(context, client))

    without, with_draft = serve(plain), asyncio.run(drafted())
    assert [c["response_token_ids"] for c in with_draft] == [c["response_token_ids"] for c in without]
    for choice in with_draft:
        meta = choice["meta_info"]
        assert meta["spec_num_proposed_drafts"] == 3 * meta["spec_verify_ct"]
        assert sum(meta["spec_correct_drafts_histogram"]) == meta["spec_verify_ct"]
