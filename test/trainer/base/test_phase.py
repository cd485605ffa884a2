"""Work that cannot count what it has done tells that it goes on, where nothing else is told."""

import io
import json
import time

import pytest
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.base.phase import phase


def told(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_long_work_is_told_with_its_seconds():
    out = io.StringIO()
    with phase(Events(out), "loading the target (61.1 GiB on disk)", interval=0.3):
        time.sleep(1.5)
    events = told(out)
    assert len(events) >= 2
    assert {(event["type"], event["unit"], event["note"]) for event in events} == {
        ("progress", "s", "loading the target (61.1 GiB on disk)")
    }
    assert [event["done"] for event in events] == sorted(event["done"] for event in events)


def test_short_work_is_not_told():
    out = io.StringIO()
    with phase(Events(out), "loading", interval=30):
        pass
    assert told(out) == []


def test_other_progress_is_enough():
    out = io.StringIO()
    events = Events(out)
    with phase(events, "compiling", interval=2.0):
        for done in range(1, 31):
            events.progress(done, 30, "rows")
            time.sleep(0.1)
    assert not any(event.get("note") == "compiling" for event in told(out))


def test_an_error_ends_it():
    out = io.StringIO()
    with pytest.raises(ValueError, match="on purpose"), phase(Events(out), "loading", interval=0.1):
        raise ValueError("on purpose")
    before = out.getvalue()
    time.sleep(0.4)
    assert out.getvalue() == before
