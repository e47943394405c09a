"""Outputs in a store, with one process and a store in memory."""

import fsspec
import pytest
import torch
from fsspec.implementations.memory import MemoryFile

from datagen.errors import OutputError, StoreError
from datagen.stores.store import StoreFiles
from trainer.errors import TrainingError
from trainer.launch.distributed import World, read_launch
from trainer.launch.stored_output import StoredOutput, fetched, stored_output

URL = "memory://bucket/run"


@pytest.fixture
def alone():
    return World(read_launch({}), torch.device("cpu"))


@pytest.fixture
def store():
    memory = fsspec.filesystem("memory").store
    memory.clear()
    yield memory
    memory.clear()


@pytest.fixture
def output(store, tmp_path):
    found = StoredOutput(URL, tmp_path)
    found.pull()
    return found


def write(output, name, text):
    path = output.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def names(store):
    return sorted(name.removeprefix("/bucket/run/") for name in store)


def texts(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".seen.json", "lock") and not path.is_symlink()
    }


def test_a_run_is_brought_and_fetched_on_another_host(output, store, tmp_path):
    write(output, "checkpoints/step-2/weights", "two")
    write(output, "checkpoints/step-2/state.json", "{}")
    write(output, "metrics.jsonl", "one\n")
    (output.folder / "checkpoints/best").symlink_to("step-2")
    output.push()
    assert names(store) == [
        "checkpoints/best.link",
        "checkpoints/step-2/state.json",
        "checkpoints/step-2/weights",
        "metrics.jsonl",
    ]
    other = StoredOutput(URL, tmp_path / "other")
    other.pull()
    assert texts(other.folder) == texts(output.folder)
    assert (other.folder / "checkpoints/best").resolve().name == "step-2"


def test_states_go_after_what_they_speak_of(output, monkeypatch):
    put = []
    create = StoreFiles.create
    monkeypatch.setattr(
        StoreFiles, "create", lambda self, path, **_: put.append(path) or create(self, path)
    )
    for name in (
        "checkpoints/step-2/state.json",
        "checkpoints/step-2/weights",
        "results.json",
        "samples_a.jsonl",
    ):
        write(output, name, "x")
    (output.folder / "checkpoints/best").symlink_to("step-2")
    output.push()
    order = [each.removeprefix(f"{URL}/") for each in put]
    assert order.index("checkpoints/step-2/weights") < order.index("checkpoints/step-2/state.json")
    assert order.index("samples_a.jsonl") < order.index("results.json")
    assert order[-1] == "checkpoints/best.link"


def test_only_what_changed_is_brought_and_what_is_gone_goes(output, store, monkeypatch):
    write(output, "a", "one")
    write(output, "b", "two")
    output.push()
    write(output, "b", "three")
    (output.folder / "a").unlink()
    put = []
    create = StoreFiles.create
    monkeypatch.setattr(
        StoreFiles, "create", lambda self, path, **_: put.append(path) or create(self, path)
    )
    output.push()
    assert put == [f"{URL}/b"] and names(store) == ["b"]
    output.push()
    assert len(put) == 1


def test_unfinished_files_and_locks_stay_here(output, store):
    for name in ("lock", "checkpoints/step-1.tmp/weights", "x.abcd.tmp"):
        write(output, name, "x")
    output.push()
    assert names(store) == []


def test_a_host_with_an_old_copy_gets_what_is_in_the_store(output, store, tmp_path):
    write(output, "a", "one")
    output.push()
    other = StoredOutput(URL, tmp_path / "other")
    other.pull()
    write(output, "a", "changed")
    write(output, "b", "new")
    output.push()
    write(other, "stray", "of a killed run")
    other.pull()
    assert texts(other.folder) == {"a": "changed", "b": "new"}


