"""`visinstruct build --source`: own data beside the 26, with the same guarantees."""

import json
import shutil

import pytest
from PIL import Image

from datagen.dataset import open_dataset

PUMPS = """
name: pumps
title: Pump inspections
task: vqa
files: pumps.csv
format: {delimiter: ";"}
images: {root: photos}
columns: {image: Image, question: Question, answers: Answer, id: Id, split: Split}
splits: {train: [train], val: [dev]}
max_missing_images: 1
licence: CC-BY-4.0
"""
ROWS = [
    ("a.png", "What leaks?", "the valve", "1", "train"),
    ("b.png", "How wide is the gap?", "1,50", "2", "train"),
    ("a.png", "What is the number?", "007", "3", "train"),
    ("a.png", "Again?", "yes", "3", "train"),
    ("lost.png", "Where is it?", "here", "4", "train"),
    ("b.png", "", "blank", "5", "train"),
    ("c.png", "Is it shut?", "yes", "6", "dev"),
]


@pytest.fixture
def pumps(tmp_path):
    folder = tmp_path / "pumps"
    (folder / "photos").mkdir(parents=True)
    for number, name in enumerate("abc"):
        Image.new("RGB", (40, 30), (60 * number, 90, 20)).save(folder / f"photos/{name}.png")
    lines = [";".join(row) for row in [("Image", "Question", "Answer", "Id", "Split"), *ROWS]]
    (folder / "pumps.csv").write_text("\n".join(lines) + "\n")
    (folder / "pumps.yaml").write_text(PUMPS)
    return folder / "pumps.yaml"


LENIENT = ("--max-reject-fraction", "1")


def test_own_data_are_built_without_a_raw_folder(pumps, tmp_path, run, records_of):
    out = tmp_path / "out"
    ended = run("build", "--source", pumps, "--out", out, *LENIENT)
    assert ended.status == 0, ended.err
    manifest = open_dataset(str(out)).manifest
    train, val = manifest.splits["pumps"]["train"], manifest.splits["pumps"]["val"]
    assert (train.read, train.written, val.written) == (6, 3, 1)
    assert train.rejected == {"duplicate_id": 1, "empty_text": 1, "media_missing": 1}
    assert train.read == train.written + sum(train.rejected.values())
    assert manifest.mixture.keys() == {"pumps"}
    assert manifest.options["declared"][0]["name"] == "pumps"
    records = {record.record_id: record for record in records_of(out, "pumps", "train")}
    record = records["pumps/train/2"]
    assert (record.question, record.target) == ("How wide is the gap?", "1,50")
    assert "How wide is the gap?" in record.instruction
    assert record.images[0].path == "pumps/b.png"
    assert record.tags["origin_file"] == "pumps.csv"
    assert (record.tags["origin_row"], record.tags["origin_line"]) == ("2", "3")
    (evaluated,) = records_of(out, "pumps", "val")
    assert evaluated.template_id == "protocol/pumps"
    assert evaluated.instruction == "Question: Is it shut? Short answer: "


def test_rejections_name_the_owners_file_and_line(pumps, tmp_path, run):
    out = tmp_path / "out"
    assert run("build", "--source", pumps, "--out", out, *LENIENT).status == 0
    lines = (out / "rejected/pumps.jsonl").read_text().splitlines()
    found = {each["reason"]: each for each in map(json.loads, lines)}
    assert found["media_missing"]["file"] == "pumps.csv"
    assert found["media_missing"]["line"] == 6
    assert "lost.png" in found["media_missing"]["message"]
    assert found["empty_text"]["content"] == "b.png;;blank;5;train"
    assert found["duplicate_id"]["line"] == 5


def test_own_data_stand_beside_the_published(pumps, raw, tmp_path, run, digests):
    alone, both = tmp_path / "alone", tmp_path / "both"
    published = ("--raw", raw, "--sources", "vqav2")
    assert run("build", *published, "--out", alone).status == 0
    assert run("build", *published, "--source", pumps, "--out", both, *LENIENT).status == 0
    manifest = open_dataset(str(both)).manifest
    assert manifest.splits.keys() == {"vqav2", "pumps"}
    shards = {name: sha for name, sha in digests(alone).items() if name.startswith("data/")}
    assert shards.items() <= digests(both).items()


def test_two_builds_are_equal_and_a_second_has_nothing_to_do(pumps, tmp_path, run, digests):
    one, other = tmp_path / "one", tmp_path / "other"
    assert run("build", "--source", pumps, "--out", one, *LENIENT).status == 0
    moved = tmp_path / "moved"
    shutil.copytree(pumps.parent, moved)
    assert run("build", "--source", moved / "pumps.yaml", "--out", other, *LENIENT).status == 0
    assert digests(one) == digests(other)
    again = run("build", "--source", pumps, "--out", one, *LENIENT)
    assert "is built already" in again.err


