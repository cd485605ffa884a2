"""Rows that cannot be trained on are counted, never lost; what is wrong with the data is said."""

import numpy as np
import pytest
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.blocks import candidates
from draftsmith_trainer.data.shards import RowShards
from draftsmith_trainer.train.corpus import open_corpus
from draftsmith_trainer.train.options import TrainOptions
from sample import sample_row
from shard_maker import SampleRow, write_rows


def write(directory, rows):
    write_rows(directory, "train", rows)
    write_rows(directory, "heldout", rows[:1])
    return directory


def test_counts(tmp_path):
    rows = [sample_row(seed, images=False)[0] for seed in range(5)]
    rows.append(SampleRow(list(range(300)), [(200, 300)]))  # too long
    rows.append(SampleRow([1, 2, 3, 4], [(3, 4)]))  # one response token: nothing to draft
    corpus = open_corpus(write(tmp_path, rows), TrainOptions(max_length=100), 510)
    assert corpus.counts["read"] == 7 and corpus.counts["kept"] == 5
    assert corpus.counts["rejected"] == {"too-long": 1, "no-anchors": 1}
    assert corpus.usable.tolist() == list(range(5))
    limited = open_corpus(tmp_path, TrainOptions(max_train_rows=2, eval_rows=None), 510)
    assert limited.counts["kept"] == 2 and limited.measured.tolist() == [0]


def test_mask_id_in_a_response_is_refused(tmp_path):
    row = sample_row(1, images=False)[0]
    row.ids[-3] = 510
    with pytest.raises(UserError, match="510") as error:
        open_corpus(write(tmp_path, [row]), TrainOptions(), 510)
    assert error.value.code == "mask-in-data"


def test_nothing_left_is_refused_with_counts(tmp_path):
    rows = [sample_row(seed)[0] for seed in (1, 2)]
    short = SampleRow([1, 2], [(1, 2)])
    with pytest.raises(UserError) as error:
        open_corpus(write(tmp_path, [*rows, short]), TrainOptions(max_length=3), 510)
    assert error.value.code == "no-rows"
    assert "none of 3 training rows" in error.value.message
    assert "1 have no answer that a block could be drafted in" in error.value.message
    assert "2 are longer than maxLength 3 (the shortest has" in error.value.message


def test_no_rows_at_all(tmp_path):
    with pytest.raises(UserError, match="has no training rows") as error:
        open_corpus(write(tmp_path, []), TrainOptions(), 510)
    assert error.value.code == "no-rows"


def plain_corpus(shards: RowShards, options: TrainOptions, mask_id: int):
    """Row by row: the usable rows and the counts, or the id of the row that is refused."""
    usable, too_long, no_anchors = [], 0, 0
    for row in list(shards)[: options.max_train_rows]:
        if len(row) > options.max_length:
            too_long += 1
        elif not len(candidates(row)):
            no_anchors += 1
        elif bool(((row.input_ids == mask_id) & (row.loss_mask > 0)).any()):
            return row.dialogue_id
        else:
            usable.append(row.index)
    return usable, too_long, no_anchors


@pytest.mark.parametrize("seed", range(12))
def test_equals_the_plain_loop(tmp_path, seed):
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(40):
        length = int(rng.integers(2, 60))
        start = int(rng.integers(0, length))
        end = int(rng.integers(start, length + 1))
        ids = rng.integers(0, 400 if seed % 3 else 300, length).tolist()
        rows.append(SampleRow(ids, [(start, end)], dialogue=f"r{number}"))
    write_rows(tmp_path, "train", rows, files=2, batch=7)
    write_rows(tmp_path, "heldout", rows[:1])
    # Ids stay below 300 in every third set: its mask id occurs nowhere.
    options, mask_id = TrainOptions(max_length=45, max_train_rows=(None, 25)[seed % 2]), 350
    wanted = plain_corpus(RowShards(tmp_path, "train"), options, mask_id)
    if isinstance(wanted, str):
        with pytest.raises(UserError, match=f"row {wanted}/0: ") as error:
            open_corpus(tmp_path, options, mask_id)
        assert error.value.code == "mask-in-data"
        return
    corpus = open_corpus(tmp_path, options, mask_id)
    assert (corpus.usable.tolist(), *corpus.counts["rejected"].values()) == wanted
