import hashlib
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from PIL import Image

from datagen.errors import OptionError, OutputError
from datagen.sample.write import write_sample
from datagen.sample.writers import msvd_qa
from datagen.sources import SOURCE_IDS


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_another_process_writes_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datagen.sample.write import write_sample; "
        "write_sample(Path(sys.argv[1]), num_scenes=60)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "again")],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=True,
    )
    assert _tree(tmp_path / "again") == _tree(sample)


def test_another_seed_gives_other_images_and_other_rows(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_sample(tmp_path / str(seed), num_scenes=12, seed=seed)
    one, other = (_tree(tmp_path / str(seed)) for seed in (0, 1))
    for name in ("coco_caption/dataset_coco.json", "scienceqa/problems.json"):
        assert one[name] != other[name]
    images = {name for name in one if name.startswith("images/")}
    assert images
    assert not [name for name in images if one[name] == other.get(name)]


def test_a_sources_files_do_not_depend_on_the_other_sources(sample: Path, tmp_path: Path) -> None:
    whole = _tree(sample)
    for source in SOURCE_IDS:
        report = write_sample(tmp_path / source, num_scenes=60, sources=[source])
        assert report.sources == (source,)
        found = _tree(tmp_path / source)
        found.pop("sample.json")
        assert found.items() <= whole.items()


def test_the_report_counts_the_files_that_are_there(tmp_path: Path) -> None:
    report = write_sample(tmp_path / "raw", num_scenes=12)
    tree = _tree(tmp_path / "raw")
    assert sum(report.files.values()) == len(tree)
    assert report.num_bytes == sum(len(data) for data in tree.values())
    assert report.files["vqav2"] == 6
    assert report.files["images/coco"] == 24  # 12 scenes, by their names of 2014 and of 2017
    assert report.sources == tuple(SOURCE_IDS)
    assert not report.unchanged


def test_every_image_decodes_and_none_has_two_ids(sample: Path) -> None:
    """A COCO image has a name of 2014 and one of 2017, which end in its id."""
    paths = [path for path in sample.rglob("*") if path.suffix in (".jpg", ".png")]
    assert len(paths) > 100
    ids: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((144, 144), "RGB")
            pixels = hashlib.sha256(image.tobytes()).hexdigest()
            name = path.relative_to(sample)
            ids[pixels].add(path.stem[-12:] if name.parts[1] == "coco" else str(name))
    assert [found for found in ids.values() if len(found) > 1] == []
    assert len(ids) < len(paths)


def test_the_smallest_sample_leaves_no_split_empty(tmp_path: Path) -> None:
    write_sample(tmp_path, num_scenes=12)
    for path in tmp_path.rglob("*.json"):
        text = path.read_text()
        assert '"questions": []' not in text
        assert '"dialogs": []' not in text
        assert text != "[]"


def test_the_same_sample_is_left_as_it_is(tmp_path: Path) -> None:
    write_sample(tmp_path, num_scenes=12)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert write_sample(tmp_path, num_scenes=12).unchanged
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("my own")
    with pytest.raises(OutputError, match=r"holds files, but no sample\.json .* choose an empty"):
        write_sample(tmp_path, num_scenes=12)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file")
    with pytest.raises(OutputError, match="raw is not a folder"):
        write_sample(tmp_path / "raw", num_scenes=12)


def test_a_sample_with_other_options_is_refused(tmp_path: Path) -> None:
    write_sample(tmp_path, num_scenes=12)
    with pytest.raises(OutputError, match="holds a sample with seed=0, not 1: choose an empty"):
        write_sample(tmp_path, num_scenes=12, seed=1)
    with pytest.raises(OutputError, match="with num_scenes=12, not 13"):
        write_sample(tmp_path, num_scenes=13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_text("{}"), "problems.json is another now, and 0 other files"),
        (lambda path: path.unlink(), "problems.json is missing"),
        (lambda path: path.with_name("extra").touch(), "scienceqa/extra does not belong to it"),
    ],
)
def test_a_sample_that_was_changed_is_refused(tmp_path: Path, change: object, message: str) -> None:
    write_sample(tmp_path, num_scenes=12)
    change(tmp_path / "scienceqa/problems.json")
    with pytest.raises(OutputError, match=message):
        write_sample(tmp_path, num_scenes=12)


def test_a_failure_leaves_the_folder_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(raw: Path, world: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(msvd_qa, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, num_scenes=12)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("num_scenes", [11, 0, -3, 200_001])
def test_too_few_or_too_many_scenes_are_refused(tmp_path: Path, num_scenes: int) -> None:
    with pytest.raises(OptionError, match=f"sample of {num_scenes} scenes: choose from 12 "):
        write_sample(tmp_path, num_scenes=num_scenes)


def test_an_unknown_source_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="source 'vqa2', did you mean 'vqav2'"):
        write_sample(tmp_path, num_scenes=12, sources=["vqa2"])
    with pytest.raises(OptionError, match="no source to draw"):
        write_sample(tmp_path, num_scenes=12, sources=[])
