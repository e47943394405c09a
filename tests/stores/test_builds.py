"""Builds in buckets of real servers: the bytes of a local build, whatever happens in between."""

import hashlib
import signal
import subprocess
import sys
import time

import fsspec
import pytest

from datagen.stores.connect import disconnect
from datagen.stores.store import StoreFiles
from pipelines.cli.main import main

pytestmark = pytest.mark.slow

SOURCES = "vqav2,msvd_qa"
NOT_COMPARED = ("report.json", "media_states.parquet")


def build_arguments(url, out="out"):
    return [
        "build",
        "--raw",
        f"{url}/raw",
        "--out",
        f"{url}/{out}",
        "--sources",
        SOURCES,
        "--images",
        "embed",
    ]


def start(url, out="out", *options):
    command = [sys.executable, "-m", "pipelines.cli", *build_arguments(url, out), *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="session")
def expected(raw, tmp_path_factory):
    """The digests of a local build."""
    out = tmp_path_factory.mktemp("local") / "out"
    assert (
        main(
            [
                "build",
                "--raw",
                str(raw),
                "--out",
                str(out),
                "--sources",
                SOURCES,
                "--images",
                "embed",
            ]
        )
        == 0
    )
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file() and path.name not in NOT_COMPARED
    }


def digests(url):
    files = StoreFiles()
    return {
        path[len(url) + 1 :]: hashlib.sha256(files.read(path)).hexdigest()
        for path in files.below(url)
        if not path.endswith(NOT_COMPARED)
    }


def left_over(url):
    """Return what is in the bucket beside the raw files and the output."""
    return [
        path
        for path in StoreFiles().below(url)
        if not path.startswith((f"{url}/raw/", f"{url}/out/"))
    ]


def test_a_build_in_a_bucket_has_the_bytes_of_a_local_one(bucket, expected, capsys):
    assert main(build_arguments(bucket)) == 0
    assert digests(f"{bucket}/out") == expected and left_over(bucket) == []
    capsys.readouterr()
    assert main(build_arguments(bucket)) == 0
    assert "is built already" in capsys.readouterr().err
    assert main(["show", f"{bucket}/out", "--rows", "1"]) == 0
    assert main(["mixture", f"{bucket}/out"]) == 0
    assert main(["explain", f"{bucket}/out", "--sample", "3"]) == 0


def test_a_server_without_conditional_writes_serves_too(
    rclone, to, raw, upload, expected, capsys, monkeypatch
):
    monkeypatch.setattr("datagen.stores.lock.POLL_SECONDS", 0.1)
    to(rclone.url)
    upload(raw, "s3://data/raw")
    assert main(build_arguments("s3://data")) == 0
    assert "knows no conditional writes" in capsys.readouterr().err
    assert digests("s3://data/out") == expected and left_over("s3://data") == []


def test_a_build_that_is_killed_at_ten_moments_resumes_to_the_same_bytes(
    proxy, bucket, monkeypatch
):
    monkeypatch.setattr("datagen.stores.lock.POLL_SECONDS", 0.1)
    few = ("--sources", "msvd_qa", "--splits", "val")

    def kill(number, handler):
        if number == at and running.poll() is None:
            running.kill()
        return False

    assert main([*build_arguments(bucket, "whole"), *few]) == 0
    expected, total = digests(f"{bucket}/whole"), proxy.number
    killed = 0
    for tenth in range(10):
        proxy.number, at = 0, total * (2 * tenth + 1) // 20
        running = start(bucket, "out", *few)
        proxy.meddle = kill
        running.communicate()
        killed += running.returncode == -signal.SIGKILL
        assert main([*build_arguments(bucket), *few]) == 0
        assert digests(f"{bucket}/out") == expected, tenth
        assert [path for path in left_over(bucket) if "/whole/" not in path] == []
        files = StoreFiles()
        files.remove(files.below(f"{bucket}/out"))
    assert killed >= 9


def test_of_two_builds_at_once_one_is_refused(bucket, expected, monkeypatch):
    builds = [start(bucket), start(bucket)]
    ends = [(each.communicate(timeout=300)[1], each.returncode) for each in builds]
    assert sorted(status for _, status in ends) in ([0, 0], [0, 2])
    for message, status in ends:
        if status:
            assert f"another build writes to {bucket}/out" in message
    assert digests(f"{bucket}/out") == expected and left_over(bucket) == []


