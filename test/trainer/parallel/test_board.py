"""Ranks wait for each other outside collectives: for as long as the other lives, and not when it has died."""

import os
import signal
import time

import ranks_at_work
from rank_processes import on_ranks, start_ranks


def test_every_rank_hears_the_same():
    heard = on_ranks(ranks_at_work.talk, 3)
    assert heard[0] == heard[1] == heard[2]
    assert heard[0][4] == ["0 in 4", "1 in 4", "2 in 4"]


def test_a_wait_outlasts_the_time_out_of_collectives():
    (first, missed), (second, _) = on_ranks(ranks_at_work.wait_for_the_slow_one, 2, 3.0)
    assert first == second == ["0", "1"]
    assert missed == {1}


def test_a_killed_rank_ends_the_wait(tmp_path):
    note = tmp_path / "note"
    (_, survivor), (victim, _) = start_ranks(ranks_at_work.wait_for_the_dead, 2, str(note))
    while not note.exists():
        time.sleep(0.01)
    os.kill(victim.pid, signal.SIGKILL)
    began = time.monotonic()
    assert survivor.poll(60)
    good, value = survivor.recv()
    assert good and value.startswith("rank-lost: rank 1 has ended")
    assert time.monotonic() - began < 30


def test_a_failed_rank_ends_the_wait():
    first, second = on_ranks(ranks_at_work.one_fails, 2)
    assert first == "on purpose" and second.startswith("rank 0 has ended")


def test_nobody_is_lost_when_all_stop():
    assert on_ranks(ranks_at_work.all_stop, 3) == ["stopped"] * 3


def test_flags_and_counts_belong_to_one_round():
    assert on_ranks(ranks_at_work.flags, 2) == [(True, False, 3)] * 2


def test_a_meeting_outlasts_the_time_out_of_the_collective_behind_it():
    waited, late = on_ranks(ranks_at_work.meet_the_slow_one, 2, 3.0)
    assert waited > 2.5 and late < 1


def test_meetings_leave_nothing_behind():
    assert max(on_ranks(ranks_at_work.meet_often, 3, 30)) == 1, "only the last one is still there"


def test_a_process_that_is_stuck_ends_when_another_has_died(tmp_path):
    note = tmp_path / "note"
    (stuck, _), (victim, _) = start_ranks(ranks_at_work.stuck_while_another_dies, 2, str(note))
    victim.join(100)
    assert victim.exitcode == -signal.SIGKILL
    began = time.monotonic()
    stuck.join(60)
    assert stuck.exitcode == 4 and time.monotonic() - began < 30
    assert note.with_suffix(".told").read_text().startswith("rank-lost: rank 1 has ended on ")


def test_a_collective_whose_other_side_died_is_no_bug(tmp_path):
    (_, survivor), (victim, _) = start_ranks(
        ranks_at_work.a_collective_fails_when_another_dies, 2, str(tmp_path / "note")
    )
    assert survivor.poll(60)
    good, value = survivor.recv()
    assert good and value.startswith("rank-lost: rank 1 has ended on ")
    victim.join()


def test_a_death_on_another_machine_is_heard_of(tmp_path):
    note = tmp_path / "note"
    started = start_ranks(ranks_at_work.machines_apart, 3, str(note))
    began = time.monotonic()
    for process, _ in started:
        process.join(100)
    # The store is rank 0's, so that what another one hears last may be that it has gone.
    assert [process.exitcode for process, _ in started] == [4, 4, -signal.SIGKILL]
    assert time.monotonic() - began < 60
    assert note.with_suffix(".0").read_text().startswith("rank-lost: rank 2 has ended on ")


def test_a_machine_that_vanishes_ends_the_wait(tmp_path):
    note = tmp_path / "note"
    (waiting, _), (vanished, _) = start_ranks(ranks_at_work.a_machine_vanishes, 2, str(note))
    waiting.join(120)
    try:
        assert note.exists() and waiting.exitcode == 4
        assert note.with_suffix(".0").read_text().startswith("rank-lost: rank 1 has ended on ")
    finally:
        vanished.kill()
        vanished.join()
