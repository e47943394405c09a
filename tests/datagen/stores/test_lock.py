"""Locks in a store."""

import json
import subprocess
import sys

import pytest

from datagen.errors import OutputError
from datagen.stores import lock as module
from datagen.stores.lock import locked_object
from datagen.stores.store import StoreFiles

PATH = "memory://bucket/out.lock"


@pytest.fixture
def said():
    return []


@pytest.fixture
def hold(memory, said):
    return lambda: locked_object(PATH, "another build writes to out", said.append)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "ABANDONED_SECONDS", 0.1)


def put(holder):
    StoreFiles().create_new(PATH, json.dumps(holder).encode())


def test_a_lock_is_held_and_released(hold, said):
    with hold() as lease:
        assert StoreFiles().exists(PATH)
        lease.check()
    assert not StoreFiles().exists(PATH) and said == []


def test_a_lock_of_a_living_holder_is_refused(hold, quick):
    with hold(), pytest.raises(OutputError, match="another build writes to out: process"), hold():
        pass


def test_a_lock_that_does_not_change_any_more_is_taken_over(hold, quick, said):
    put({"id": "other", "host": "elsewhere", "boot": "x", "pid": 7, "started": "1", "beat": 4})
    with hold() as lease:
        lease.check()
    assert "looking for" in said[0] and "process 7 on elsewhere, is gone" in said[1]


def test_a_killed_holder_of_this_machine_is_seen_at_once(hold, said):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    put(module._this_process() | {"id": "other", "pid": child.pid, "started": "1"})
    with hold():
        pass
    assert len(said) == 1 and "is gone" in said[0]


def test_a_number_of_a_process_that_is_used_again_is_not_the_holder(hold, said):
    put(module._this_process() | {"id": "other", "started": "an earlier one"})
    with hold():
        pass
    assert "is gone" in said[0]


def test_a_holder_that_lost_its_lock_goes_no_further(hold, quick):
    with hold() as lease:
        StoreFiles().remove([PATH])
        put({"id": "other"})
        lease._thread.join(5)
        with pytest.raises(
            OutputError, match=r"was lost \(another process holds it\); nothing was published"
        ):
            lease.check()
    assert StoreFiles().exists(PATH)  # that of the other


def test_a_store_without_conditional_writes_is_used_with_a_warning(hold, quick, said, monkeypatch):
    def overwrite(self, path, data):
        with self.create(path) as file:
            file.write(data)
        return True

    monkeypatch.setattr(StoreFiles, "create_new", overwrite)
    with hold():
        pass
    assert "knows no conditional writes" in said[0]


def test_of_two_that_began_at_once_in_such_a_store_one_stops(hold, quick, monkeypatch):
    def overwritten(self, path, data):
        with self.create(path) as file:
            file.write(b'{"id": "other", "pid": 1, "host": "h"}')
        return True

    monkeypatch.setattr(StoreFiles, "create_new", overwritten)
    with pytest.raises(OutputError, match="process 1 on h began at the same time"), hold():
        pass


def test_of_two_that_take_over_one_lock_one_stops(hold, quick, monkeypatch):
    put({"id": "killed", "host": "elsewhere"})
    create = StoreFiles.create_new

    def create_and_lose(self, path, data):
        made = create(self, path, data)
        if made:
            monkeypatch.undo()
            monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
            self.remove([path])
            put({"id": "the other taker"})
        return made

    monkeypatch.setattr(StoreFiles, "create_new", create_and_lose)
    with (
        pytest.raises(OutputError, match="another process holds it, which took it over too"),
        hold(),
    ):
        pass


def test_a_lock_of_another_one_is_not_removed(hold):
    with hold() as lease:
        StoreFiles().remove([PATH])
        put({"id": "other"})
    assert StoreFiles().exists(PATH) and not lease._lost


def test_a_lock_is_looked_at_when_it_matters(hold):
    with hold() as lease:
        StoreFiles().remove([PATH])
        with pytest.raises(OutputError, match="it was removed"):
            lease.check()