def test_images_without_a_file_are_embedded_whatever_the_mode(tmp_path, run, records_of):
    import base64
    import io

    folder = tmp_path / "cells"
    folder.mkdir()
    rows = []
    for number in range(3):
        encoded = io.BytesIO()
        Image.new("RGB", (20, 20), (80 * number, 0, 0)).save(encoded, "PNG")
        text = base64.b64encode(encoded.getvalue()).decode()
        rows.append({"image": text, "caption": f"square {number}"})
    (folder / "cells.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "cells.yaml").write_text(
        "name: cells\ntask: caption\nfiles: cells.jsonl\ncolumns: {image: image, caption: caption}\n"
    )
    out = tmp_path / "out"
    assert run("build", "--source", folder / "cells.yaml", "--out", out).status == 0
    records = records_of(out, "cells", "train")
    assert len(records) == 3
    for record in records:
        (image,) = record.images
        assert Image.open(io.BytesIO(image.bytes)).size == (20, 20)
        assert "@" not in image.path


def test_an_id_of_the_26_and_a_source_twice_are_refused(pumps, tmp_path, refused):
    twice = refused("build", "--source", pumps, "--source", pumps, "--out", tmp_path / "out")
    assert "two sources are named 'pumps'" in twice
    pumps.write_text(PUMPS.replace("name: pumps", "name: vqav2"))
    assert "vqav2" in refused("build", "--source", pumps, "--out", tmp_path / "out")


def test_nothing_to_build_from_is_refused(tmp_path, refused):
    assert "give --raw DIR, --source FILE or --from hub" in refused(
        "build", "--out", tmp_path / "out"
    )
    message = refused(
        "build", "--sources", "vqav2", "--out", tmp_path / "out", "--source", "x.yaml"
    )
    assert "needs --raw DIR" in message or "no such source file" in message


def test_folders_that_are_read_as_one_file_are_built_and_watched(tmp_path, run, records_of):
    for name in ("train/ok/1", "train/rust/2", "val/ok/3"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (40 * int(path.stem), 90, 20)).save(path)
    file = tmp_path / "defects.yaml"
    file.write_text(
        "name: defects\ntask: classification\nfiles: {train: train, val: val}\n"
        "format: {type: class_folders}\ncolumns: {image: image, label: label}\nquestion: Which defect?\n"
    )
    out = tmp_path / "out"
    ended = run("build", "--source", file, "--out", out)
    assert ended.status == 0, ended.err
    records = list(records_of(out, "defects", "train"))
    assert sorted(record.target for record in records) == ["ok", "rust"]
    assert all("Which defect?" in record.instruction for record in records)
    assert "nothing to do" in run("build", "--source", file, "--out", out).err


def test_a_rejected_row_counts_in_the_split_that_it_names(tmp_path, run):
    Image.new("RGB", (8, 6), "red").save(tmp_path / "a.png")
    (tmp_path / "train.csv").write_text("image,caption\na.png,one\n")
    (tmp_path / "valid.csv").write_text("image,caption\na.png,two\na.png,\n")
    (tmp_path / "all.csv").write_text(
        "image,caption,set\na.png,one,train\na.png,,dev\na.png,x,dev\n"
    )
    common = "task: caption\nsplits: {train: train, val: [validation, dev]}\n"
    (tmp_path / "own.yaml").write_text(
        f"name: files\nfiles: {{train: train.csv, validation: valid.csv}}\n{common}"
        "columns: {image: image, caption: caption}\n---\n"
        f"name: columns\nfiles: all.csv\n{common}"
        "columns: {image: image, caption: caption, split: set}\n"
    )
    out = tmp_path / "out"
    ended = run("build", "--source", tmp_path / "own.yaml", "--out", out, *LENIENT)
    assert ended.status == 0, ended.err
    for splits in open_dataset(str(out)).manifest.splits.values():
        assert {name: (each.written, each.rejected) for name, each in splits.items()} == {
            "train": (1, {}),
            "val": (1, {"empty_text": 1}),
        }


def test_weights_and_training_splits_of_a_source_file_are_those_of_the_mixture(
    pumps, tmp_path, run
):
    text = PUMPS.replace("train: [train], val: [dev]", "study: [train], exam: [dev]")
    pumps.write_text(text + "use: {study: train}\nweight: 0.5\n")
    out = tmp_path / "out"
    ended = run("build", "--source", pumps, "--out", out, *LENIENT)
    assert ended.status == 0, ended.err
    manifest = open_dataset(str(out)).manifest
    assert manifest.mixture["pumps"].factor == 0.5
    assert manifest.mixture["pumps"].size == 3
    assert manifest.sources["pumps"].use == {"study": "train", "exam": "evaluate"}
    shown = run("mixture", out, "--set", "factors.pumps=2", "--json")
    assert json.loads(shown.out)["pumps"]["factor"] == 2


@pytest.mark.slow  # starts two workers
def test_workers_need_no_source_file_and_give_the_same_bytes(pumps, tmp_path, run, digests):
    one, two = tmp_path / "one", tmp_path / "two"
    assert run("build", "--source", pumps, "--out", one, *LENIENT).status == 0
    ended = run("build", "--source", pumps, "--out", two, "--workers", 2, *LENIENT)
    assert ended.status == 0, ended.err
    assert digests(one) == digests(two)


