"""Jobs that come, go, are cancelled and fail."""

from __future__ import annotations

from reference_server.decode.job import Job
from reference_server.decode.scheduler import Scheduler


def test_cancelled_jobs_leave_and_others_go_on(targets, cases, answers):
    target = targets["qwen3_vl"]
    scheduler = Scheduler(target, 2)
    jobs = [Job(target.prompt(one.ids, one.images), 20) for one in cases[:4]]
    for job in jobs:
        scheduler.submit(job)
    scheduler.step()
    assert scheduler.running == 2
    jobs[0].cancelled = jobs[3].cancelled = True
    scheduler.run()
    assert [job.finish.type for job in jobs] == ["abort", "length", "length", "abort"]
    assert [jobs[1].ids, jobs[2].ids] == answers["qwen3_vl"][1:3]
    assert jobs[3].ids == []
    assert not scheduler.busy


def test_every_step_is_reported_and_the_last_one_with_its_end(targets, cases):
    target = targets["qwen3_vl"]
    heard = []
    scheduler = Scheduler(target, 1)
    scheduler.submit(
        Job(target.prompt(cases[0].ids), 3, on_tokens=lambda job: heard.append((len(job.ids), job.finish is not None)))
    )
    scheduler.run()
    assert heard == [(1, False), (2, False), (3, True)]


def test_nothing_new_to_say(targets, cases):
    target = targets["qwen3_vl"]
    job = Job(target.prompt(cases[0].ids), 0)
    scheduler = Scheduler(target, 1)
    scheduler.submit(job)
    scheduler.run()
    assert (job.ids, job.finish.type) == ([], "length")


def test_a_stop_text_ends_the_answer(targets, cases, answers):
    target, wanted = targets["qwen3_vl"], answers["qwen3_vl"][0]
    job = Job(target.prompt(cases[0].ids), 20, find_stop=lambda ids: "found" if len(ids) == 4 else None)
    scheduler = Scheduler(target, 1)
    scheduler.submit(job)
    scheduler.run()
    assert job.ids == wanted[:4]
    assert (job.finish.type, job.finish.matched) == ("stop", "found")


def test_after_giving_all_up_the_scheduler_still_works(targets, cases, answers):
    target = targets["qwen3_vl"]
    scheduler = Scheduler(target, 1)
    lost = [Job(target.prompt(one.ids, one.images), 20) for one in cases[:2]]
    for job in lost:
        scheduler.submit(job)
    scheduler.step()
    scheduler.abort_all("out of memory")
    assert [(job.finish.type, job.finish.message) for job in lost] == [("abort", "out of memory")] * 2
    again = Job(target.prompt(cases[1].ids, cases[1].images), 20)
    scheduler.submit(again)
    scheduler.run()
    assert again.ids == answers["qwen3_vl"][1]
