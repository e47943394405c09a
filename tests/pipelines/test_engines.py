"""The same bytes on every engine, in any number of workers, from any place."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.build.needs import BUILD_PRISM, find_prism

PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
ROOT = Path(__file__).resolve().parents[2]


def test_worker_processes_write_the_same_bytes(raw, tmp_path, build, embedded, digests):
    outcome = build(raw, tmp_path / "out", "--images", "embed", *PROCESSES)
    assert outcome.status == 0, outcome.err
    assert digests(tmp_path / "out") == digests(embedded)


def test_threads_write_the_same_bytes(raw, tmp_path, build, built, digests):
    threads = ("--direct_running_mode=multi_threading", "--direct_num_workers=3")
    assert build(raw, tmp_path / "out", *threads).status == 0
    assert digests(tmp_path / "out") == digests(built)


@pytest.mark.parametrize("memory", ["512MB", "8GB"])
def test_memory_does_not_change_a_byte(memory, raw, tmp_path, build, built, digests):
    assert build(raw, tmp_path / "out", "--max-memory", memory).status == 0
    assert digests(tmp_path / "out") == digests(built)


def test_the_place_of_the_raw_files_does_not_change_a_byte(
    raw_copy, tmp_path, build, built, digests, monkeypatch
):
    elsewhere = tmp_path / "else where [1]"
    raw_copy.rename(elsewhere)
    assert build(elsewhere, tmp_path / "out").status == 0
    assert digests(tmp_path / "out") == digests(built)
    monkeypatch.chdir(elsewhere)
    assert build(".", "../relative").status == 0
    assert digests(tmp_path / "relative") == digests(built)


def test_rejected_rows_do_not_change_with_the_place(
    raw_copy, tmp_path, build, digests, edit_json, verify
):
    """Published files must not depend on this machine."""

    def spoil(document):
        document["images"][0]["filename"] = "../../../etc/passwd"

    edit_json(raw_copy / "coco_caption/dataset_coco.json", spoil)
    next((raw_copy / "images/coco/train2014").iterdir()).unlink()
    next((raw_copy / "videos/msvd").iterdir()).unlink()
    next((raw_copy / "scienceqa/train").glob("*/image.png")).write_bytes(b"no image")
    other = Path(shutil.copytree(raw_copy, tmp_path / "other"))
    limits = ("--max-reject-fraction", 1, "--max-missing-fraction", 1)
    assert build(raw_copy, tmp_path / "one", *limits).status == 0
    assert build(other, tmp_path / "two", *limits).status == 0
    assert len(verify(tmp_path / "one", raw_copy).rejected_files) > 4
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file() and path.name not in ("report.json", "media_states.parquet"):
            assert str(tmp_path).encode() not in path.read_bytes(), path


def test_the_order_of_files_on_disk_does_not_change_a_byte(raw, tmp_path, build, built, digests):
    """Copied last to first, so that folders list their files otherwise."""
    copy = tmp_path / "raw"
    for path in sorted(raw.rglob("*"), reverse=True):
        if path.is_file():
            target = copy / path.relative_to(raw)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    assert build(copy, tmp_path / "out").status == 0
    assert digests(tmp_path / "out") == digests(built)


def test_another_hash_seed_and_time_zone_do_not_change_a_byte(raw, tmp_path, start, built, digests):
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    process = start("build", "--raw", raw, "--out", tmp_path / "out", env=environment)
    assert process.end().status == 0
    assert digests(tmp_path / "out") == digests(built)


# --- the portable job service


@pytest.fixture
def free_port():
    def free_port():
        with socket.socket() as probe:
            try:
                probe.bind(("localhost", 0))
            except OSError as error:
                pytest.skip(f"no port is free here: {error}")
            return probe.getsockname()[1]

    return free_port


@pytest.fixture
def service(start, tmp_path):
    """Starts one of Beam's servers and waits until it listens."""

    def service(module, port, *arguments, **environment):
        process = start(
            *arguments,
            module=module,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
            env={**os.environ, **environment},
        )
        for _ in range(300):
            if process.poll() is not None:
                pytest.skip(f"{module} does not start here")
            with socket.socket() as probe:
                if probe.connect_ex(("localhost", port)) == 0:
                    return process
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        pytest.skip(f"{module} does not listen here")

    return service


def submit(start, raw, out, *options):
    command = ("build", "--raw", raw, "--out", out, "--runner=PortableRunner", *options)
    outcome = start(*command).end(timeout=180)
    assert outcome.status == 0, outcome.err[-3_000:]


@pytest.mark.slow
def test_the_portable_runner_in_this_process_writes_the_same_bytes(
    raw, tmp_path, start, built, digests
):
    embed = ("--job_endpoint=embed", "--environment_type=LOOPBACK")
    submit(start, raw, tmp_path / "out", *embed)
    assert digests(tmp_path / "out") == digests(built)


@pytest.fixture
def worker_pool(service, free_port):
    """Starts a pool of Beam's workers; returns its process and the options for a build there."""

    def worker_pool(path=ROOT):
        port = free_port()
        process = service(
            "apache_beam.runners.worker.worker_pool_main",
            port,
            "--service_port",
            port,
            PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # for `python`
            PYTHONPATH=str(path),
        )
        place = f"--environment_config=localhost:{port}"
        return process, ("--environment_type=EXTERNAL", place)

    return worker_pool


