"""A draft of a source file: guesses from the first rows, for the owner to confirm."""

import base64
import json

import pytest
import yaml
from PIL import Image

from datagen.errors import UserError
from datagen.files import LocalFiles
from datagen.sources.declared.draft import draft
from datagen.sources.declared.load import parse_definitions


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("1.png", "2.png", "XR_0007.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name)
    return tmp_path


def drafted(folder, *names):
    text = draft([str(folder / name) for name in names], str(folder), LocalFiles())
    (definition,) = parse_definitions(text, base=str(folder))
    assert definition.name
    return yaml.safe_load(text)


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path.name


def test_a_table_with_its_delimiter_splits_and_root(folder):
    (folder / "a.csv").write_text(
        "Image;Question;Answer;Split\n1.png;What?;12;train\n2.png;Who?;x;dev\n"
    )
    found = drafted(folder, "a.csv")
    assert found["task"] == "vqa"
    assert found["format"] == {"delimiter": ";"}
    assert found["images"] == {"root": "photos"}
    assert found["splits"] == {"train": ["train"], "val": ["dev"]}
    assert found["columns"]["image"] == "Image"


def test_a_conversation_with_its_roles(folder):
    turns = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}]
    found = drafted(folder, lines(folder / "a.jsonl", {"messages": turns, "images": ["1.png"]}))
    assert (found["task"], found["roles"]) == (
        "conversation",
        {"role": "role", "content": "content"},
    )


def test_answers_of_multiple_choice(folder):
    row = {"image": "1.png", "question": "Q?", "options": {"A": "a", "B": "b"}, "answer": "B"}
    assert drafted(folder, lines(folder / "a.jsonl", row))["answer"] == {"is": "key"}
    row |= {"options": "a|b|c", "answer": 3}
    found = drafted(folder, lines(folder / "b.jsonl", row))
    assert found["answer"] == {"is": "index", "separator": "|", "first": 1}


def test_a_pattern_for_images_that_are_numbers(folder):
    found = drafted(folder, lines(folder / "a.jsonl", {"image_id": 7, "caption": "a scan"}))
    assert found["images"] == {"pattern": "photos/XR_{image_id:04d}.png"}


def test_paths_of_another_machine(folder):
    found = drafted(folder, lines(folder / "a.jsonl", {"image": "/srv/x/1.png", "caption": "a"}))
    assert found["images"] == {"root": "photos", "replace_prefix": {"/srv/x/": ""}}


def test_rows_deep_in_a_document_and_nested_columns(folder):
    document = {"data": {"items": [{"meta": {"img": "1.png"}, "text": {"caption": "a"}}]}}
    (folder / "a.json").write_text(json.dumps(document))
    found = drafted(folder, "a.json")
    assert found["rows"] == "data.items"
    assert found["columns"] == {"caption": "text.caption", "image": "meta.img"}


def test_several_questions_a_row(folder):
    row = {"img": "1.png", "questions": ["a?", "b?"], "answers": ["1", "2"]}
    assert drafted(folder, lines(folder / "a.jsonl", row))["each"] == ["questions", "answers"]
    row = {"img": "1.png", "Question 1": {"question": "a?", "answer": "1"}}
    assert drafted(folder, lines(folder / "b.jsonl", row))["each"] == "Question *"


def test_files_named_after_splits(folder):
    for split in ("train", "val"):
        lines(folder / f"my_{split}.jsonl", {"image": "1.png", "caption": split})
    found = drafted(folder, "my_train.jsonl", "my_val.jsonl")
    assert found["files"] == {"train": "my_train.jsonl", "val": "my_val.jsonl"}


def test_what_cannot_be_guessed_is_said(folder):
    with pytest.raises(UserError, match="no such file or folder"):
        drafted(folder, "none.csv")
    with pytest.raises(
        UserError, match="looks like an image; the columns are 'question', 'answer'"
    ):
        drafted(folder, lines(folder / "a.jsonl", {"question": "Q?", "answer": "a"}))


