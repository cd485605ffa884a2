"""Jobs that come, go, are cancelled and fail."""

from __future__ import annotations

import pytest
from reference_server.decode.request import DecodeRequest
from reference_server.decode.scheduler import Scheduler


def test_cancelled_jobs_leave_and_others_go_on(targets, cases, answers):
    target = targets["qwen3_vl"]
    scheduler = Scheduler(target, 2)
    requests = [DecodeRequest(target.prompt(one.ids, one.images), 20) for one in cases[:4]]
    for request in requests:
        scheduler.submit(request)
    scheduler.step()
    assert scheduler.running == 2
    requests[0].cancelled = requests[3].cancelled = True
    scheduler.run()
    assert [request.finish.type for request in requests] == ["abort", "length", "length", "abort"]
    assert [requests[1].ids, requests[2].ids] == answers["qwen3_vl"][1:3]
    assert requests[3].ids == []
    assert not scheduler.busy


def test_every_step_is_reported_and_the_last_one_with_its_end(targets, cases):
    target = targets["qwen3_vl"]
    heard = []
    scheduler = Scheduler(target, 1)
    scheduler.submit(
        DecodeRequest(
            target.prompt(cases[0].ids),
            3,
            on_tokens=lambda request: heard.append((len(request.ids), request.finish is not None)),
        )
    )
    scheduler.run()
    assert heard == [(1, False), (2, False), (3, True)]


def test_nothing_new_to_say(targets, cases):
    target = targets["qwen3_vl"]
    request = DecodeRequest(target.prompt(cases[0].ids), 0)
    scheduler = Scheduler(target, 1)
    scheduler.submit(request)
    scheduler.run()
    assert (request.ids, request.finish.type) == ([], "length")


def test_a_stop_text_ends_the_answer(targets, cases, answers):
    target, wanted = targets["qwen3_vl"], answers["qwen3_vl"][0]
    request = DecodeRequest(target.prompt(cases[0].ids), 20, find_stop=lambda ids: "found" if len(ids) == 4 else None)
    scheduler = Scheduler(target, 1)
    scheduler.submit(request)
    scheduler.run()
    assert request.ids == wanted[:4]
    assert (request.finish.type, request.finish.matched) == ("stop", "found")


def test_after_giving_all_up_the_scheduler_still_works(targets, cases, answers):
    target = targets["qwen3_vl"]
    scheduler = Scheduler(target, 1)
    lost = [DecodeRequest(target.prompt(one.ids, one.images), 20) for one in cases[:2]]
    for request in lost:
        scheduler.submit(request)
    scheduler.step()
    scheduler.abort_all("out of memory")
    assert [(request.finish.type, request.finish.message) for request in lost] == [("abort", "out of memory")] * 2
    again = DecodeRequest(target.prompt(cases[1].ids, cases[1].images), 20)
    scheduler.submit(again)
    scheduler.run()
    assert again.ids == answers["qwen3_vl"][1]


def test_a_failure_while_requests_join_ends_them_all(targets, cases):
    target = targets["qwen3_vl"]

    def broken(_ids):
        raise ArithmeticError("no answer")

    first = DecodeRequest(target.prompt(cases[0].ids, cases[0].images), 20, find_stop=broken)
    second = DecodeRequest(target.prompt(cases[1].ids, cases[1].images), 20)
    scheduler = Scheduler(target, 2)
    for request in (first, second):
        scheduler.submit(request)
    with pytest.raises(ArithmeticError):
        scheduler.step()
    scheduler.abort_all("no answer")
    assert [request.finish.type for request in (first, second)] == ["abort"] * 2
    assert not scheduler.busy
