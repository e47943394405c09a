"""The sign of life of a worker."""

import io
import json
import queue
import threading
from contextlib import contextmanager

import pytest

from datagen.build.staging import Staging
from datagen.files import LocalFiles
from pipelines.build.pulse import Pulse, pulse_of, read_pulses, worker_of


class Caught:
    """Files that keep what is written."""

    def __init__(self):
        self.written = queue.Queue()

    @contextmanager
    def create(self, path, *, durable=True):
        file = io.BytesIO()
        yield file
        self.written.put((path, json.loads(file.getvalue())))


@pytest.fixture
def caught():
    return Caught()


@pytest.fixture
def pulse(caught):
    return Pulse(Staging("/staging"), caught, 0.005)


def test_a_worker_says_who_and_where_it_is(pulse, caught):
    with pulse.working("range 3 of vqav2/val"):
        path, state = caught.written.get(timeout=60)
    assert path == f"/staging/pulse/{state['host']}-{state['pid']}.json"
    assert str(worker_of(json.dumps(state).encode())) == (
        f"process {state['pid']} on {state['host']} in range 3 of vqav2/val"
    )


def test_a_part_that_hangs_leaves_the_file_as_it_is(pulse, caught):
    with pulse.working("range 3"):
        _, first = caught.written.get(timeout=60)
        _, second = caught.written.get(timeout=60)
    assert first == second


def test_a_part_that_works_changes_the_file(pulse, caught):
    with pulse.working("range 3"):
        _, first = caught.written.get(timeout=60)
        while caught.written.empty() or caught.written.get()[1] == first:
            sum(range(10_000))
    with pulse.working("range 4"):
        while (state := caught.written.get(timeout=60)[1])["parts"] != ["range 4"]:
            continue
    assert state["done"] == first["done"] + 1


def test_nothing_is_written_between_parts(pulse, caught):
    with pulse.working("range 3"):
        caught.written.get(timeout=60)
        thread = pulse._thread
    written = caught.written.qsize()
    thread.join(60)
    assert not thread.is_alive()
    assert caught.written.qsize() == written


def test_the_threads_of_a_process_share_one_file(pulse, caught):
    with pulse.working("range 3"):
        ended = threading.Event()

        def work():
            with pulse.working("range 4"):
                ended.wait(60)

        other = threading.Thread(target=work)
        other.start()
        while sorted(caught.written.get(timeout=60)[1]["parts"]) != ["range 3", "range 4"]:
            continue
        ended.set()
        other.join()


def test_a_disk_that_is_full_is_left_to_the_part_itself(caught):
    tried = queue.Queue()

    class Full:
        def create(self, path, *, durable=True):
            tried.put(path)
            raise OSError(28, "No space left on device")

    pulse = Pulse(Staging("/staging"), Full(), 0.005)
    with pulse.working("range 3"):
        tried.get(timeout=60)
        tried.get(timeout=60)


def test_a_process_has_one_pulse_for_each_build(tmp_path):
    one, two = Staging(str(tmp_path / "one")), Staging(str(tmp_path / "two"))
    files = LocalFiles()
    assert pulse_of(one, files, 600) is pulse_of(one, LocalFiles(), 600)
    assert pulse_of(one, files, 600) is not pulse_of(two, files, 600)
    assert pulse_of(one, files, 600).beat_seconds == 15
    assert pulse_of(one, files, 8).beat_seconds == 2


def test_the_files_of_all_workers_are_read(tmp_path):
    staging, files = Staging(str(tmp_path)), LocalFiles()
    assert read_pulses(staging, files) == {}
    for name in ("a.json", "b.json"):
        with files.create(staging.pulse(name)) as file:
            file.write(name.encode())
    assert [*read_pulses(staging, files).values()] == [b"a.json", b"b.json"]