def test_images_in_base64_are_no_paths_and_other_values_are_rows(folder):
    data = base64.b64encode((folder / "photos/1.png").read_bytes()).decode()
    head = "index\timage\tquestion\thint\tA\tB\tanswer\n"
    (folder / "a.tsv").write_text(f"{head}7\t{data}\tQ?\th\tx\ty\tA\n1007\t7\tQ?\th\ty\tx\tB\n")
    found = drafted(folder, "a.tsv")
    assert found["images"] == {"same_as": "index"}
    assert found["answer"] == {"is": "letter"}
    assert (found["columns"]["choices"], found["columns"]["context"]) == (["A", "B"], "hint")


def test_an_index_of_zero_counts_from_zero(folder):
    row = {"image": "1.png", "question": "Q?", "choices": ["a", "b"]}
    name = lines(folder / "a.jsonl", row | {"answer": 0}, row | {"answer": 2})
    assert drafted(folder, name)["answer"] == {"is": "index", "first": 0}


def test_words_of_ocr_in_objects(folder):
    row = {
        "image": "1.png",
        "question": "Q?",
        "answers": ["a"],
        "ocr": [{"word": "STOP", "box": []}],
    }
    assert drafted(folder, lines(folder / "a.jsonl", row))["columns"]["ocr_tokens"] == "ocr[].word"


def test_names_in_camel_case_and_a_split_called_validate(folder):
    row = {"image": "1.png", "question": "Q?", "answer": "a"}
    name = lines(folder / "train.jsonl", row | {"questionId": 1}, row | {"questionId": 2})
    other = lines(folder / "validate.jsonl", row | {"questionId": 3})
    found = drafted(folder, name, other)
    assert found["files"] == {"train": "train.jsonl", "val": "validate.jsonl"}
    assert found["columns"]["id"] == "questionId"


def test_a_prefix_under_which_most_paths_are_found(folder):
    (folder / "photos/b").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "photos/b/3.png")
    rows = [
        {"image": f"C:\\me\\x\\{name}", "caption": "c"} for name in ("1.png", "2.png", "b\\3.png")
    ]
    assert drafted(folder, lines(folder / "a.jsonl", *rows))["images"] == {
        "separators": "windows",
        "root": "photos",
        "replace_prefix": {"C:/me/x/": ""},
    }


def test_a_clone_of_a_hub_dataset(folder):
    (folder / "clone/data").mkdir(parents=True)
    (folder / "clone/README.md").write_text("# A card\n")
    Image.new("RGB", (8, 8)).save(folder / "clone/1.png")
    lines(folder / "clone/data/train.jsonl", {"image": "../1.png", "caption": "c"})
    found = drafted(folder, "clone")
    assert found["hub"] == {"repo": "clone"}
    assert "files" not in found


def test_images_that_stand_in_the_first_turn(folder):
    turns = [
        {"from": "user", "value": "Picture 1: <img>1.png</img>\nWhat?"},
        {"from": "assistant", "value": "A disc."},
    ]
    found = drafted(folder, lines(folder / "a.jsonl", {"id": "x", "conversations": turns}))
    assert found["images"] == {"root": "photos", "marker": "Picture *: <img>{image}</img>"}
    assert "image" not in found["columns"]


def test_captions_of_coco_are_a_preset_with_the_folder_of_their_images(folder):
    document = {
        "images": [{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "2.png"}],
        "annotations": [{"id": 7, "image_id": 1, "caption": "a disc"}],
    }
    (folder / "a.json").write_text(json.dumps(document))
    found = drafted(folder, "a.json")
    assert found == {
        "name": "a",
        "preset": "coco_captions",
        "files": "a.json",
        "images": {"root": "photos"},
    }


def test_of_equal_folders_that_of_the_data_is_the_root(folder):
    for name in ("a", "set"):
        (folder / name).mkdir()
        Image.new("RGB", (8, 8)).save(folder / name / "9.png")
    name = lines(folder / "set/a.jsonl", {"image": "9.png", "caption": "c"})
    assert drafted(folder, f"set/{name}")["images"] == {"root": "set"}


