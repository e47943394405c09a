"""An engine that stands still, or whose worker died, ends the build and says why."""

import json
import re
import threading

import pytest

from datagen.build.staging import Staging
from datagen.errors import UserError
from datagen.files import LocalFiles
from pipelines.build.watch import EngineError, Look, Stall, death_message, watching

MINUTE = 60.0


def pulse(done, *parts):
    return json.dumps({"host": "far", "pid": 7, "parts": parts, "done": done}).encode()


def test_a_build_whose_parts_grow_does_not_stall():
    stall = Stall(MINUTE, 9)
    assert [stall.message(Look(n, {}), 50.0 * n) for n in range(9)] == [None] * 9


def test_a_worker_whose_pulse_changes_does_not_stall():
    stall = Stall(MINUTE, 9)
    for number in range(9):
        assert stall.message(Look(0, {"far": pulse(number)}), 50.0 * number) is None


def test_a_stall_names_the_parts_that_are_done_and_who_was_last_at_work():
    stall = Stall(2 * MINUTE, 1200)
    assert stall.message(Look(1000, {"old": b"of an earlier run"}), 0) is None
    seen = Look(1001, {"old": b"of an earlier run", "far": pulse(1, "range 3 of vqav2/val")})
    assert stall.message(seen, 10) is None
    assert stall.message(seen, 129) is None
    message = stall.message(seen, 131)
    assert message is not None
    assert message.startswith(
        "no progress for 2 minutes, 1,001 of 1,200 parts are done; last at work: "
        "process 7 on far in range 3 of vqav2/val. "
    )
    assert "start the same command again to resume (--stall-minutes allows more time)" in message


def test_a_stall_without_any_worker_says_so():
    stall = Stall(MINUTE, 9)
    stall.message(Look(0, {}), 0)
    assert "no worker is at work" in str(stall.message(Look(0, {}), 61))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "killed by signal 9; .* runs out: give less to --workers or --max-memory"),
        (137, "killed by signal 9;"),
        (-11, "killed by signal 11;[^:]*: start the same command again to resume$"),
        (1, "ended with status 1;"),
        (None, "connection to a worker process was lost;"),
    ],
)
def test_a_death_is_told_by_its_signal_or_status(code, words):
    assert re.search(words, death_message(code))


def test_what_stands_still_is_interrupted(tmp_path):
    with (
        pytest.raises(EngineError, match=r"no progress for .* minutes, 0 of 3 parts are done"),
        watching(Staging(str(tmp_path)), LocalFiles(), 0.5, 3),
    ):
        threading.Event().wait(60)


def raise_in_thread(error):
    def target():
        raise error

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()


def test_a_dead_process_ends_an_engine_that_does_not_notice(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.build.watch.GRACE_SECONDS", 0.5)
    with (
        pytest.raises(EngineError, match="a worker process was killed by signal 9"),
        watching(Staging(str(tmp_path)), LocalFiles(), MINUTE, 3),
    ):
        raise_in_thread(RuntimeError("Worker subprocess exited with return code -9"))
        threading.Event().wait(60)


def test_a_lost_channel_is_explained_by_the_process_that_died(tmp_path):
    with (
        pytest.raises(EngineError, match="a worker process ended with status 3"),
        watching(Staging(str(tmp_path)), LocalFiles(), MINUTE, 3),
    ):
        raise_in_thread(RuntimeError("Worker subprocess exited with return code 3"))
        raise RuntimeError("Channel closed prematurely.")


def test_other_errors_and_other_threads_are_left_alone(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    with (
        pytest.raises(UserError, match=r"^ours$"),
        watching(Staging(str(tmp_path)), LocalFiles(), MINUTE, 3),
    ):
        raise_in_thread(KeyError("of another library"))
        raise UserError("ours")
    assert [each.exc_type for each in seen] == [KeyError]


def test_in_another_thread_nothing_is_watched(tmp_path):
    ended = []

    def work():
        with watching(Staging(str(tmp_path)), LocalFiles(), 1e-3, 3):
            ended.append(threading.active_count())

    before = threading.active_count() + 1
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [before]


def test_dask_says_how_many_workers_are_left(tmp_path):
    class Client:
        def scheduler_info(self):
            return {"workers": {}}

    class Result:
        client = Client()

    with (
        pytest.raises(EngineError, match=r"^0 workers are connected to the Dask scheduler; no pr"),
        watching(Staging(str(tmp_path)), LocalFiles(), 0.5, 3) as watch,
    ):
        watch.follow(Result())
        threading.Event().wait(60)


def test_a_disk_that_does_not_answer_is_a_stall(tmp_path):
    class Broken(LocalFiles):
        def match(self, pattern):
            raise OSError("stale file handle")

    with (
        pytest.raises(EngineError, match="no progress for"),
        watching(Staging(str(tmp_path)), Broken(), 0.5, 3),
    ):
        threading.Event().wait(60)
