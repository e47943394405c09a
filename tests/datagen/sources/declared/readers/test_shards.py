from typing import Any

import pytest

from datagen.errors import RawDataError
from datagen.sources.declared.readers.shards import expand


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.tar", ["a.tar"]),
        ("a-{08..10}.tar", ["a-08.tar", "a-09.tar", "a-10.tar"]),
        ("{0..1}/a-{3..4}.tar", ["0/a-3.tar", "0/a-4.tar", "1/a-3.tar", "1/a-4.tar"]),
        ("{x}.csv", ["{x}.csv"]),
    ],
)
def test_a_range_in_braces_stands_for_its_numbers(pattern: str, names: list[str]) -> None:
    assert list(expand(pattern)) == names


def test_files_of_a_range_are_found_and_each_must_be_there(own: Any) -> None:
    own.put("t-00.csv")
    own.put("t-01.csv")
    assert [name for name, *_ in own.found("t-{00..01}.csv")] == ["t-00.csv", "t-01.csv"]
    with pytest.raises(RawDataError, match=r"there is no file 't-02\.csv'"):
        own.found("t-{00..02}.csv")


def missing(own: Any, files: Any) -> list[str]:
    own.read(files)
    assert all(problem.reason == "shard_missing" for problem in own.problems)
    return [problem.place.file for problem in own.problems]


@pytest.mark.parametrize(
    ("there", "lacking"),
    [
        ([0, 1, 2, 3], []),
        ([0, 3], [1, 2]),
        ([1, 2], [0, 3]),
        ([2], [0, 1, 3]),
    ],
)
def test_shards_that_their_names_count_are_missed(
    own: Any, there: list[int], lacking: list[int]
) -> None:
    for number in there:
        own.put(f"data/t-{number:05d}-of-00004.jsonl", '{"n": 1}\n')
    assert missing(own, "data/*.jsonl") == [f"data/t-{n:05d}-of-00004.jsonl" for n in lacking]


def test_a_gap_between_tars_is_missed_and_what_may_follow_is_not(own: Any) -> None:
    for number in (1, 4):
        own.put(f"data/t-{number:06d}.tar", b"\0" * 10_240)
    own.put("data/other-000009.tar", b"\0" * 10_240)
    assert missing(own, "data/*.tar") == ["data/t-000002.tar", "data/t-000003.tar"]


def test_years_in_names_are_no_shards(own: Any) -> None:
    own.put("rows_2019.jsonl", '{"n": 1}\n')
    own.put("rows_2021.jsonl", '{"n": 1}\n')
    assert missing(own, "*.jsonl") == []
