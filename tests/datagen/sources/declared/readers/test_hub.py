from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from datagen.errors import RawDataError
from datagen.files import LocalFiles
from datagen.sources.declared.files_beside import files_beside
from datagen.sources.declared.join import Joins
from datagen.sources.declared.row import Place

REPO = "org/charts"


def card(own: Any, configs: str, folder: str = REPO) -> None:
    own.put(
        f"{folder}/README.md", f"---\nlicence: mit --- really\nconfigs:\n{configs}---\n\n# Charts\n"
    )


def put(own: Any, *names: str, folder: str = REPO) -> None:
    for name in names:
        own.put(f"{folder}/{name}")


def found(own: Any, **hub: Any) -> list[tuple[str, str | None]]:
    files = own.found(hub={"repo": REPO, **hub})
    return [(name.removeprefix(f"{REPO}/"), split) for name, split, _ in files]


TWO = """
- config_name: human
  data_files:
  - split: train
    path: human/train-*.parquet
  - split: validation
    path: [human/v-0.parquet, human/v-1.parquet]
- config_name: machine
  data_files: machine/*.jsonl.gz
"""


def two(own: Any) -> None:
    card(own, TWO)
    put(own, "human/train-1.parquet", "human/train-0.parquet", "human/v-0.parquet")
    put(own, "human/v-1.parquet", "machine/a.jsonl.gz", "data/other.csv")


def test_the_header_of_the_readme_lists_the_files_of_a_configuration(own: Any) -> None:
    two(own)
    assert found(own, config="human") == [
        ("human/train-0.parquet", "train"),
        ("human/train-1.parquet", "train"),
        ("human/v-0.parquet", "val"),
        ("human/v-1.parquet", "val"),
    ]
    assert found(own, config="machine") == [("machine/a.jsonl.gz", "train")]
    assert own.found(hub={"repo": REPO, "config": "machine"})[0][2] == "jsonl"


def test_a_configuration_must_be_named_where_there_are_several(own: Any) -> None:
    two(own)
    with pytest.raises(RawDataError, match=r"has the configurations human, machine; name one: hub"):
        found(own)
    with pytest.raises(
        RawDataError, match=r"no configuration 'humans', did you mean 'human'\?; it has human, mach"
    ):
        found(own, config="humans")


@pytest.mark.parametrize(
    "configs",
    [
        '- config_name: a\n  data_files: "x.csv"\n- config_name: default\n  data_files: "y.csv"\n',
        '- config_name: a\n  data_files: "x.csv"\n- config_name: b\n  default: true\n  data_files: "y.csv"\n',
        '- config_name: a\n  data_files: ["y.csv"]\n',
        "- config_name: a\n  data_files: {train: y.csv}\n",
        "- config_name: a\n  data_dir: ./\n  data_files:\n  - path: y.csv\n",
    ],
)
def test_the_default_configuration_is_taken(own: Any, configs: str) -> None:
    card(own, configs)
    put(own, "x.csv", "y.csv")
    assert found(own) == [("y.csv", "train")]


def test_files_that_the_header_lists_and_the_copy_lacks_are_told(own: Any) -> None:
    card(own, "- config_name: default\n  data_files:\n  - split: train\n    path: data/*.parquet\n")
    with pytest.raises(
        RawDataError,
        match=r"org/charts lacks the files 'data/\*\.parquet' of its split 'train'; is",
    ):
        found(own)


def test_a_file_whose_format_is_not_known_is_told(own: Any) -> None:
    card(own, "- config_name: default\n  data_files: a.lance\n")
    put(own, "a.lance")
    with pytest.raises(RawDataError, match=r"lists a\.lance, whose format is not known"):
        found(own)


@pytest.mark.parametrize(
    "readme", [None, "# no header", "---\nlicence: mit\n---\n", "---\n: [\n---\n"]
)
def test_files_have_the_split_of_their_names_where_no_header_lists_them(
    own: Any, readme: str | None
) -> None:
    if readme is not None:
        own.put(f"{REPO}/README.md", readme)
    put(own, "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet")
    put(own, "data/validation-00000-of-00001.parquet", "data/my_split-00000-of-00001.parquet")
    put(own, "dataset_infos.json", "notes.txt")
    assert found(own) == [
        ("data/my_split-00000-of-00001.parquet", "my_split"),
        ("data/train-00000-of-00002.parquet", "train"),
        ("data/train-00001-of-00002.parquet", "train"),
        ("data/validation-00000-of-00001.parquet", "val"),
    ]


