"""Builds over two hosts: network namespaces that share the disk, with Dask and with Slurm's batch script."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("distributed")

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
PORT = 8786
LIBRARY_OF_ANOTHER_CLOCK = """
import time
for name in ("time", "time_ns"):
    real = getattr(time, name)
    ahead = 86_400 if name == "time" else 86_400_000_000_000
    setattr(time, name, lambda real=real, ahead=ahead: real() + ahead)
"""
"""A `sitecustomize` by which Python on a host is a day ahead."""


class Cluster:
    """A Dask scheduler on the first host, and a worker process on each."""

    def __init__(self, hosts, folder):
        self.hosts, self.folder = hosts, folder
        self.address = f"tcp://{hosts[0].address}:{PORT}"
        self.processes = []

    def start(self, host, *command, **variables):
        path = {"PATH": f"{BIN}:{os.environ['PATH']}", "TMPDIR": str(self.folder)}
        process = subprocess.Popen(
            host.command(*command),
            env={**os.environ, **path, **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def scheduler(self):
        host = self.hosts[0]
        command = ("scheduler", "--host", host.address, "--port", PORT, "--no-dashboard")
        return self.start(host, "dask", *command)

    def worker(self, host, **variables):
        place = ("--host", host.address, "--nworkers", 1, "--nthreads", 1)
        return self.start(
            host, "dask", "worker", self.address, *place, "--no-dashboard", **variables
        )

    def build(self, raw, out, *options):
        where = ("--runner=DaskRunner", f"--dask_client_address={self.address}")
        command = ("build", "--raw", raw, "--out", out, "--images", "embed", *options, *where)
        return self.start(self.hosts[0], sys.executable, "-m", "pipelines.cli", *command)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            if process.stdout and not process.stdout.closed:
                process.communicate()


@pytest.fixture
def cluster(two_hosts, tmp_path):
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(two_hosts, folder)
    yield cluster
    cluster.close()


def end(process):
    printed, _ = process.communicate(timeout=150)
    return process.returncode, printed


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for_parts(process, out: Path, number: int):
    """Wait until the build has finished so many parts."""
    while process.poll() is None:
        if len(list(out.parent.glob(f"{out.name}.staging-*/ranges/*/*/*.report.json"))) >= number:
            return
        threading.Event().wait(0.01)
    raise AssertionError(process.communicate()[0])


@pytest.mark.slow
def test_a_host_that_dies_in_the_middle_changes_nothing(
    cluster, all_raw, all_embedded, tmp_path, digests
):
    """Neither does a clock that is a day ahead on it, or on the other one."""
    out = tmp_path / "out"
    ahead = tmp_path / "ahead"
    ahead.mkdir()
    (ahead / "sitecustomize.py").write_text(LIBRARY_OF_ANOTHER_CLOCK)
    cluster.scheduler()
    cluster.worker(cluster.hosts[0])
    second = cluster.worker(cluster.hosts[1], PYTHONPATH=f"{ahead}:{ROOT}")
    process = cluster.build(all_raw, out)
    wait_for_parts(process, out, 5)
    kill(second)
    status, printed = end(process)
    assert status == 0, printed
    assert digests(out) == digests(all_embedded)


@pytest.mark.slow
def test_workers_or_a_scheduler_that_die_end_the_build_which_is_resumed(
    cluster, all_raw, all_embedded, tmp_path, digests
):
    out = tmp_path / "out"
    scheduler = cluster.scheduler()
    worker = cluster.worker(cluster.hosts[1])
    process = cluster.build(all_raw, out, "--stall-minutes", 0.3)
    wait_for_parts(process, out, 5)
    kill(worker)
    status, printed = end(process)
    assert status == 2, printed
    assert "0 workers are connected to the Dask scheduler; no progress for 0.3 minutes" in printed

    assert not out.exists()

    out = tmp_path / "another"
    worker = cluster.worker(cluster.hosts[1])
    process = cluster.build(all_raw, out)
    wait_for_parts(process, out, 5)
    kill(scheduler)
    status, printed = end(process)
    assert status == 2, printed
    assert "Traceback" not in printed
    assert "the engine stopped after " in printed
    assert "start the same command again to resume" in printed
    assert not out.exists()

    kill(worker)
    cluster.scheduler()
    cluster.worker(cluster.hosts[1])
    status, printed = end(cluster.build(all_raw, out))
    assert status == 0, printed
    assert digests(out) == digests(all_embedded)


SRUN = """#!/bin/bash
# Stands for Slurm's srun: one task on each of two hosts.
while [[ "$1" == --* ]]; do shift; done
for host in {hosts}; do ip netns exec "$host" "$@" & done
wait
"""


@pytest.mark.slow
def test_slurms_batch_script_builds_over_two_hosts(
    cluster, all_raw, all_embedded, tmp_path, digests, run
):
    script = cluster.folder / "build.sbatch"
    script.write_text(run("engines", "--sbatch").out)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "srun").write_text(SRUN.format(hosts=" ".join(each.name for each in cluster.hosts)))
    (tools / "srun").chmod(0o755)
    out = tmp_path / "out"
    command = (sys.executable, "-m", "pipelines.cli", "build", "--raw", all_raw, "--out", out)
    process = cluster.start(
        cluster.hosts[0],
        "bash",
        script,
        *command,
        "--images",
        "embed",
        PATH=f"{tools}:{BIN}:{os.environ['PATH']}",
        SLURM_JOB_ID="7",
        DASK_INTERFACE="veth0",
        PYTHONPATH=str(ROOT),
    )
    status, printed = end(process)
    assert status == 0, printed
    assert digests(out) == digests(all_embedded)
    assert list(cluster.folder.glob("dask-scheduler-*")) == []


def test_the_batch_script_is_one_of_bash(run, tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    script = tmp_path / "build.sbatch"
    script.write_text(run("engines", "--sbatch").out)
    assert script.read_text().startswith("#!/bin/bash\n")
    assert subprocess.run([bash, "-n", script]).returncode == 0
