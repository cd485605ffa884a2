"""Rows that cannot be trained on are counted, never lost; what is wrong with the data is said."""

import pytest
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.jobs.train import open_corpus
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


def test_nothing_left_is_refused(tmp_path):
    with pytest.raises(UserError) as error:
        open_corpus(write(tmp_path, [sample_row(1)[0]]), TrainOptions(max_length=3), 510)
    assert error.value.code == "no-rows"
