from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.build.digests import WORKING_BYTES, DigestSet, count_and_compare, write_digests
from datagen.files import LocalFiles

Sets = Callable[..., DigestSet]


@pytest.fixture
def kept(tmp_path: Path) -> Sets:
    """A set of texts, in as many files as there are lists."""

    def kept(name: str, *parts: Iterable[str]) -> DigestSet:
        paths = [(texts, f"{tmp_path}/{name}-{number}") for number, texts in enumerate(parts)]
        files = LocalFiles()
        return DigestSet(files, [write_digests(texts, path, files) for texts, path in paths])

    return kept


def digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def test_a_file_holds_each_digest_once_and_sorted(kept: Sets, tmp_path: Path) -> None:
    texts = [str(number) for number in range(500)]
    assert kept("a", texts + texts[:100]).num_digests == 500
    data = (tmp_path / "a-0").read_bytes()
    assert [data[n : n + 16] for n in range(0, len(data), 16)] == sorted(map(digest, texts))


def test_ranges_divide_a_set_whatever_files_its_members_are_in(kept: Sets) -> None:
    texts = [f"image {number}" for number in range(1_000)]
    members = kept("a", texts[:600], texts[400:], [])
    for num_ranges in (1, 2, 7, 300):
        ranges = [members.range(number, num_ranges) for number in range(num_ranges)]
        found = np.concatenate(ranges).tobytes()
        assert found == b"".join(sorted(map(digest, texts)))
        largest = max(map(len, ranges))
        assert largest < 3 * len(texts) / num_ranges + 12


def test_an_empty_set_has_no_members(kept: Sets) -> None:
    sets = {"no files": kept("a"), "an empty file": kept("b", []), "full": kept("c", ["x"])}
    pairs = [("full", "no files"), ("an empty file", "full"), ("no files", "an empty file")]
    counts, shared = count_and_compare(sets, pairs, 1)
    assert counts == {"no files": 0, "an empty file": 0, "full": 1}
    assert shared == dict.fromkeys(pairs, 0)


def test_as_many_ranges_are_counted_as_the_memory_asks_for(
    kept: Sets, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested = []
    whole = DigestSet.range

    def watched(self: DigestSet, number: int, num_ranges: int) -> object:
        requested.append((number, num_ranges))
        return whole(self, number, num_ranges)

    monkeypatch.setattr(DigestSet, "range", watched)
    sets = {"a": kept("a", map(str, range(80))), "b": kept("b", map(str, range(20)))}
    count_and_compare(sets, [], 100 * WORKING_BYTES + 1)
    assert requested == [(0, 1), (0, 1)]
    requested.clear()
    count_and_compare(sets, [], 30 * WORKING_BYTES)
    assert requested == [(number, 4) for number in range(4) for _ in sets]


texts = st.lists(st.text(alphabet="ab", max_size=4), max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    one=st.lists(texts, max_size=3),
    other=st.lists(texts, max_size=3),
    max_bytes=st.integers(1, 5_000),
)
def test_counts_are_those_of_sets_of_texts(
    one: list[list[str]],
    other: list[list[str]],
    max_bytes: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, files = tmp_path_factory.mktemp("digests"), LocalFiles()

    def kept(name: str, parts: list[list[str]]) -> DigestSet:
        return DigestSet(
            files,
            [write_digests(part, f"{folder}/{name}{n}", files) for n, part in enumerate(parts)],
        )

    sets = {"one": kept("one", one), "other": kept("other", other)}
    members, others = ({text for part in parts for text in part} for parts in (one, other))
    counts, shared = count_and_compare(sets, [("one", "other")], max_bytes)
    assert counts == {"one": len(members), "other": len(others)}
    assert shared == {("one", "other"): len(members & others)}
