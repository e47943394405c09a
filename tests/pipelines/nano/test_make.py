"""The nano model is made from nothing, twice alike, in the layout that the trainer loads."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from datagen.errors import OutputError
from pipelines.nano.architecture import Shape
from pipelines.nano.language import LanguagePlan
from pipelines.nano.make import Plan, make_nano
from pipelines.nano.optimize import Recipe
from trainer.model.starts.nano.files import FILES, check_files, recorded_hashes

SHORT = Recipe(steps=2, batch=4, learning_rate=1e-3)
PLAN = Plan(
    shape=Shape(vision_layers=1, qformer_layers=1, language_layers=1, num_queries=3),
    language=LanguagePlan(drills=SHORT, lessons=SHORT, instructions=SHORT),
    vision=SHORT,
    captioning=SHORT,
    num_images=8,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nano") / "made"
    lines = []
    hashes = make_nano(folder, PLAN, lines.append)
    return folder, hashes, lines


def test_all_files_are_there_with_the_recorded_hashes(made):
    folder, hashes, lines = made
    assert {path.name for path in folder.iterdir()} == {*FILES, "nano.json"}
    check_files(folder)
    assert recorded_hashes(folder) == hashes
    assert any("captioning: step 2 of 2" in line for line in lines)


def test_a_second_run_gives_the_same_bytes_and_another_seed_others(made, tmp_path):
    _, hashes, _ = made
    assert make_nano(tmp_path / "again", PLAN, lambda line: None) == hashes
    other = make_nano(tmp_path / "other", replace(PLAN, seed=1), lambda line: None)
    assert not {other[name] for name in FILES if "safetensors" in name} & set(hashes.values())


def test_the_record_says_how_it_was_made(made):
    folder, _, _ = made
    record = json.loads((folder / "nano.json").read_text())
    assert record["plan"]["vision"]["steps"] == 2
    assert set(record["losses"]) == {"drills", "lessons", "instructions", "vision", "captioning"}
    assert record["parameters"]["language_model"] > 0


def test_frozen_and_trained_weights_are_told_apart(made):
    folder, _, _ = made
    frozen = load_file(folder / "frozen.safetensors")
    trained = load_file(folder / "stage2.safetensors")
    assert {name.split(".")[0] for name in frozen} == {"language_model", "vision_model"}
    assert {name.split(".")[0] for name in trained} == {
        "query_tokens",
        "qformer",
        "language_projection",
    }
    assert {tensor.dtype for tensor in [*frozen.values(), *trained.values()]} == {torch.float16}


def test_the_trainer_loads_what_was_made(made):
    from trainer.config.model import ModelOptions
    from trainer.model.starts.build import build_model

    folder, _, _ = made
    options = ModelOptions.model_validate({"init": {"from": "nano", "path": folder}})
    model = build_model(options, seed=0)
    frozen = load_file(folder / "frozen.safetensors")
    state = model.hf.state_dict()
    assert all(torch.equal(state[name], tensor.float()) for name, tensor in frozen.items())
    assert model.hf.query_tokens.shape[1] == 3


def test_a_folder_with_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(OutputError, match="is not an empty folder"):
        make_nano(tmp_path, PLAN, lambda line: None)