@pytest.fixture
def job_service(service, free_port, worker_pool):
    """Starts a job service and a pool of its own workers; returns the options for a build there."""

    def job_service(path=ROOT):
        port = free_port()
        service("apache_beam.runners.portability.local_job_service_main", port, "--port", port)
        _, pool = worker_pool(path)
        return ("--runner=PortableRunner", f"--job_endpoint=localhost:{port}", *pool)

    return job_service


@pytest.fixture
def on_prism():
    """The options for a build on Prism, which `.ci/run` installs."""
    path = find_prism()
    if path is None:
        pytest.skip(f"Prism is not installed: {BUILD_PRISM}")
    return ("--runner=PrismRunner", f"--prism_location={path}")


@pytest.fixture
def dask_cluster():
    """A Dask scheduler with two worker processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


def on_dask(cluster):
    return (
        "--runner=apache_beam.runners.dask.dask_runner.DaskRunner",
        f"--dask_client_address={cluster.scheduler_address}",
    )


@pytest.mark.slow
def test_one_corpus_has_the_same_bytes_on_four_engines(
    all_raw, tmp_path, start, all_embedded, digests, job_service, dask_cluster
):
    """All 26 sources, embedded."""
    expected = digests(all_embedded)
    assert sum(name.endswith(".parquet") for name in expected) > 60
    engines = {
        "in memory": (),
        "worker processes": PROCESSES,
        "job service": job_service(),
        "dask": on_dask(dask_cluster),
    }
    for name, options in engines.items():
        out = tmp_path / name
        command = ("build", "--raw", all_raw, "--out", out, "--images", "embed", *options)
        outcome = start(*command).end(180)
        assert outcome.status == 0, (name, outcome.err[-3_000:])
        assert digests(out) == expected, name


@pytest.mark.slow
def test_prism_writes_the_same_bytes_in_this_process_and_in_a_pool(
    raw, tmp_path, start, embedded, digests, on_prism, worker_pool
):
    _, pool = worker_pool()
    for name, options in {"loopback": (), "external": pool}.items():
        out = tmp_path / name
        command = ("build", "--raw", raw, "--out", out, "--images", "embed", *on_prism, *options)
        outcome = start(*command).end(180)
        assert outcome.status == 0, (name, outcome.err[-3_000:])
        assert digests(out) == digests(embedded), name
        report = json.loads((out / "report.json").read_text())
        assert report["engine"] == "PrismRunner"


def workers_below(pid) -> list[int]:
    """Processes of Beam's workers that another process, or a child of it, started."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            program, *words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"python" in program and any(b"sdk_worker" in word for word in words):
                found.append(int(child))
            found += workers_below(child)
    return found


def kill_a_worker(of, build, out):
    """Wait until the build has finished some parts, then kill a worker that `of` started."""
    while not list(out.parent.glob(f"{out.name}.staging-*/ranges/*/*/*.report.json")):
        assert build.poll() is None, build.end()
        time.sleep(0.01)
    os.kill(workers_below(of.pid)[0], signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")
def test_a_worker_process_that_is_killed_ends_the_build_which_is_resumed(
    all_raw, tmp_path, start, all_embedded, digests
):
    out = tmp_path / "out"
    command = ("build", "--raw", all_raw, "--out", out, "--images", "embed")
    process = start(*command, "--workers", 2)
    kill_a_worker(process, process, out)
    outcome = process.end()
    assert outcome.status == 2, outcome.err
    assert "a worker process was killed by signal 9; nothing was published" in outcome.message
    assert not out.exists()
    assert start(*command).end().status == 0
    assert digests(out) == digests(all_embedded)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")
def test_a_killed_worker_of_a_pool_is_noticed(all_raw, tmp_path, start, on_prism, worker_pool):
    """Prism notices it if it was busy, and waits for it without end if it was not."""
    out = tmp_path / "out"
    pool, options = worker_pool()
    command = ("build", "--raw", all_raw, "--out", out, "--images", "embed", "--stall-minutes", 0.3)
    process = start(*command, *on_prism, *options)
    kill_a_worker(pool, process, out)
    outcome = process.end()
    assert outcome.status == 2, outcome.err
    lost, still = "the connection to a worker process was lost", "no progress for 0.3 minutes, "
    assert lost in outcome.message or still in outcome.message
    assert not out.exists()


@pytest.mark.slow
def test_a_worker_of_another_version_is_refused(raw, tmp_path, start, job_service):
    """The pool imports a copy of our code that differs in one comment."""
    other = tmp_path / "other"
    for package in ("datagen", "templates", "pipelines"):
        shutil.copytree(ROOT / package, other / package)
    with (other / "datagen/text.py").open("a") as file:
        file.write("# changed\n")
    options = job_service(other)
    process = start("build", "--raw", raw, "--out", tmp_path / "out", *options)
    outcome = process.end(timeout=180)
    assert outcome.status == 2, outcome.err[-3_000:]
    assert "a worker has code " in outcome.message
    assert "install the same versions on all machines" in outcome.message
    assert not (tmp_path / "out").exists()


def test_a_portable_runner_without_address_is_told_what_to_give(raw, tmp_path, build):
    message = build(raw, tmp_path / "out", "--runner=PortableRunner").message
    assert "You must specify a --job_endpoint" in message
