"""Errors of users: one sentence on stderr, exit status 2, no traceback."""

import hashlib
import json
import shutil

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from datagen.schema.manifest import Manifest, encode_manifest


def copied(folder, target):
    return shutil.copytree(folder, target)


def change_json(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def add_words(model):
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens([f"word{number}" for number in range(1000)])
    tokenizer.save_pretrained(model)


def first_shard(dataset):
    entry = manifest_of(dataset).split("vqav2", "train").shards[0]
    return dataset / entry.path


def manifest_of(dataset) -> Manifest:
    return msgspec.json.decode((dataset / "manifest.json").read_bytes(), type=Manifest)


@pytest.fixture
def own_dataset(dataset, tmp_path):
    return copied(dataset, tmp_path / "own")


@pytest.fixture
def own_model(tiny_t5, tmp_path):
    return copied(tiny_t5, tmp_path / "model")


@pytest.fixture
def refused(warm, setup):
    """Starts a run that has to be refused; returns its message."""

    def start(*overrides: str) -> str:
        ended = warm.run(setup, *overrides)
        assert ended.status == 2, ended.printed
        assert ended.printed.count("visinstruct: ") == 1, ended.printed
        assert "Traceback" not in ended.printed
        assert "step " not in ended.printed
        return ended.printed

    return start


def test_an_unknown_key_is_refused_with_the_nearest_one(refused):
    message = refused("optimizer.stps=3")
    assert "optimizer.stps: unknown key, did you mean 'steps'?" in message


def test_a_dataset_of_another_version_is_refused(refused, own_dataset):
    change_json(own_dataset / "manifest.json", lambda values: values.update(schema_version=99))
    message = refused(f"data.dataset={own_dataset}")
    assert "schema version 99, this visinstruct reads 1 and 2; build the dataset again" in message


def test_a_shard_of_another_size_than_the_manifest_says_is_refused(refused, own_dataset):
    shard = first_shard(own_dataset)
    with open(shard, "ab") as file:
        file.write(b"more")
    message = refused(f"data.dataset={own_dataset}")
    assert f"{shard} has {shard.stat().st_size} bytes, the manifest says" in message


def test_a_shard_that_changed_within_its_size_is_refused_where_hashes_are_verified(
    refused, own_dataset
):
    shard = first_shard(own_dataset)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    message = refused(f"data.dataset={own_dataset}", "data.verify=full")
    assert f"{shard} has sha256" in message


def test_a_language_tokenizer_with_more_words_than_embeddings_is_refused(refused, own_model):
    add_words(own_model)
    message = refused(f"model.init.path={own_model}")
    assert "the tokenizer of the language model knows" in message
    assert "but its model has embeddings for" in message


def test_weights_of_another_vocabulary_than_the_configuration_are_refused(refused, own_model):
    change_json(own_model / "config.json", lambda v: v["text_config"].update(vocab_size=50))
    message = refused(f"model.init.path={own_model}")
    assert "disagrees in shape (checkpoint, configuration) with language_model" in message


def test_weights_with_another_number_of_queries_than_the_configuration_are_refused(
    refused, own_model
):
    change_json(own_model / "config.json", lambda values: values.update(num_query_tokens=5))
    message = refused(f"model.init.path={own_model}")
    assert "query_tokens (1, 8, 32) (1, 5, 32)" in message


def test_images_of_another_size_than_the_model_sees_are_refused(refused):
    assert "set data.image_side=28" in refused("data.image_side=56")


@pytest.mark.parametrize(
    "workers", [0, pytest.param(1, marks=pytest.mark.slow)], ids="{} readers".format
)
def test_a_record_without_a_target_is_named(refused, own_dataset, workers):
    """Its row has no token to learn: a stored text that the build left out."""
    shard = first_shard(own_dataset)
    table = pq.read_table(shard)
    column = table.schema.get_field_index("target")
    hidden = pa.nulls(len(table), table.schema.field(column).type)
    pq.write_table(table.set_column(column, table.schema.field(column), hidden), shard)
    manifest = manifest_of(own_dataset)
    entry = msgspec.structs.replace(
        manifest.split("vqav2", "train").shards[0],
        num_bytes=shard.stat().st_size,
        sha256=hashlib.sha256(shard.read_bytes()).hexdigest(),
    )
    splits = dict(manifest.splits)
    split = msgspec.structs.replace(splits["vqav2"]["train"], shards=(entry,))
    splits["vqav2"] = {**splits["vqav2"], "train": split}
    changed = msgspec.structs.replace(manifest, splits=splits)
    (own_dataset / "manifest.json").write_bytes(encode_manifest(changed))
    message = refused(
        f"data.dataset={own_dataset}",
        "data.render=stored",
        "batch.global_size=64",
        f"data.workers={workers}",
    )
    assert "has no target to train on" in message
    assert "vqav2/train/" in message


def test_a_folder_that_cannot_be_written_is_refused(refused, tmp_path):
    (tmp_path / "file").write_text("")
    message = refused(f"output={tmp_path / 'file' / 'run'}")
    assert "cannot be written: Not a directory" in message


@pytest.mark.parametrize(
    "variables",
    [
        {"RANK": "x", "WORLD_SIZE": "2"},
        {"RANK": "2", "WORLD_SIZE": "2"},
    ],
    ids=["not a number", "too large"],
)
def test_impossible_variables_of_a_launcher_are_refused(warm, setup, variables):
    ended = warm.run(setup, **variables)
    assert ended.status == 2, ended.printed
    assert "Traceback" not in ended.printed
    assert ended.printed.startswith("visinstruct: ")


@pytest.mark.parametrize("error", ["key", "version", "shard", "tokenizer", "division"])
def test_two_processes_say_it_once(warm, setup, own_dataset, own_model, error):
    overrides = {
        "key": ["optimizer.stps=3"],
        "version": [f"data.dataset={own_dataset}"],
        "shard": [f"data.dataset={own_dataset}"],
        "tokenizer": [f"model.init.path={own_model}"],
        "division": ["batch.global_size=7"],
    }[error]
    if error == "version":
        change_json(own_dataset / "manifest.json", lambda values: values.update(schema_version=99))
    elif error == "shard":
        first_shard(own_dataset).write_bytes(b"PAR1")
    elif error == "tokenizer":
        add_words(own_model)
    ended = [process.end() for process in warm.start_all(setup, 2, *overrides)]
    assert [each.status for each in ended] == [2, 2], ended
    assert ended[0].printed.count("visinstruct: ") == 1, ended[0].printed
    assert "Traceback" not in ended[0].printed
    assert ended[1].printed == ""


@pytest.mark.slow
def test_deepspeeds_launcher_hands_the_sentence_and_the_status_on(setup, own_model):
    weights = load_file(own_model / "model.safetensors")
    weights["query_tokens"] = weights["query_tokens"][:, :5].contiguous()
    save_file(weights, own_model / "model.safetensors", {"format": "pt"})
    overrides = [f"model.init.path={own_model}"]
    ended = setup.run(*overrides, processes=2, launcher="deepspeed")
    assert ended.status == 2, ended.printed
    assert ended.printed.count("visinstruct: ") == 1, ended.printed
    assert "Traceback" not in ended.printed
