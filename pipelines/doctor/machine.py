"""Checks of the machine: disk, memory, shared memory, open files, processors, GPUs."""

import importlib.util
import os
import resource
import shutil
from pathlib import Path

from datagen.files import is_url
from pipelines.build.estimate.combine import BuildEstimate
from pipelines.doctor.finding import Finding, Status, size
from trainer.config.run import RunConfig

SHARED_MEMORY = "/dev/shm"  # noqa: S108 (the kernel's, not a folder for temporary files)
MIN_SHARED_BYTES = 1 << 30
MIN_OPEN_FILES, FEW_OPEN_FILES = 256, 1024
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
"""Of cgroups v2: the limits of a container are those of its root."""


def check_disk(out: str, estimate: BuildEstimate | None) -> Finding:
    """Compare the room on the disk of a build's output with what the build needs."""
    folder = existing_parent(out)
    free = shutil.disk_usage(folder).free
    if estimate is None:
        return Finding("disk", out, "ok", f"{size(free)} free; the need was not estimated")
    need = estimate.disk_bytes
    status: Status = "ok" if free >= need.high else "warning" if free >= need.value else "problem"
    return Finding(
        "disk",
        out,
        status,
        f"{size(free)} free on the disk of {folder}, a build needs {size(need.value)} (up to {size(need.high)})",
        ""
        if status == "ok"
        else "free some of it, give --out on a larger disk, or build fewer sources with --sources",
    )


def check_memory(estimate: BuildEstimate | None) -> Finding:
    """Compare the free memory with the peak of a build in one process."""
    free = free_memory()
    if free is None:
        return Finding("memory", "free", "ok", "not known on this system")
    if estimate is None:
        return Finding("memory", "free", "ok", f"{size(free)}; the need was not estimated")
    need = estimate.memory_bytes
    status: Status = "ok" if free >= need.high else "warning" if free >= need.value else "problem"
    return Finding(
        "memory",
        "free",
        status,
        f"{size(free)}, a build in one process needs {size(need.value)} (up to {size(need.high)})",
        "" if status == "ok" else "end other programs, or lower --max-memory",
    )


def check_time(estimate: BuildEstimate) -> Finding:
    """Report how long a build takes in one process."""
    seconds = estimate.seconds
    found = f"{_duration(seconds.value)} in one process (up to {_duration(seconds.high)})"
    if estimate.was_busy:
        return Finding(
            "time", "build", "warning", f"{found}", "other programs use this machine: end them"
        )
    return Finding("time", "build", "ok", found)


def check_shared_memory(config: RunConfig | None) -> Finding:
    """Compare the shared memory with what the data workers of a training run put there."""
    if not os.path.isdir(SHARED_MEMORY):
        return Finding("shared memory", SHARED_MEMORY, "ok", "not of this system")
    free = shutil.disk_usage(SHARED_MEMORY).free
    need = MIN_SHARED_BYTES if config is None else shared_bytes(config)
    whose = "training usually needs" if config is None else "the run's workers may use"
    found = f"{size(free)} free, {whose} {size(need)}"
    if free >= need:
        return Finding("shared memory", SHARED_MEMORY, "ok", found)
    remedy = "give the container more (docker run --shm-size=8g), or lower data.workers and data.prefetch"
    return Finding("shared memory", SHARED_MEMORY, "warning", found, remedy)


def shared_bytes(config: RunConfig) -> int:
    """Return the bytes of the images of all steps that one node's workers hold ready.

    Each rank has `workers` processes, each `prefetch` steps ahead, and ranks share a global batch.
    """
    data = config.data
    image = 3 * data.image_side**2  # uint8
    return data.workers * data.prefetch * config.batch.global_size * image


def check_open_files() -> Finding:
    """Look at the number of files that a process may have open."""
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= FEW_OPEN_FILES:
        shown = "no limit" if limit == resource.RLIM_INFINITY else f"{limit:,}"
        return Finding("open files", "limit", "ok", shown)
    most = "" if hard == resource.RLIM_INFINITY else f" (the most is {hard:,})"
    return Finding(
        "open files",
        "limit",
        "problem" if limit < MIN_OPEN_FILES else "warning",
        f"{limit:,}, fewer than the usual {FEW_OPEN_FILES:,}",
        f"ulimit -n {FEW_OPEN_FILES}{most}",
    )


def check_processors() -> Finding:
    """Report the processors that this process may use."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _cgroup_processors()
    if quota is not None and number is not None and quota < number:
        found = f"{number}, of which the container may use {quota:g}"
        return Finding(
            "processors",
            "usable",
            "warning",
            found,
            f"give --workers {max(1, int(quota))} to a build",
        )
    return Finding("processors", "usable", "ok", f"{number}")


def check_gpu(config: RunConfig | None) -> Finding | None:
    """Report the GPUs that torch sees; None where torch is not installed and no training is planned."""
    if importlib.util.find_spec("torch") is None:
        if config is None:
            return None
        remedy = "pip install 'visinstruct[train]'"
        return Finding("gpu", "torch", "problem", "torch is not installed", remedy)
    import torch

    number = torch.cuda.device_count()
    if number:
        names = sorted({torch.cuda.get_device_name(index) for index in range(number)})
        return Finding("gpu", "torch", "ok", f"{number}: {', '.join(names)}")
    if config is None or config.device == "cpu":
        return Finding("gpu", "torch", "ok", "none; builds need none")
    remedy = "install a driver and a torch for it, or set device=cpu"
    if config.device == "cuda":
        return Finding("gpu", "torch", "problem", "none, and the run asks for device cuda", remedy)
    return Finding("gpu", "torch", "warning", "none: the run would use the processors", remedy)


def existing_parent(path: str) -> str:
    """Return a folder, or the nearest one above it that exists."""
    folder = os.path.abspath(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def check_writable(folder: str) -> Finding | None:
    """Look whether a local output can be written; None for a URL, which `check_stores` tries."""
    if is_url(folder):
        return None
    parent = existing_parent(folder)
    if os.path.exists(folder) and not os.path.isdir(folder):
        return Finding(
            "output", folder, "problem", "it is a file", "give another --out, or remove the file"
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        remedy = f"give another --out, or let this user write to {parent}"
        return Finding("output", folder, "problem", f"{parent} cannot be written", remedy)
    return Finding("output", folder, "ok", "can be written")


def free_memory() -> int | None:
    """Return the bytes that a new process can have: of the machine, or of the container if it has a limit."""
    try:
        lines = MEMINFO.read_text().splitlines()
        free = next(int(each.split()[1]) << 10 for each in lines if each.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None
    try:
        limit = int((CGROUP / "memory.max").read_text())  # "max" where there is none
        free = min(free, limit - int((CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):
        pass
    return max(free, 0)


def _cgroup_processors() -> float | None:
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