def test_the_folder_of_a_configuration_is_its_name(own: Any) -> None:
    put(own, "human/train-00000-of-00001.parquet", "machine/test-00000-of-00001.parquet")
    assert found(own, config="machine") == [("machine/test-00000-of-00001.parquet", "test")]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("rows.csv", "train"),
        ("charts_dev.jsonl", "val"),
        ("test.json", "test"),
        ("my-train-rows.csv", "train"),
        ("latest.csv", "train"),
    ],
)
def test_files_beside_the_readme_are_found_too(own: Any, name: str, split: str) -> None:
    put(own, name)
    assert found(own) == [(name, split)]


def test_a_repository_without_data_names_what_it_holds(own: Any) -> None:
    put(own, "README.md", "charts.py")
    with pytest.raises(
        RawDataError,
        match=r"holds no data files of a configuration 'default' but README\.md, charts\.py; it is "
        r"made by a program \(charts\.py\), which is not run",
    ):
        found(own)


def test_rows_of_a_local_copy_are_read(own: Any) -> None:
    own.put(f"{REPO}/train.jsonl", '{"n": 1}\n')
    assert own.read(hub={"repo": REPO}) == [{"n": 1}]
    assert own.rows[0].place.file == f"{REPO}/train.jsonl"


def test_files_of_the_repository_may_be_named(own: Any) -> None:
    two(own)
    assert found(own, files="machine/*.gz") == [("machine/a.jsonl.gz", None)]
    assert found(own, files={"val": ["human/v-1.parquet"], "train": "data/other.csv"}) == [
        ("human/v-1.parquet", "val"),
        ("data/other.csv", "train"),
    ]
    with pytest.raises(RawDataError, match=r"lacks the files 'x\.json' of its split 'val'"):
        found(own, files={"val": "x.json"})


def test_only_some_splits_of_the_repository_may_be_read(own: Any) -> None:
    two(own)
    for name in ("val", "validation"):
        assert found(own, config="human", splits=[name]) == [
            ("human/v-0.parquet", "val"),
            ("human/v-1.parquet", "val"),
        ]
    with pytest.raises(RawDataError, match=r"has no split 'test'; it has train, val"):
        found(own, config="human", splits=["test"])
    with pytest.raises(RawDataError, match=r"has no split 'tset'; it has train, val"):
        found(own, config="human", splits=["tset", "train"])


def test_a_configuration_may_be_a_split(own: Any) -> None:
    two(own)
    assert found(own, config={"val": "machine"}) == [("machine/a.jsonl.gz", "val")]
    both = {"test": "machine", "train": "human"}
    assert {split for _, split in found(own, config=both)} == {"test", "train"}
    assert {split for _, split in found(own, config=both, splits=["test"])} == {"test"}
    with pytest.raises(RawDataError, match="has no configuration 'machin', did you mean 'machine'"):
        found(own, config={"val": "machin"})


def test_rows_of_a_repository_are_joined(own: Any) -> None:
    own.put("a.jsonl", '{"image_id": 7, "question": "Which?"}\n')
    own.put(f"{REPO}/images.jsonl", '{"id": "7", "file": "7.png"}\n')
    join = {"hub": {"repo": REPO}, "by": {"left": "image_id", "right": "id"}, "name": "images"}
    definition = own.definition("a.jsonl", join=join)
    row = {"image_id": 7, "question": "Which?"}
    joined = Joins(definition, LocalFiles()).joined(row, Place("a.jsonl", 1))
    assert joined == {**row, "images": {"id": "7", "file": "7.png"}}
    assert [each.name for each in files_beside(definition, LocalFiles())] == [
        f"{REPO}/images.jsonl"
    ]


def test_rows_at_another_place_of_a_repositorys_file_are_joined(own: Any) -> None:
    own.put(f"{REPO}/a.json", '{"rows": [{"id": 1}], "images": [{"id": 1, "file": "1.png"}]}')
    definition = own.definition(
        hub={"repo": REPO, "files": "a.json"}, rows="rows", join={"rows": "images", "by": "id"}
    )
    joined = Joins(definition, LocalFiles()).joined({"id": 1}, Place(f"{REPO}/a.json", 1))
    assert joined["images"]["file"] == "1.png"


# --- the cache of the Hub


