"""The walk, against a simulation that drafts token by token as an engine would."""

import numpy as np
import torch
from draftsmith_trainer.measure.tally import Tally
from draftsmith_trainer.measure.walk import correct_prefix, walk
from hypothesis import given
from hypothesis import strategies as st


def simulate(ids, start, end, drafts):
    """An engine: verify a block, keep what is right, add the target's token, stop at the response's end."""
    known, steps = [ids[start]], []
    answer = ids[start:end]
    while len(known) < len(answer):
        anchor = start + len(known) - 1
        accepted = 0
        for token in drafts[anchor]:
            if len(known) == len(answer) or answer[len(known)] != token:
                break
            known.append(token)
            accepted += 1
        if len(known) < len(answer):
            known.append(answer[len(known)])
        steps.append(accepted)
    assert known == answer
    return steps


cases = st.tuples(
    st.lists(st.integers(0, 2), min_size=2, max_size=50), st.integers(2, 6), st.integers(0, 2**16), st.integers(0, 9)
)


@given(cases)
def test_walk_equals_simulation(case):
    ids, size, seed, offset = case
    start, end = min(offset, len(ids) - 1), len(ids) - (seed % 2 if len(ids) - offset > 2 else 0)
    rng = np.random.default_rng(seed)
    drafts = {p: rng.integers(0, 3, size - 1).tolist() for p in range(len(ids))}
    anchors = np.arange(start, end - 1)
    proposed = torch.tensor([drafts[p] for p in anchors.tolist()], dtype=torch.int64).view(-1, size - 1)
    prefix = correct_prefix(proposed, np.array(ids, np.int32), anchors, end)
    steps = walk(start, end, prefix)
    assert steps == simulate(ids, start, end, drafts)
    tally = Tally(size)
    tally.add(start, end, steps)
    assert tally.tokens in (end - start - 1, 0)
    assert tally.steps == len(steps) and tally.correct == sum(steps)


def test_figures():
    tally = Tally(4)
    tally.add(10, 17, [3, 1])  # 6 tokens: 3 drafts + 1, then 1 draft + 1
    tally.add(0, 3, [0, 0])
    tally.add(5, 6, [])
    report = tally.report()
    assert report["pooledAcceptLength"] == 1 + 4 / 4
    assert report["meanAcceptLength"] == (3.0 + 1.0) / 2
    assert report["tokensPerStep"] == 8 / 4
    assert report["histogram"] == [2, 1, 0, 1]
    assert report["oneTokenResponses"] == 1 and report["responses"] == 2
    first = report["perPosition"][0]
    assert (first["offered"], first["reached"], first["accepted"]) == (4, 4, 2)
    # The second step of the first response has 2 tokens left, the steps of the second 2 and 1.
    assert [place["offered"] for place in report["perPosition"]] == [4, 3, 1]


def test_last_step_may_end_with_an_accepted_token():
    tally = Tally(4)
    tally.add(0, 3, [2])  # both tokens drafted: no token of the target's is needed
    assert (tally.tokens, tally.steps, tally.pooled) == (2, 1, 3.0)
    assert tally.report()["tokensPerStep"] == 2.0


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=2, max_size=6))
def test_tallies_add_up(walks):
    whole, parts = Tally(4), [Tally(4), Tally(4)]
    for number, steps in enumerate(walks):
        end = sum(steps) + len(steps) + 1
        whole.add(0, end, steps)
        parts[number % 2].add(0, end, steps)
    for first, second in (parts, parts[::-1]):
        joined = Tally(4)
        joined.merge(first)
        joined.merge(second)
        assert joined == whole and joined.report() == whole.report()
    mean = sum(1 + sum(steps) / len(steps) for steps in walks) / len(walks)
    assert abs(whole.report()["meanAcceptLength"] - mean) < 1e-12
