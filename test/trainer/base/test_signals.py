"""Requests to stop: every signal is one, it ends at once what has nothing to lose, and only Ctrl-C insists."""

import os
import signal

import pytest
from draftsmith_trainer.base import signals
from draftsmith_trainer.base.errors import Interrupted
from draftsmith_trainer.base.signals import SIGNALS, StopRequest, interruptible


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_is_a_request(number):
    with StopRequest() as request:
        assert not request.asked
        for _ in range(3):
            os.kill(os.getpid(), number)
        assert request.asked


@pytest.mark.parametrize("number", SIGNALS)
def test_what_has_nothing_to_lose_stops_at_once(number):
    reached = []
    with pytest.raises(Interrupted), StopRequest() as request:
        request.at_once = True
        try:
            os.kill(os.getpid(), number)
            reached.append("behind")
        except Exception:
            # As a compiler does with what it takes for a failure of its own.
            reached.append("swallowed")
    assert reached == [] and request.asked


@pytest.mark.parametrize(("number", "insists"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_only_ctrl_c_again_ends_a_run_that_saves(monkeypatch, number, insists):
    now = [0.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    with StopRequest() as request:
        os.kill(os.getpid(), number)
        # From the terminal, the launcher and the toolkit: the same one.
        now[0] = 0.5
        os.kill(os.getpid(), number)
        now[0] = 60.0
        if insists:
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
        else:
            os.kill(os.getpid(), number)
        assert request.asked


def test_handlers_are_given_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    for block in (StopRequest(), interruptible()):
        with block:
            assert [signal.getsignal(number) for number in SIGNALS] != before
        assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_other_jobs_end_as_by_ctrl_c(number):
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), number)