SHA = "7d5be0f9a868f835ee26f74cba3baa743c1be07d"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a repository in a cache of the Hub, without a network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder = tmp_path / "cache" / "datasets--org--charts"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(SHA)
    return folder / "snapshots" / SHA


def test_the_cache_of_the_hub_is_read_without_a_network(own: Any, cache: Path) -> None:
    inside = str(cache.relative_to(own.folder))
    card(own, "- config_name: default\n  data_files: data/*.jsonl\n", folder=inside)
    own.put(f"{inside}/data/train.jsonl", '{"n": 1}\n')
    for revision in (None, "main", SHA):
        assert own.read(hub={"repo": REPO, "revision": revision}) == [{"n": 1}]
    assert own.rows[0].place.file == f"{REPO}/data/train.jsonl"


@pytest.mark.parametrize("hub", [{"repo": "org/other"}, {"repo": REPO, "revision": "v2"}])
def test_what_is_neither_here_nor_cached_nor_reachable_is_told(
    own: Any, cache: Path, hub: dict[str, str]
) -> None:
    cache.mkdir(parents=True)
    with pytest.raises(
        RawDataError,
        match=r"is no folder in .*, is not in the Hub's cache, and cannot be downloaded",
    ):
        own.found(hub=hub)


def test_a_name_that_is_none_of_the_hub_is_told(own: Any) -> None:
    with pytest.raises(RawDataError, match=r"'a b/c/d' is no folder in "):
        own.found(hub={"repo": "a b/c/d"})


def test_a_repository_of_images_in_folders_is_classes_by_split(own: Any) -> None:
    own.put(f"{REPO}/README.md", "# Pets\n")
    own.image(f"{REPO}/train/cat/1.png", f"{REPO}/train/dog/2.png", f"{REPO}/validation/cat/3.png")
    hub = {"repo": REPO}
    assert own.found(hub=hub) == [
        (f"{REPO}/train", "train", "class_folders"),
        (f"{REPO}/validation", "val", "class_folders"),
    ]
    assert own.read(hub=hub)[0] == {"image": f"{REPO}/train/cat/1.png", "label": "cat"}


def test_a_repository_of_images_and_metadata_is_an_image_folder(own: Any) -> None:
    own.image(f"{REPO}/data/1.png")
    own.put(f"{REPO}/data/metadata.jsonl", '{"file_name": "1.png", "text": "a cat"}\n')
    assert own.read(hub={"repo": REPO}) == [
        {"file_name": "1.png", "text": "a cat", "image": f"{REPO}/data/1.png"}
    ]


def test_images_that_a_readme_lists_are_the_folder_that_holds_them(own: Any) -> None:
    card(own, "- config_name: default\n  data_files:\n  - {split: test, path: 'eval/**'}\n")
    own.image(f"{REPO}/eval/cat/1.png")
    assert own.found(hub={"repo": REPO}) == [(f"{REPO}/eval", "test", "class_folders")]


def test_images_outside_the_root_are_refused_with_the_command_that_brings_them(own: Any) -> None:
    own.image(f"{REPO}/train/cat/1.png", "photos/2.png")
    with pytest.raises(RawDataError, match="hf download org/charts --repo-type dataset"):
        own.found(hub={"repo": REPO}, images={"root": "photos"})


LABELS = """---
dataset_info:
- config_name: default
  features:
  - name: label
    dtype:
      class_label:
        names: {'0': cat, '1': dog, '10': hen, '2': cow, '3': e, '4': f, '5': g, '6': h, '7': i, '8': j, '9': k}
  - name: tags
    sequence:
      class_label:
        names: {'0': old}
  - {name: n, dtype: int64}
---
"""


def test_names_of_labels_come_from_the_readme_where_files_have_none(own: Any) -> None:
    own.put(f"{REPO}/README.md", LABELS)
    own.put(
        f"{REPO}/data/train.jsonl", '{"label": 2, "tags": [0], "n": 2}\n{"label": -1, "n": 3}\n'
    )
    own.put(f"{REPO}/data/test.csv", "label,n\n10,7\nbird,8\n")
    hub = {"repo": REPO}
    assert own.read(hub=hub) == [
        {"label": "hen", "n": "7"},
        {"label": "bird", "n": "8"},
        {"label": "cow", "tags": ["old"], "n": 2},
        {"label": None, "n": 3},
    ]
    (beside,) = files_beside(own.definition(hub=hub), LocalFiles())
    assert beside.name == f"{REPO}/README.md"
