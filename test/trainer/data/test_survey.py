"""The survey of a split says what looking at every row says."""

from itertools import pairwise

import numpy as np
import pytest
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.blocks import candidates, context_length
from draftsmith_trainer.data.shards import RowShards
from draftsmith_trainer.data.survey import survey
from hypothesis import given
from hypothesis import strategies as st
from sample import sample_row, video_row
from shard_maker import SampleRow, write_rows

_FORBIDDEN = 7


def by_row(shards: RowShards) -> list[tuple[int, ...]]:
    """The plain way."""
    return [
        (
            len(row),
            int(row.loss_mask.sum()),
            len(candidates(row)),
            context_length(row),
            len(row.image_grid) + len(row.video_grid),
            int(row.image_grid.prod(axis=1).sum()) + int(row.video_grid.prod(axis=1).sum()),
            sum(int(t) * int(h * w) ** 2 for t, h, w in [*row.image_grid, *row.video_grid]),
            int(((row.input_ids == _FORBIDDEN) & (row.loss_mask > 0)).any()),
        )
        for row in shards
    ]


def surveyed(shards: RowShards, stop: int | None = None) -> list[tuple[int, ...]]:
    facts = survey(shards, stop, _FORBIDDEN)
    columns = (facts.tokens, facts.supervised, facts.anchors, facts.context, facts.pictures)
    columns += (facts.patches, facts.patch_pairs, facts.forbidden)
    return [tuple(int(x) for x in row) for row in zip(*columns, strict=True)]


@st.composite
def random_row(draw) -> SampleRow:
    """Responses of any length, also neighbouring ones, at any place, also the row's first and last token."""
    mask = draw(st.lists(st.booleans(), min_size=1, max_size=24))
    ids = draw(st.lists(st.integers(0, 9), min_size=len(mask), max_size=len(mask)))
    edges = [0, *(np.flatnonzero(np.diff(mask)) + 1).tolist(), len(mask)]
    spans = [(a, b) for a, b in pairwise(edges) if mask[a]]
    grids = draw(st.lists(st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9)), max_size=3))
    return SampleRow(ids, spans, grids=grids, images=["0" * 64] * len(grids))


@given(rows=st.lists(random_row(), min_size=1, max_size=12), files=st.integers(1, 3), batch=st.integers(1, 5))
def test_equals_the_plain_loop(tmp_path_factory, rows, files, batch):
    directory = tmp_path_factory.mktemp("shards")
    write_rows(directory, "train", rows, files=files, batch=batch)
    shards = RowShards(directory, "train")
    wanted = by_row(shards)
    assert surveyed(shards) == wanted
    assert surveyed(shards, len(rows) // 2) == wanted[: len(rows) // 2]
    assert surveyed(shards, len(rows) + 5) == wanted


def test_videos_and_shards_from_before_there_were_any(tmp_path):
    write_rows(tmp_path / "new", "train", [video_row(1)[0], sample_row(2)[0], video_row(3, frames=5)[0]], batch=2)
    new = RowShards(tmp_path / "new", "train")
    assert surveyed(new) == by_row(new)
    assert survey(new).pictures.tolist() == [2, 1, 2]
    write_rows(tmp_path / "old", "train", [sample_row(2)[0], sample_row(3, turns=3)[0]], videos=False)
    old = RowShards(tmp_path / "old", "train")
    assert surveyed(old) == by_row(old)
    assert survey(old).take(np.array([1])).pictures.tolist() == [3]


def test_empty_split(tmp_path):
    write_rows(tmp_path, "heldout", [])
    assert len(survey(RowShards(tmp_path, "heldout"))) == 0


def test_a_mask_of_another_length_is_damage(tmp_path):
    row = sample_row(4)[0]
    record = SampleRow.record(row, 0)
    record["loss_mask"] = record["loss_mask"][:-1]
    row.record = lambda _: record
    write_rows(tmp_path, "train", [sample_row(1)[0], row])
    with pytest.raises(UserError, match="dialogue-4/0") as error:
        survey(RowShards(tmp_path, "train"))
    assert error.value.code == "shards-damaged"
