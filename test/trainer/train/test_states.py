"""A kill while an old state is removed leaves complete states only, and no files that stay for good."""

import shutil

import pytest
from draftsmith_trainer.train.snapshot import Snapshot
from draftsmith_trainer.train.state import Progress, StateStore, saved_states


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(("first", "second", "left"), [(1, 2, [2]), (4, 4, [])], ids=["older", "same"])
@pytest.mark.parametrize("gone", ["state.json", "draft.safetensors"])
def test_a_kill_amid_a_removal(tmp_path, monkeypatch, gone, first, second, left):
    store = StateStore(tmp_path, {}, {"processes": 1})
    store.write(Progress(step=first), Snapshot())

    def killed(path, **_):
        if path.exists():
            (path / gone).unlink()
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KilledError):
            store.write(Progress(step=second), Snapshot())
    assert [saved.progress.step for saved in saved_states(tmp_path)] == left
    store.write(Progress(step=second), Snapshot())
    store.write(Progress(step=5), Snapshot())
    assert [path.name for path in tmp_path.iterdir()] == ["state-00000005"]