def test_videos_with_their_begin_and_end(folder):
    (folder / "clips").mkdir()
    (folder / "clips/a.mp4").write_bytes(b"video")
    (folder / "a.csv").write_text(
        "video_path,start_time,end_time,question,answer\na.mp4,0,2.5,What falls?,a cup\n"
    )
    found = drafted(folder, "a.csv")
    assert found["videos"] == {"root": "clips"}
    assert "images" not in found
    assert found["columns"] == {
        "question": "question",
        "answers": "answer",
        "video": "video_path",
        "start": "start_time",
        "end": "end_time",
    }
    (folder / "b.csv").write_text("video_id,caption\na,a cup falls\n")
    assert drafted(folder, "b.csv")["videos"] == {"pattern": "clips/{video}.mp4"}


def test_a_text_file_without_header_and_suffixes_as_roco_has_it(folder):
    (folder / "images").mkdir()
    for number in (2, 17):
        Image.new("RGB", (8, 8)).save(folder / f"images/ROCO_{number:05d}.jpg")
    (folder / "captions.txt").write_text(
        'ROCO_00002\t "CT" of the chest, axial; see left\nROCO_00017\t X-ray, "hip\n'
    )
    found = drafted(folder, "captions.txt")
    assert found["format"] == {
        "delimiter": "\t",
        "type": "csv",
        "header": ["column1", "column2"],
    }
    assert found["columns"] == {"caption": "column2"}
    assert found["images"] == {"pattern": "images/{column1}.jpg"}


def test_a_header_of_numbered_names_is_a_header(folder):
    (folder / "a.csv").write_text("image,q1,a1\n1.png,Q7,A\n2.png,Q8,B\n")
    assert "format" not in drafted(folder, "a.csv")


def test_an_image_in_a_folder_for_each_row_as_scienceqa_has_it(folder):
    rows = {}
    for number, split in ((1, "train"), (2, "val")):
        (folder / f"images/{split}/{number}").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / f"images/{split}/{number}/image.png")
        rows[str(number)] = {"question": "Q?", "choices": ["a", "b"], "answer": 0, "hint": "h"}
        rows[str(number)] |= {"image": "image.png", "split": split}
    rows["3"] = rows["2"] | {"image": None}
    (folder / "problems.json").write_text(json.dumps(rows))
    found = drafted(folder, "problems.json")
    assert found["task"] == "multiple_choice"
    assert found["images"] == {"pattern": "images/{split}/{__key__}/{image}"}
    text = draft([str(folder / "problems.json")], str(folder), LocalFiles())
    assert "# 1 of 3 rows have no image: missing_column: skip leaves them out" in text
    assert found["columns"]["image"] == "image"


def test_folders_of_images_that_are_no_classes_are_refused(folder):
    for name in ("Annotations", "ImageSets", "JPEGImages"):
        (folder / f"voc/{name}").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "voc/JPEGImages/1.jpg")
    (folder / "voc/Annotations/1.xml").write_text("<annotation/>")
    with pytest.raises(UserError, match="JPEGImages, Annotations, ImageSets: images with annotat"):
        drafted(folder, "voc")
    (folder / "set/images").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "set/images/1.jpg")
    with pytest.raises(UserError, match="holds images in one folder alone, 'images'"):
        drafted(folder, "set")


def test_a_folder_of_images_for_each_split_as_chartqa_has_it(folder):
    for split in ("train", "val"):
        (folder / f"{split}/png").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / f"{split}/png/7.png")
        rows = [{"imgname": "7.png", "query": "Q?", "label": "a"}]
        (folder / f"{split}/{split}_human.json").write_text(json.dumps(rows))
    found = drafted(folder, "train/train_human.json", "val/val_human.json")
    assert found["images"] == {"pattern": "{split}/png/{image}"}
    assert found["columns"]["image"] == "imgname"
    (folder / "val/png/7.png").rename(folder / "val/png/8.png")  # of other names
    assert drafted(folder, "train/train_human.json", "val/val_human.json")["images"] == {
        "root": "train/png"
    }


def test_a_folder_of_images_for_each_value_of_the_split_column(folder):
    for split in ("train", "dev"):
        (folder / f"jpg/{split}").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / f"jpg/{split}/7.png")
    (folder / "a.csv").write_text("image,caption,Split\n7.png,a,train\n7.png,b,dev\n")
    found = drafted(folder, "a.csv")
    assert found["images"] == {"pattern": "jpg/{Split}/{image}"}
    assert found["splits"] == {"train": ["train"], "val": ["dev"]}
