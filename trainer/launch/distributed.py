"""The processes of a run: their ranks, whatever launched them, and their collectives.

`deepspeed`, `torchrun` and `srun` each give a process its rank in variables of their own; here they
become one `World`. Collectives on small numbers go through `World.sum` and `World.broadcast`.
"""

import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import Store
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from trainer.errors import TrainingError

COLLECTIVE_TIMEOUT = timedelta(minutes=30)
"""Of one collective. A process that has ended is noticed much sooner, by `trainer.launch.watchdog`."""


@dataclass(frozen=True)
class Launch:
    """This process as a launcher describes it."""

    rank: int
    world_size: int
    local_rank: int
    local_world_size: int
    address: str
    port: int
    launcher: Literal["deepspeed or torchrun", "slurm", "none"]


def read_launch(variables: Mapping[str, str]) -> Launch:
    """The launch that environment variables describe; one process of its own without any.

    Raises:
        TrainingError: they are incomplete or contradict each other.
    """
    try:
        launch = _read_launch(variables)
    except TrainingError:
        raise
    except ValueError as error:
        raise TrainingError(f"a variable of the launcher is not a number: {error}") from None
    if not 0 <= launch.rank < launch.world_size:
        raise TrainingError(
            f"this process has rank {launch.rank} of {launch.world_size}: RANK counts from 0 to WORLD_SIZE - 1"
        )
    return launch


def _read_launch(variables: Mapping[str, str]) -> Launch:
    if "RANK" in variables and "WORLD_SIZE" in variables:
        world_size = int(variables["WORLD_SIZE"])
        return Launch(
            rank=int(variables["RANK"]),
            world_size=world_size,
            local_rank=int(variables.get("LOCAL_RANK", "0")),
            local_world_size=int(variables.get("LOCAL_WORLD_SIZE") or _local_size(variables)),
            address=variables.get("MASTER_ADDR", "127.0.0.1"),
            port=int(variables.get("MASTER_PORT", "29500")),
            launcher="deepspeed or torchrun",
        )
    if "SLURM_PROCID" in variables and "SLURM_NTASKS" in variables:
        if "SLURM_STEP_ID" not in variables and int(variables["SLURM_NTASKS"]) > 1:
            raise TrainingError(
                "start the tasks with srun: this process is the batch script itself"
            )
        address = variables.get("MASTER_ADDR") or first_host(
            variables.get("SLURM_STEP_NODELIST") or variables.get("SLURM_NODELIST", "127.0.0.1")
        )
        port = variables.get("MASTER_PORT")
        return Launch(
            rank=int(variables["SLURM_PROCID"]),
            world_size=int(variables["SLURM_NTASKS"]),
            local_rank=int(variables.get("SLURM_LOCALID", "0")),
            local_world_size=_tasks_on_node(variables),
            address=address,
            port=int(port) if port else 20_000 + int(variables.get("SLURM_JOB_ID", "0")) % 10_000,
            launcher="slurm",
        )
    return Launch(0, 1, 0, 1, "127.0.0.1", free_port(), "none")


def is_lost_peer(error: BaseException) -> bool:
    """Return whether a collective failed because of its other end: gloo and NCCL."""
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and "gloo" in str(error)
    )


def _local_size(variables: Mapping[str, str]) -> str:
    return variables.get("LOCAL_SIZE") or variables["WORLD_SIZE"]


def _tasks_on_node(variables: Mapping[str, str]) -> int:
    """`SLURM_TASKS_PER_NODE` is such as `4(x2),2`; this process's node is number `SLURM_NODEID`."""
    text = variables.get("SLURM_STEP_TASKS_PER_NODE") or variables.get("SLURM_TASKS_PER_NODE", "1")
    sizes: list[int] = []
    for part in text.split(","):
        size, _, times = part.partition("(x")
        sizes += [int(size)] * int(times.rstrip(")") or 1)
    return sizes[min(int(variables.get("SLURM_NODEID", "0")), len(sizes) - 1)]


def first_host(node_list: str) -> str:
    """The first host of Slurm's `node[03-07,11],other`."""
    head = re.match(r"([^,\[]+)(?:\[(\d+))?", node_list)
    if head is None:
        raise TrainingError(f"cannot read a host's name in SLURM_NODELIST={node_list!r}")
    return head[1] + (head[2] or "")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class World:
    """The processes of this run, joined."""

    launch: Launch
    device: torch.device

    @property
    def rank(self) -> int:
        return self.launch.rank

    @property
    def size(self) -> int:
        return self.launch.world_size

    @property
    def is_first(self) -> bool:
        return self.launch.rank == 0

    def sum(self, numbers: Sequence[float]) -> list[float]:
        """Each number summed over all processes, in double precision."""
        if self.size == 1:
            return [float(number) for number in numbers]
        kind = torch.float32 if self.device.type == "mps" else torch.float64
        total = torch.tensor(list(numbers), dtype=kind, device=self.device)
        dist.all_reduce(total)
        return [float(number) for number in total.tolist()]

    def gather(self, value: Any) -> list[Any]:
        """The value of each process, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def broadcast(self, value: Any) -> Any:
        """The first process's value."""
        if self.size == 1:
            return value
        holder = [value]
        dist.broadcast_object_list(holder, src=0, device=self.device)
        return holder[0]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()


def open_store(world: World, port: int = 0) -> Store | None:
    """Open a store of keys and values that all processes reach; None for one process alone. Collective.

    The first process holds it, at `port`, or with 0 at one that its system gives: one that was merely free a
    moment ago may be taken by another program.

    Raises:
        TrainingError: the port is taken.
    """
    if world.size == 1:
        return None
    wait, address = timedelta(seconds=120), world.launch.address
    if not world.is_first:
        given = world.broadcast(None)
        if given is None:
            raise TrainingError(_PORT_TAKEN.format(port=port, address=address))
        return TCPStore(address, given, world.size, is_master=False, timeout=wait)
    try:
        held = TCPStore(
            address, port, world.size, is_master=True, timeout=wait, wait_for_workers=False
        )
    except dist.DistError as error:
        world.broadcast(None)
        raise TrainingError(_PORT_TAKEN.format(port=port, address=address)) from error
    world.broadcast(held.port)
    return held


_PORT_TAKEN = "watchdog_port {port} of {address} cannot be opened: take another one, or 0 for any that is free"


def choose_device(wanted: str, launch: Launch) -> torch.device:
    """`cuda:<local rank>` or the CPU.

    Raises:
        TrainingError: a GPU is wanted and there is none for this process.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    gpus = torch.cuda.device_count()
    if launch.local_rank >= gpus:
        raise TrainingError(
            f"process {launch.rank} would use GPU {launch.local_rank} of its host, which has {gpus}; start "
            "no more processes on a host than it has GPUs, or set device=cpu"
        )
    return torch.device("cuda", launch.local_rank)


def set_variables(launch: Launch, device: torch.device) -> None:
    """Set the variables that torch.distributed and DeepSpeed read."""
    os.environ.update(
        RANK=str(launch.rank),
        WORLD_SIZE=str(launch.world_size),
        LOCAL_RANK=str(launch.local_rank),
        MASTER_ADDR=launch.address,
        MASTER_PORT=str(launch.port),
        DS_ACCELERATOR="cpu" if device.type == "cpu" else device.type,
    )