def test_an_output_is_held_while_it_is_written(alone, store, tmp_path, monkeypatch):
    monkeypatch.setattr("datagen.stores.lock.BEAT_SECONDS", 0.01)
    monkeypatch.setattr("datagen.stores.lock.POLL_SECONDS", 0.05)
    with stored_output(URL, alone, "run", tmp_path) as output:
        write(output, "a", "one")
        with (
            pytest.raises(TrainingError, match="another run writes to memory://bucket/run"),
            stored_output(URL, alone, "run", tmp_path / "other"),
        ):
            pass
    assert names(store) == ["a"]


def test_what_a_run_that_failed_wrote_is_there(alone, store, tmp_path):
    with pytest.raises(ZeroDivisionError), stored_output(URL, alone, "run", tmp_path) as output:
        write(output, "diverged-step-3.json", "{}")
        raise ZeroDivisionError
    assert names(store) == ["diverged-step-3.json"]


def test_a_store_that_cannot_be_used_is_refused_before_the_start(alone, tmp_path):
    with (
        pytest.raises(TrainingError, match="nowhere:// cannot be used"),
        stored_output("nowhere://b/run", alone, "run", tmp_path),
    ):
        pass


def test_local_outputs_are_left_alone(alone, tmp_path):
    with stored_output(str(tmp_path / "run"), alone, "run", tmp_path) as output:
        assert output is None
    assert fetched(str(tmp_path), alone, tmp_path) == tmp_path


def test_a_run_of_a_store_is_fetched_to_be_evaluated(alone, output, tmp_path):
    write(output, "config.yaml", "x")
    output.push()
    assert texts(fetched(URL, alone, tmp_path / "other")) == {"config.yaml": "x"}


def test_what_a_stopped_run_could_not_bring_is_brought_by_the_next(alone, store, tmp_path):
    with stored_output(URL, alone, "run", tmp_path) as output:
        write(output, "a", "one")
    write(output, "checkpoints/step-2/weights", "two")  # its process was killed here
    with stored_output(URL, alone, "run", tmp_path) as again:
        assert texts(again.folder)["checkpoints/step-2/weights"] == "two"
    assert names(store) == ["a", "checkpoints/step-2/weights"]


def test_what_was_left_gives_way_to_what_another_host_has_written_since(alone, store, tmp_path):
    with stored_output(URL, alone, "run", tmp_path) as output:
        write(output, "a", "one")
    write(output, "b", "left")
    with stored_output(URL, alone, "run", tmp_path / "other") as other:
        write(other, "a", "two")
    with stored_output(URL, alone, "run", tmp_path) as again:
        assert texts(again.folder) == {"a": "two"}


def test_an_output_that_is_not_held_any_more_is_not_written(alone, store, tmp_path):
    with (
        pytest.raises(OutputError, match="was lost"),
        stored_output(URL, alone, "run", tmp_path) as output,
    ):
        write(output, "a", "one")
        StoreFiles().remove([f"{URL}.lock"])
    assert names(store) == []


def test_a_push_that_fails_does_not_hide_why_a_run_failed(alone, store, tmp_path, monkeypatch):
    def fails(self, **_):
        raise StoreError("the store is down")

    with pytest.raises(ZeroDivisionError), stored_output(URL, alone, "run", tmp_path):
        monkeypatch.setattr(StoredOutput, "push", fails)
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("key", "text"), [("../../x", "evil"), ("a.link", "/etc"), ("a.link", "../../..")]
)
def test_names_and_links_that_lead_out_are_refused(alone, store, tmp_path, key, text):
    fsspec.filesystem("memory").store.clear()
    memory = fsspec.filesystem("memory")
    memory.store[f"/bucket/run/{key}"] = MemoryFile(memory, f"/bucket/run/{key}", text.encode())
    with pytest.raises(TrainingError, match="leads out of its folder"):
        fetched(URL, alone, tmp_path)


def test_a_run_is_not_fetched_into_the_folder_that_it_writes_to(alone, output, tmp_path):
    write(output, "a", "one")
    output.push()
    write(output, "b", "not brought yet")
    fetched(URL, alone, tmp_path)
    assert texts(output.folder) == {"a": "one", "b": "not brought yet"}