def test_a_server_that_is_busy_one_time_in_ten_changes_nothing(
    proxy, bucket, expected, monkeypatch
):
    monkeypatch.setattr("datagen.stores.connect.ATTEMPTS", 1)
    disconnect()
    proxy.meddle = lambda number, handler: number % 10 == 3 and handler.answer(503, "SlowDown")
    assert main(build_arguments(bucket)) == 0
    assert digests(f"{bucket}/out") == expected and left_over(bucket) == []


def test_a_server_that_stalls_is_asked_again(proxy, bucket, expected, monkeypatch):
    monkeypatch.setattr("datagen.stores.connect.READ_SECONDS", 1)

    def stall(number, handler):
        if number in (30, 90):
            time.sleep(2.5)
            handler.close_connection = True
            return True
        return False

    proxy.meddle = stall
    assert main(build_arguments(bucket)) == 0
    assert digests(f"{bucket}/out") == expected


def test_a_server_that_goes_down_ends_the_build_with_the_reason(
    proxy, bucket, expected, monkeypatch, capsys
):
    monkeypatch.setenv("VISINSTRUCT_STORE_PATIENCE", "1")
    monkeypatch.setattr("datagen.stores.connect.ATTEMPTS", 1)
    disconnect()

    def down(number, handler):
        if number > 150:
            handler.close_connection = True
            return True
        return False

    proxy.meddle = down
    assert main(build_arguments(bucket)) == 2
    message = capsys.readouterr().err
    assert "the store does not answer" in message and "AWS_ENDPOINT_URL" in message
    proxy.meddle = lambda number, handler: False
    assert main(build_arguments(bucket)) == 0
    assert digests(f"{bucket}/out") == expected and left_over(bucket) == []


def test_an_upload_in_parts_that_fails_is_aborted(proxy, bucket, monkeypatch):
    monkeypatch.setenv("VISINSTRUCT_STORE_PATIENCE", "0")
    proxy.meddle = lambda number, handler: (
        "partNumber=2" in handler.path and handler.answer(400, "BadDigest")
    )
    files = StoreFiles()
    with (
        pytest.raises(ValueError, match="cannot be written"),
        files.create(f"{bucket}/big") as file,
    ):
        file.write(bytes(130 << 20))
    assert not files.exists(f"{bucket}/big")
    store = fsspec.filesystem("s3", skip_instance_cache=True)
    assert [each for each in store.list_multipart_uploads("data") if "big" in each["Key"]] == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "access is denied"),
        (
            {"AWS_ACCESS_KEY_ID": "READERKEY123", "AWS_SECRET_ACCESS_KEY": "READERSECRET"},
            "cannot be written: access is denied",
        ),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "the store does not answer"),
    ],
    ids=["wrong secret", "read-only", "nobody there"],
)
def test_a_store_that_cannot_be_used_is_named_before_any_work(
    bucket, change, sentence, monkeypatch, capsys
):
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    disconnect()
    assert main(build_arguments(bucket)) == 2
    message = capsys.readouterr().err
    assert f"{bucket}/" in message and sentence in message and "Traceback" not in message


def test_a_bucket_that_is_not_there_is_named(bucket, capsys):
    assert main(["build", "--raw", f"{bucket}/raw", "--out", "s3://nowhere/out"]) == 2
    assert "s3://nowhere does not exist; create it" in capsys.readouterr().err
    assert main(["show", "s3://nowhere/out"]) == 2
    assert "s3://nowhere does not exist" in capsys.readouterr().err


def test_keys_of_all_kinds_are_objects_of_their_own(bucket):
    files = StoreFiles()
    names = ["a b", "50%", "a+b", "größe", "%41", "x[1]", "q?x", "#h", "a&b=c"]
    for name in names:
        with files.create(f"{bucket}/odd/{name}.txt") as file:
            file.write(name.encode())
    assert sorted(files.below(f"{bucket}/odd")) == sorted(
        f"{bucket}/odd/{name}.txt" for name in names
    )
    assert [files.read(f"{bucket}/odd/{name}.txt").decode() for name in names] == names
