"""Where mirrors are found, and which are refused."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from datagen.errors import OptionError, RawDataError
from datagen.files import LocalFiles
from datagen.sources.mirrors.find import entry_of, find_mirrors
from datagen.sources.mirrors.mirror import Mirrored

SHA = "7d5be0f9a868f835ee26f74cba3baa743c1be07d"
PINNED = "e9e223338832318a6161d04648871c18a024ce85"


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "no_cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


class Finding:
    def __init__(self) -> None:
        self.said: list[str] = []

    def find(
        self, *sources: str, raw: Path | None = None, splits: tuple[str, ...] | None = None
    ) -> tuple[Mirrored, ...]:
        place = None if raw is None else str(raw)
        return find_mirrors(sources or None, splits, place, LocalFiles(), self.said.append)


@pytest.fixture
def finding() -> Finding:
    return Finding()


def test_a_local_copy_is_used_and_says_what_it_lacks(
    finding: Finding, copy_of: Callable[[str], Path]
) -> None:
    (found,) = finding.find("nocaps", raw=copy_of("nocaps"))
    assert found.splits == ("val", "test")
    assert finding.said == [
        "nocaps: validation has 3 rows, 4,500 were seen",
        "nocaps: lmms-lab/NoCaps at an unknown revision; lacks domain: in, near or out; captions of test",
    ]
    assert entry_of(found).revision is None


def test_a_copy_tells_its_commit(finding: Finding, copy_of: Callable[[str], Path]) -> None:
    root = copy_of("nocaps")
    note = root / "lmms-lab/NoCaps/.cache/huggingface/download/README.md.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"{SHA}\n")
    (found,) = finding.find("nocaps", raw=root)
    assert entry_of(found).revision == SHA
    assert finding.said[-2] == (
        f"nocaps: this is commit {SHA}, a26b3fe1e0021164ec430c57c48085d58f2fe922 was looked at"
    )


def test_a_repository_that_moved_is_found_under_its_new_name(
    finding: Finding, copy_of: Callable[[str], Path]
) -> None:
    root = copy_of("gqa")
    shutil.move(root / "lmms-lab", root / "lmms-lab-encoder")
    (found,) = finding.find("gqa", raw=root, splits=("test_dev",))
    entry = entry_of(found)
    assert (entry.repository, entry.config) == (
        "lmms-lab-encoder/GQA", "testdev_balanced_instructions",
    )  # fmt: skip


def test_only_the_files_of_the_wanted_splits_are_needed(
    finding: Finding, copy_of: Callable[[str], Path]
) -> None:
    root = copy_of("textvqa")
    (root / "lmms-lab/textvqa/data/train-00000-of-00001.parquet").unlink()
    (found,) = finding.find("textvqa", raw=root, splits=("val", "train2"))
    assert found.splits == ("val",)
    with pytest.raises(
        RawDataError, match=r"the copy .*/lmms-lab/textvqa lacks data/train-\*; copy"
    ):
        finding.find("textvqa", raw=root)


def test_a_copy_that_lacks_a_shard_is_refused(
    finding: Finding, copy_of: Callable[[str], Path]
) -> None:
    folder = copy_of("textvqa") / "lmms-lab/textvqa/data"
    (folder / "train-00000-of-00001.parquet").rename(folder / "train-00001-of-00003.parquet")
    with pytest.raises(
        RawDataError,
        match=r"lacks data/train-00000-of-00003\.parquet, data/train-00002-of-00003\.parquet; copy",
    ):
        finding.find("textvqa", raw=folder.parents[2])


def test_without_sources_those_that_are_here_are_taken(
    finding: Finding, copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    root = copy_of("vqav2")
    copy_of("okvqa")
    found = finding.find(raw=root, splits=("val",))
    assert [each.name for each in found] == ["vqav2", "okvqa", "vqav2_qg", "okvqa_qg"]
    with pytest.raises(
        OptionError, match=r"no mirror is on this machine, as .*/<owner>/<name>, nor"
    ):
        finding.find(raw=tmp_path)


def test_a_mirror_that_is_nowhere_is_told_with_what_to_do(finding: Finding, tmp_path: Path) -> None:
    with pytest.raises(
        RawDataError,
        match=r"the mirror of nocaps is no folder in .*, not in the Hub's cache, and cannot be downloaded: "
        r"lmms-lab/NoCaps: .*; lmms-lab-encoder/NoCaps: .*\. Copy it to RAW/lmms-lab/NoCaps",
    ):
        finding.find("nocaps", raw=tmp_path)


def test_a_joined_repository_that_is_nowhere_is_told_by_its_name(
    finding: Finding, copy_of: Callable[[str], Path]
) -> None:
    root = copy_of("flickr30k")
    shutil.rmtree(root / "openflamingo")
    with pytest.raises(
        RawDataError,
        match=r"cannot be downloaded: openflamingo/eval_benchmark: .*\. Copy it to RAW/openflamingo/",
    ):
        finding.find("flickr30k", raw=root)


def test_a_source_without_a_mirror_is_told_why(finding: Finding) -> None:
    with pytest.raises(
        OptionError,
        match=r"'visdial' cannot be built from the Hub: no copy seen has the 100 candidates",
    ):
        finding.find("visdial")
    with pytest.raises(
        OptionError, match=r"'textvqq' has no mirror on the Hub, did you mean 'textvqa'"
    ):
        finding.find("textvqq")
    with pytest.raises(
        OptionError, match=r"hateful_memes has none of the splits val; it has train"
    ):
        finding.find("hateful_memes", splits=("val",))


def changed(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["image_id"]), r"lacks image_id \(string\)"),
        (lambda t: t.append_column("year", pa.array([1] * len(t))), r"year is new \(int64\)"),
        (
            lambda t: t.set_column(
                t.schema.get_field_index("caption_str"), "caption_str", pa.array(["x"] * len(t))
            ),
            r"caption_str is string, not list of string",
        ),
        (
            lambda t: t.rename_columns(
                ["captions" if name == "reference_strs" else name for name in t.column_names]
            ),
            r"captions is new \(list of string\); lacks reference_strs \(list of string\)",
        ),
    ],
)
def test_a_mirror_that_changed_its_columns_is_refused_by_name(
    change: Callable[[pa.Table], pa.Table],
    message: str,
    finding: Finding,
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("textcaps")
    changed(root / "lmms-lab/TextCaps/data/val-00000-of-00001.parquet", change)
    with pytest.raises(
        RawDataError,
        match=rf"the mirror of textcaps has other columns than those that were seen at {PINNED}: "
        rf"lmms-lab/TextCaps/data/val-00000-of-00001.parquet at an unknown revision: {message}\. It is not read",
    ):
        finding.find("textcaps", raw=root)
    (found,) = finding.find("textcaps", raw=root, splits=("train",))
    assert found.splits == ("train",)


def test_changed_keys_of_a_json_mirror_and_of_joined_files_are_refused_too(
    finding: Finding, copy_of: Callable[[str], Path]
) -> None:
    root = copy_of("okvqa")
    home = root / "openflamingo/eval_benchmark/okvqa"
    for name, key, message in (
        ("mscoco_val2014_annotations.json", "answers", r"lacks answers \(list\)"),
        ("OpenEnded_mscoco_val2014_questions.json", "image_id", r"lacks image_id \(int\)"),
    ):
        text = (home / name).read_text()
        (home / name).write_text(text.replace(f'"{key}"', '"x"'))
        with pytest.raises(RawDataError, match=rf"{name} at an unknown revision: {message}"):
            finding.find("okvqa", raw=root)
        (home / name).write_text(text)


@pytest.fixture
def textcaps_on_the_hub(fake_hub: Any, copy_of: Callable[[str], Path]) -> Iterator[Any]:
    """TextCaps under its new name alone, in a Hub of our own."""
    folder = copy_of("textcaps") / "lmms-lab/TextCaps"
    for path in folder.rglob("*.*"):
        fake_hub.put("lmms-lab-encoder/TextCaps", str(path.relative_to(folder)), path.read_bytes())
    yield fake_hub


def test_a_mirror_is_downloaded_and_its_revision_recorded(
    finding: Finding, textcaps_on_the_hub: Any
) -> None:
    (found,) = finding.find("textcaps", splits=("val",))
    entry = entry_of(found)
    assert (entry.repository, entry.revision) == ("lmms-lab-encoder/TextCaps", PINNED)
    asked = [each for each in textcaps_on_the_hub.requests if "/resolve/" in each]
    assert {each.rsplit("/", 1)[1] for each in asked} == {
        "README.md", "val-00000-of-00001.parquet",
    }  # fmt: skip


def test_nothing_is_downloaded_for_a_look(textcaps_on_the_hub: Any) -> None:
    wanted = (["textcaps"], ["val"], None, LocalFiles())
    with pytest.raises(RawDataError, match=r"cannot be downloaded: .*: nothing is downloaded now"):
        find_mirrors(*wanted, download=False)
    assert textcaps_on_the_hub.requests == []
    found = find_mirrors(*wanted)
    textcaps_on_the_hub.requests.clear()
    assert find_mirrors(*wanted, download=False) == found
    assert textcaps_on_the_hub.requests == []


def test_a_revision_that_is_not_pinned_is_recorded_and_used_offline(
    finding: Finding, fake_hub: Any, copy_of: Callable[[str], Path]
) -> None:
    folder = copy_of("vqav2") / "pminervini/VQAv2"
    for path in folder.rglob("*.*"):
        fake_hub.put("pminervini/VQAv2", str(path.relative_to(folder)), path.read_bytes())
    (found,) = finding.find("vqav2", splits=("val",))
    assert entry_of(found).revision == SHA
    fake_hub.status = 503
    finding.said.clear()
    assert finding.find("vqav2", splits=("val",)) == (found,)
    assert re.match(
        rf"vqav2: the Hub cannot be reached \(.*503.*\); what the cache has of pminervini/VQAv2 at {SHA} is used",
        finding.said[0],
    )
    with pytest.raises(RawDataError, match=r"503.*; the cache lacks data/train-"):
        finding.find("vqav2", splits=("train",))