def test_a_build_that_was_stopped_keeps_the_normal_rows_of_files_that_did_not_change(
    pumps, tmp_path, run, monkeypatch
):
    from datagen.build import declared

    stopped = tmp_path / "out"
    monkeypatch.setattr("pipelines.build.run.execute", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("build", "--source", pumps, "--out", stopped, *LENIENT)
    monkeypatch.undo()
    made = []
    normalise = declared.normalise
    monkeypatch.setattr(
        declared, "normalise", lambda *arguments: made.append(1) or normalise(*arguments)
    )
    assert run("build", "--source", pumps, "--out", stopped, *LENIENT).status == 0
    assert not made


def labelled(folder, name, labels):
    """A source of a few classified images."""
    (folder / f"photos_{name}").mkdir(parents=True)
    rows = ["image,label"]
    for number, label in enumerate(labels):
        Image.new("RGB", (40, 30), (40 * number, 9, 20)).save(
            folder / f"photos_{name}/{number}.png"
        )
        rows.append(f"{number}.png,{label}")
    (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    (folder / f"{name}.yaml").write_text(
        f"name: {name}\ntask: classification\nfiles: {name}.csv\nimages: {{root: photos_{name}}}\n"
        "columns: {image: image, label: label}\n"
    )
    return folder / f"{name}.yaml"


def test_an_own_source_more_makes_only_that_source(pumps, tmp_path, run, digests, monkeypatch):
    from datagen.build import declared

    rust = labelled(tmp_path / "rust", "rust", ["rust", "clean", "rust"])
    cracks = labelled(tmp_path / "cracks", "cracks", ["crack", "none"])
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    assert run("build", "--source", pumps, "--source", rust, "--out", out, *LENIENT).status == 0
    made = []
    normalise = declared.normalise

    def note(definition, *arguments):
        made.append(definition.name)
        return normalise(definition, *arguments)

    monkeypatch.setattr(declared, "normalise", note)
    after = ("--source", cracks, "--source", rust, *LENIENT)
    ended = run("build", *after, "--out", out)
    assert ended.status == 0, ended.err
    assert made == ["cracks"]
    assert "cracks/train is built: new" in ended.err
    assert "pumps/train, val is removed: not among the sources" in ended.err
    assert run("build", *after, "--out", fresh).status == 0
    assert digests(out) == digests(fresh)
    assert (out / "candidates/rust.parquet").is_file()
    assert "is built already" in run("build", *after, "--out", out).err


def test_a_definition_or_file_that_changed_makes_its_source_again(pumps, tmp_path, run, digests):
    rust = labelled(tmp_path / "rust", "rust", ["rust", "clean", "rust"])
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    command = ("build", "--source", pumps, "--source", rust, *LENIENT, "--out")
    assert run(*command, out).status == 0
    pumps.write_text(
        PUMPS.replace("title: Pump inspections", "templates: [vqa.short_answer, vqa.bare]")
    )
    ended = run(*command, out)
    assert (
        "pumps/train, val is built again: its definition changed, its templates changed"
        in ended.err
    )
    assert "rust/" not in ended.err
    with (tmp_path / "rust/rust.csv").open("a") as file:
        file.write("0.png,dust\n")
    assert "rust/train is built again: rust.csv changed" in run(*command, out).err
    assert run(*command, fresh).status == 0
    assert digests(out) == digests(fresh)


def test_own_data_are_rendered_with_the_templates_that_their_file_names(
    pumps, tmp_path, run, records_of
):
    pumps.write_text(PUMPS + "templates: vqa.short_answer\n")
    out = tmp_path / "out"
    assert run("build", "--source", pumps, "--out", out, *LENIENT).status == 0
    styles = {r.template_id.rpartition(".")[0] for r in records_of(out, "pumps", "train")}
    assert styles == {"vqa.short_answer"}
    assert open_dataset(str(out)).manifest.sources["pumps"].templates == ("vqa.short_answer",)
    pumps.write_text(PUMPS + "templates: vqa.short_anser\n")
    message = run("build", "--source", pumps, "--out", tmp_path / "other", *LENIENT).message
    assert "did you mean 'vqa.short_answer'" in message


def test_a_source_that_is_called_like_a_collection_of_the_26_is_refused_beside_them(
    pumps, raw, tmp_path, refused
):
    pumps.write_text(PUMPS.replace("name: pumps", "name: coco"))
    message = refused("build", "--raw", raw, "--source", pumps, "--out", tmp_path / "out")
    assert "source 'coco' calls its images 'coco', which is a collection in" in message


def test_a_build_says_how_many_rows_look_odd(pumps, tmp_path, run):
    rows = (pumps.parent / "pumps.csv").read_text()
    (pumps.parent / "pumps.csv").write_text(rows + "a.png;Is it?;N/A;7;train\n")
    ended = run("build", "--source", pumps, "--out", tmp_path / "out", *LENIENT)
    assert "pumps: rows to look at: 1 suspicious_answer; `visinstruct source check`" in ended.err
