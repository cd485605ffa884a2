"""How many threads decode."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from reference_server.serve.cli import settings_from
from reference_server.serve.settings import Settings


@pytest.mark.parametrize(
    ("given", "variable", "cores", "threads"),
    [(3, "5", 8, 3), (None, "5", 8, 5), (None, "many", 8, 4), (None, None, 2, 1), (None, None, 1, 1)],
)
def test_threads(given, variable, cores, threads, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)), raising=False)
    assert Settings(model=Path("x"), threads=given).torch_threads == threads


def test_defaults_are_careful():
    settings = settings_from(["--model", "x"])
    assert settings.host == "127.0.0.1"
    assert settings.remote_images is False
    assert settings.image_roots == ()
    assert settings.model_name == "x"
