import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

from datagen.sample.write import write_sample

settings.register_profile("same everywhere", derandomize=True, deadline=None)
settings.load_profile("same everywhere")


@pytest.fixture(scope="session")
def sample_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's raw folder, all sources, of 40 scenes: to be read only."""
    folder = tmp_path_factory.mktemp("sample") / "raw"
    write_sample(folder, num_scenes=40)
    return folder


@pytest.fixture(scope="session")
def made_demo() -> Path | None:
    """The folder of a `make demo` that has ended, as CI gives it, its output beside it as `<folder>.log`."""
    folder = os.environ.get("VISINSTRUCT_DEMO")
    return None if folder is None else Path(folder)


class Host(NamedTuple):
    """A network namespace, and its address on the cable to the other one."""

    name: str
    address: str

    def command(self, *arguments: object) -> list[str]:
        """Return the command that runs `arguments` on the host."""
        return ["ip", "netns", "exec", self.name, *map(str, arguments)]


@pytest.fixture
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two network namespaces joined by a cable, `veth0` at both ends; needs root and iproute2.

    What lies outside the test's folder (namespaces, and below /etc/netns the `hosts` files that give each
    its own name) is taken away again. They share the disk, and reach nothing but each other.
    """
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("needs root and ip")
    addresses = ("10.213.77.1", "10.213.77.2")
    one, two = (Host(f"visinstruct-{os.getpid()}-{n}", each) for n, each in enumerate(addresses))
    with contextlib.ExitStack() as ends:
        for host in (one, two):
            command = ["ip", "netns", "add", host.name]
            made = subprocess.run(command, capture_output=True, text=True)
            if made.returncode:
                pytest.skip(f"no network namespaces here: {made.stderr}")
            ends.callback(subprocess.run, ["ip", "netns", "delete", host.name], check=True)
            names = Path("/etc/netns") / host.name
            names.mkdir(parents=True)
            ends.callback(shutil.rmtree, names)
            own_name = f"{host.address} {socket.gethostname()}"
            (names / "hosts").write_text(f"127.0.0.1 localhost\n{own_name}\n")
        cable = f"ip link add veth0 netns {one.name} type veth peer name veth0 netns {two.name}"
        subprocess.run(cable.split(), check=True)
        for host in (one, two):
            for change in (
                "link set lo up",
                f"address add {host.address}/24 dev veth0",
                "link set veth0 up",
            ):
                subprocess.run(["ip", "-n", host.name, *change.split()], check=True)
        yield one, two
