import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.cli.main import COMMANDS, main
from trainer.data.explain import explain
from trainer.data.stream import Stream

Open = Callable[..., Stream]


def test_what_is_explained_is_what_training_sees(embedded: Path, open_stream: Open) -> None:
    stream = open_stream(embedded)
    found = explain(stream, 33)
    trained = stream.sample(33)
    assert found.sample.place == trained.place and found.sample.instruction == trained.instruction
    assert found.record.record_id == trained.record_id and found.images_decoded
    assert found.part == stream.mixture[trained.place.source]
    assert [path for path, _ in found.images] == [i.path for i in found.record.images]
    assert {file for _, file in found.images} == {None}


def test_no_file_is_named_for_an_image_that_the_record_holds(
    damaged: Path, scenes: Path, open_stream: Open, roots
) -> None:
    manifest = damaged / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"images": "embed"', '"images": "reference"', 1)
    )
    found = explain(open_stream(damaged, image_roots=roots(scenes)), 33)
    assert found.images and {file for _, file in found.images} == {None}


def test_a_replaced_sample_is_explained_with_what_it_stands_in_for(
    scenes_copy: Path, referenced: Path, open_stream: Open, roots
) -> None:
    stream = open_stream(referenced, image_roots=roots(scenes_copy))
    path = stream.record(stream.order.place(5)).images[0].path
    (scenes_copy / "images" / path).unlink()
    found = explain(stream, 5)
    assert found.sample.replaced[0].reason == f"{path} is not there"
    assert found.record.record_id == found.sample.record_id
    assert explain(stream, 5, decode_images=False).sample.replaced == ()


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setitem(COMMANDS, "explain", COMMANDS.get("explain", "what sample k of a run is"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))

    def command(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["explain", *map(str, arguments)])
        return status, *capsys.readouterr()

    return command


def test_the_command_says_where_a_sample_comes_from(
    embedded: Path, open_stream: Open, command
) -> None:
    sample = open_stream(embedded, seed=2).sample(123)
    status, out, _ = command(embedded, "--sample", 123, "--seed", 2, "--json")
    facts = json.loads(out)
    assert status == 0 and facts["k"] == 123 and facts["replaced"] == []
    assert (facts["record_id"], facts["target"]) == (sample.record_id, sample.target)
    assert 0 < facts["probability"] < 1 and facts["images_decoded"]
    status, out, _ = command(embedded, "--sample", 123, "--seed", 2)
    assert (
        status == 0
        and sample.record_id in out
        and sample.target.split(".")[0] in " ".join(out.split())
    )


def test_the_command_takes_the_yaml_of_a_run(embedded: Path, open_stream: Open, command) -> None:
    config = Path(__file__).parents[3] / "configs" / "nano_cpu.yaml"
    status, out, err = command(
        config, f"data.dataset={embedded}", "seed=3", "--sample", 9, "--json"
    )
    assert status == 0, err
    facts, sample = json.loads(out), open_stream(embedded, seed=3).sample(9)
    assert (facts["record_id"], facts["instruction"]) == (sample.record_id, sample.instruction)


def test_the_command_names_image_files(scenes: Path, referenced: Path, command) -> None:
    status, out, _ = command(
        referenced, "--sample", 0, "--json", "--image-root", f"*={scenes}/images"
    )
    (image,) = json.loads(out)["images"]
    assert status == 0 and Path(image["file"]).is_file()
    status, out, _ = command(referenced, "--sample", 0)
    assert status == 0 and "its images were not read (see --image-root)" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sample", "-1"), "--sample -1: a sample's number is 0 or more"),
        (("--sample", "1", "--image-root", "coco"), "'coco' is not COLLECTION=DIR"),
        (
            ("data.image_side=32", "--sample", "1"),
            "KEY=VALUE changes the YAML of a run, and a dataset is given",
        ),
    ],
)
def test_wrong_arguments_are_refused(
    embedded: Path, command, arguments: tuple[str, ...], message: str
) -> None:
    status, _, err = command(embedded, *arguments)
    assert status == 2 and message in err


def test_the_old_name_of_the_option_works_and_warns(embedded: Path, command) -> None:
    status, out, err = command(embedded, "--draw", 123, "--json")
    assert status == 0 and json.loads(out)["k"] == 123
    assert "--draw is deprecated and will be removed in the next release; use --sample" in err
