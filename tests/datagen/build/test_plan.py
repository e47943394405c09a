from pathlib import Path
from typing import Any

import pytest

from datagen.build.options import BuildOptions, make_options
from datagen.build.plan import check_image_roots, choose_splits, complete_layout, media_roots
from datagen.errors import OptionError, RawDataError
from datagen.files import LocalFiles
from datagen.schema.adapter import SplitFiles
from datagen.sources import SOURCE_IDS, all_sources, load_source


def options(raw: Any, **values: Any) -> BuildOptions:
    return make_options(raw=str(raw.root), out=str(raw.root.parent / "out"), **values)


def chosen(raw: Any, **values: Any) -> list[str]:
    splits, _ = choose_splits(options(raw, **values), LocalFiles())
    return [f"{source.id}/{layout.split}:{layout.layout_name}" for source, layout in splits]


def test_the_whole_sample_is_chosen(sample_raw: Path, tmp_path: Path) -> None:
    found, missing = choose_splits(
        BuildOptions(raw=str(sample_raw), out=str(tmp_path)), LocalFiles()
    )
    assert missing == []
    expected = [(each.id, split) for each in all_sources() for split in each.split_names()]
    assert [(source.id, layout.split) for source, layout in found] == expected


def test_splits_whose_files_are_complete_are_built_and_the_others_are_named(raw: Any) -> None:
    raw.vqa([])
    raw.json("msvd_qa/test_qa.json", [])
    splits, missing = choose_splits(options(raw), LocalFiles())
    assert [(source.id, layout.split) for source, layout in splits] == [
        ("vqav2", "train"),
        ("vqav2_qg", "train"),
    ]
    lacks = {(each.source, each.split): each.lacks for each in missing}
    assert lacks["msvd_qa", "test"] == ("youtube_mapping.txt",)
    assert lacks["msvd_qa", "val"] == ("val_qa.json", "youtube_mapping.txt")
    assert lacks["vqav2", "test"] == ("v2_OpenEnded_mscoco_test2015_questions.json",)
    assert ("vqav2", "train") not in lacks


def test_of_several_layouts_the_first_complete_one_is_read_split_by_split(raw: Any) -> None:
    raw.json("coco_caption/captions_train2014.json", {})
    raw.json("coco_caption/coco_karpathy_val.json", [])
    assert chosen(raw) == ["coco_caption/train:captions_2014", "coco_caption/val:lavis"]
    raw.json("coco_caption/dataset_coco.json", {})
    assert chosen(raw) == [f"coco_caption/{split}:karpathy" for split in ("train", "val", "test")]


def test_of_several_layouts_what_each_lacks_is_named(raw: Any) -> None:
    raw.json("coco_caption/nothing.json", {})
    source = load_source("coco_caption")
    lacking = complete_layout(source, "val", str(raw.root), LocalFiles())
    assert lacking == (
        "dataset_coco.json (layout karpathy)",
        "coco_karpathy_val.json (layout lavis)",
        "captions_val2014.json (layout captions_2014)",
    )


@pytest.mark.parametrize(
    ("source", "split", "rest"),
    [("vqav2", "test", "train, val"), ("aokvqa", "test", "train, val"), ("textcaps", "test", "tr")],
)
def test_training_on_hidden_answers_is_refused_before_a_row_is_read(
    raw: Any, source: str, split: str, rest: str
) -> None:
    raw.json("vizwiz/val.json", [])
    message = f"trains on {source}/{split}, whose answers are hidden, .*; train on {rest}"
    with pytest.raises(OptionError, match=message):
        chosen(raw, sources=[source], mixture={"splits": {source: ["train", split]}})


def test_a_split_with_hidden_answers_is_still_built_for_evaluation(raw: Any) -> None:
    raw.json("vizwiz/test.json", [])
    assert chosen(raw, sources=["vizwiz"]) == ["vizwiz/test:official"]


