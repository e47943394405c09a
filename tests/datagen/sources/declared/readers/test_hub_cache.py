from pathlib import Path
from typing import Any

import pytest

from datagen.sources.declared.readers.hub_cache import (
    UnreachableError,
    copied_commit,
    lacking,
    snapshot,
)

SHA = "7d5be0f9a868f835ee26f74cba3baa743c1be07d"
REPO = "org/charts"


def wanted(folder: str) -> list[str]:
    assert (Path(folder) / "README.md").exists()
    return ["data/train-*"]


@pytest.fixture
def charts(fake_hub: Any) -> Any:
    fake_hub.put(REPO, "README.md", "# Charts")
    fake_hub.put(REPO, "data/train-00000-of-00002.jsonl", "one")
    fake_hub.put(REPO, "data/train-00001-of-00002.jsonl", "two")
    fake_hub.put(REPO, "data/test.jsonl", "three")
    return fake_hub


def names(folder: str) -> list[str]:
    place = Path(folder)
    return sorted(str(each.relative_to(place)) for each in place.rglob("*") if each.is_file())


def test_only_what_is_wanted_is_downloaded(charts: Any) -> None:
    folder, commit, offline = snapshot(REPO, None, wanted)
    assert (commit, offline) == (SHA, None)
    assert names(folder) == [
        "README.md",
        "data/train-00000-of-00002.jsonl",
        "data/train-00001-of-00002.jsonl",
    ]


def test_a_commit_that_is_whole_in_the_cache_is_used_without_a_question(charts: Any) -> None:
    first = snapshot(REPO, SHA, wanted)
    charts.requests.clear()
    assert snapshot(REPO, SHA, wanted) == first
    assert charts.requests == []


def test_a_hub_that_is_down_leaves_what_the_cache_has(charts: Any) -> None:
    folder = snapshot(REPO, None, wanted).folder
    charts.status = 503
    found = snapshot(REPO, None, wanted)
    assert found[:2] == (folder, SHA)
    assert "503" in str(found.offline)


def test_what_the_cache_lacks_is_told_when_the_hub_is_down(charts: Any) -> None:
    snapshot(REPO, None, wanted)
    charts.status = 503
    with pytest.raises(UnreachableError, match=r"503.*; the cache lacks data/test\.jsonl"):
        snapshot(REPO, None, lambda folder: ["data/test.jsonl"])


def test_a_repository_that_the_hub_does_not_have_is_told(charts: Any) -> None:
    with pytest.raises(UnreachableError, match="404"):
        snapshot("org/none", None, wanted)


def test_shards_that_are_missing_beside_others_are_lacking(tmp_path: Path) -> None:
    for number in (0, 2):
        (tmp_path / f"train-0000{number}-of-00003.parquet").touch()
    assert lacking(str(tmp_path), ["train-*", "val-*", "data/*"]) == [
        "train-00001-of-00003.parquet", "val-*",
    ]  # fmt: skip


def test_a_local_copy_knows_its_commit(tmp_path: Path) -> None:
    assert copied_commit(str(tmp_path)) is None
    place = tmp_path / ".cache" / "huggingface" / "download" / "data" / "a.parquet.metadata"
    place.parent.mkdir(parents=True)
    place.write_text(f"{SHA}\netag\n1732000000\n")
    assert copied_commit(str(tmp_path)) == SHA


def test_a_commit_of_which_any_file_may_be_wanted_is_asked_for_again(charts: Any) -> None:
    snapshot(REPO, SHA, lambda folder: ["*"])
    charts.requests.clear()
    folder = snapshot(REPO, SHA, lambda folder: ["*", "data/*"]).folder
    assert charts.requests
    assert "data/test.jsonl" in names(folder)
