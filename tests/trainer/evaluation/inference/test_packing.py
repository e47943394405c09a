"""Candidates in packs: every prediction that a candidate needs is asked for once, where it can be seen."""

import numpy as np
import pytest

from trainer.evaluation.inference.packing import pack

ROWS = [[7, 8, 9], [7, 8], [5], [7, 6], [7, 8], [8, 8, 8, 8]]


def asked_of(packs):
    """By candidate: pairs of the tokens that are seen and the token that is asked for."""
    found = {}
    for each in packs:
        sees = each.ancestry(len(each))
        for node, token, number in zip(each.nodes, each.targets, each.numbers, strict=True):
            seen = [each.tokens[other] for other in np.flatnonzero(sees[node]) if other]
            found.setdefault(number, []).append((seen, token))
    return found


@pytest.mark.parametrize("most_nodes", [2, 3, 5, 100])
def test_each_token_is_asked_for_after_those_before_it(most_nodes):
    found = asked_of(pack(ROWS, most_nodes))
    assert found == {
        number: [(row[:length], row[length]) for length in range(len(row))]
        for number, row in enumerate(ROWS)
    }


def test_what_candidates_begin_with_in_common_is_one_node():
    (only,) = pack(ROWS, 100)
    assert sorted(only.tokens) == [-1, 7, 8, 8, 8, 8]
    assert len(pack([[token] for token in range(1000)], 2)) == 1, (
        "one token needs no node of its own"
    )


def test_packs_stay_small_unless_one_candidate_is_larger():
    packs = pack([[a, b, 0] for a in range(20) for b in range(20)], 50)
    assert len(packs) > 1
    assert all(len(each) <= 50 for each in packs)
    (long,) = pack([[1] * 10], 4)
    assert len(long) == 10


def test_depths_count_from_the_root_and_padding_sees_itself_alone():
    (only,) = pack([[1, 2, 3], [1, 4, 5]], 100)
    assert only.depths == [0, 1, 2, 2]
    assert only.ancestry(5).astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 0],
        [0, 0, 0, 0, 1],
    ]