def test_an_optional_file_keeps_no_split_from_being_built(raw: Any) -> None:
    raw.json("visdial/visdial_1.0_val.json", {})
    layout = complete_layout(load_source("visdial"), "val", str(raw.root), LocalFiles())
    assert isinstance(layout, SplitFiles)
    assert layout.files() == ("visdial_1.0_val.json",)
    assert layout.optional_files() == ("visdial_1.0_val_dense_annotations.json",)


def test_sources_and_splits_that_were_asked_for_are_chosen(raw: Any) -> None:
    raw.vqa([])
    raw.vqa([], subset="val2014")
    assert chosen(raw, sources=("vqav2",)) == ["vqav2/train:official", "vqav2/val:official"]
    assert chosen(raw, splits=("val",)) == ["vqav2/val:official", "vqav2_qg/val:official"]
    assert chosen(raw, sources=("vqav2_qg",), splits=("train",)) == ["vqav2_qg/train:official"]


def test_a_source_named_twice_is_built_once(raw: Any) -> None:
    raw.vqa([])
    assert chosen(raw, sources=("vqav2", "vqav2")) == ["vqav2/train:official"]


def test_a_source_that_was_asked_for_and_has_no_complete_split_is_refused(raw: Any) -> None:
    raw.vqa([])
    message = (
        r"source 'msvd_qa' has no complete split in .*/msvd_qa: train lacks train_qa\.json, "
        r"youtube_mapping\.txt; val lacks .*; test lacks"
    )
    with pytest.raises(RawDataError, match=message):
        chosen(raw, sources=("vqav2", "msvd_qa"))


def test_a_source_without_the_split_that_was_asked_for_is_refused(raw: Any) -> None:
    raw.vqa([])
    message = r"source 'scienceqa' has none of the splits test_dev; it has train, val, test"
    with pytest.raises(OptionError, match=message):
        chosen(raw, sources=("scienceqa", "vqav2"), splits=("test_dev",))


def test_an_empty_raw_folder_is_refused(raw: Any) -> None:
    with pytest.raises(
        RawDataError, match=r"no source has a complete split in .*`visinstruct sour"
    ):
        chosen(raw)


def test_an_unknown_source_is_refused_with_the_nearest_name(raw: Any) -> None:
    with pytest.raises(OptionError, match=r"unknown source 'vqa_v2', did you mean 'vqav2'\?"):
        chosen(raw, sources=("vqa_v2",))


def test_an_unknown_split_is_refused_with_the_nearest_name(raw: Any) -> None:
    with pytest.raises(OptionError, match=r"unknown split 'test-dev', did you mean 'test_dev'\?"):
        chosen(raw, splits=("test-dev",))


def test_images_and_clips_lie_in_the_raw_folder(raw: Any) -> None:
    roots = media_roots(options(raw))
    assert roots["coco"] == f"{raw.root}/images/coco"
    assert roots["msvd"] == f"{raw.root}/videos/msvd"
    assert roots["scienceqa"] == f"{raw.root}/scienceqa"
    collections = {m.collection for s in SOURCE_IDS for m in load_source(s).card.media}
    assert roots.keys() == collections


def test_a_collection_can_lie_elsewhere(raw: Any) -> None:
    roots = media_roots(options(raw, image_roots={"coco": "/data/coco"}))
    assert roots["coco"] == "/data/coco"
    assert roots["visdial"] == f"{raw.root}/images/visdial"


def test_an_unknown_collection_is_refused_with_the_nearest_name(raw: Any) -> None:
    with pytest.raises(OptionError, match=r"unknown collection 'cocos', did you mean 'coco'\?"):
        media_roots(options(raw, image_roots={"cocos": "/data/coco"}))


def test_an_image_root_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "coco").mkdir()
    options = make_options(raw=str(tmp_path), out="o", image_roots={"coco": f"{tmp_path}/coko"})
    with pytest.raises(
        OptionError, match=r"--image-root coco=.*/coko: no such folder, did you mean 'coco'"
    ):
        check_image_roots(options)
