"""Two hosts: network namespaces joined by a cable, each with an sshd, and the README's line across them.

Needs root, iproute2, openssh-server and pdsh.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from trainer.run import checkpoint

ADDRESSES = ("10.213.77.1", "10.213.77.2")
TOOLS = ("sshd", "ssh", "ssh-keygen", "pdsh")


@dataclass(frozen=True)
class Cluster:
    folder: Path
    hosts: tuple[str, ...]

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """A command on the first host."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}:/usr/sbin"
        return subprocess.Popen(
            ["ip", "netns", "exec", self.hosts[0], *arguments],
            env={**os.environ, **variables, "PATH": path},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def cluster(tmp_path: Path, two_hosts) -> Iterator[Cluster]:
    missing = [
        tool for tool in TOOLS if not shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin")
    ]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    folder = tmp_path / "cluster"
    (folder / "bin").mkdir(parents=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True
    )
    write_ssh(folder)
    Path("/run/sshd").mkdir(exist_ok=True)
    with contextlib.ExitStack() as ends:
        for host in two_hosts:
            server = subprocess.Popen(
                host.command("/usr/sbin/sshd", "-D", "-e", "-f", folder / "sshd_config"),
                stderr=(folder / "sshd.log").open("ab"),
            )
            ends.callback(server.wait)
            ends.callback(server.kill)
        cluster = Cluster(folder, tuple(host.name for host in two_hosts))
        for address in ADDRESSES:
            wait_for_ssh(cluster, address)
        yield cluster


def write_ssh(folder: Path) -> None:
    """Keys without passwords for this test alone, through an `ssh` that comes first on PATH."""
    key = folder / "key"
    shutil.copy(f"{key}.pub", folder / "authorized_keys")
    (folder / "sshd_config").write_text(
        f"HostKey {key}\nAuthorizedKeysFile {folder / 'authorized_keys'}\nStrictModes no\nUsePAM no\n"
        "PidFile none\nPermitRootLogin prohibit-password\n"
    )
    (folder / "ssh_config").write_text(
        f"IdentityFile {key}\nIdentitiesOnly yes\nStrictHostKeyChecking no\n"
        f"UserKnownHostsFile {folder / 'known_hosts'}\nLogLevel ERROR\n"
    )
    ssh = folder / "bin" / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder / "ssh_config"} "$@"\n')
    ssh.chmod(0o755)


def wait_for_ssh(cluster: Cluster, address: str) -> None:
    deadline = time.monotonic() + 20
    while (process := cluster.start("ssh", address, "hostname", "-I")).wait():
        assert time.monotonic() < deadline, (cluster.folder / "sshd.log").read_text()
        threading.Event().wait(0.1)
    assert process.stdout
    assert process.stdout.read().split() == [address]


@pytest.mark.slow
def test_the_line_with_a_hostfile_trains_across_two_hosts_and_stops_on_both(
    cluster, setup, warm, read_events, wait_for_file_with, processes_of
):
    hostfile = cluster.folder / "hosts"
    hostfile.write_text("".join(f"{address} slots=1\n" for address in ADDRESSES))
    (cluster.folder / ".deepspeed_env").write_text("OMP_NUM_THREADS=1\n")
    deepspeed = [sys.executable, "-m", "deepspeed.launcher.runner", "--hostfile", str(hostfile)]
    line = [*deepspeed, "--module", "trainer.train", str(setup.config)]
    warm.run(setup, f"output={setup.output('alone')}").check()
    alone = [step["loss"] for step in read_events(setup.output("alone"))]
    process = cluster.start(*line)
    printed, _ = process.communicate(timeout=200)
    assert process.returncode == 0, printed
    for address in ADDRESSES:
        assert f"{address}: " in printed
    assert "2 processes" in printed
    assert [step["loss"] for step in read_events(setup.output())] == pytest.approx(alone, abs=1e-5)

    longer = ["optimizer.steps=2000", "checkpoint.every=1000", f"output={setup.output('longer')}"]
    process = cluster.start(*line, *longer)
    wait_for_file_with(setup.output("longer") / "metrics.jsonl", '"event": "step"', process)
    os.kill(process.pid, signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    deadline = time.monotonic() + 40
    while processes_of(str(setup.config)) and time.monotonic() < deadline:
        threading.Event().wait(0.1)
    assert processes_of(str(setup.config)) == []
    assert list(checkpoint.checkpoints(setup.output("longer") / "checkpoints")), printed
