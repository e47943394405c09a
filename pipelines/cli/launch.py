"""Starts several processes of a module on this machine, with DeepSpeed's launcher."""

import os
import subprocess
import sys
from collections.abc import Sequence

from datagen.errors import OptionError


def num_processes(wanted: int | None) -> int:
    """As many as are wanted, else one a GPU, at least one.

    Raises:
        OptionError: less than one is wanted.
    """
    if wanted is not None and wanted < 1:
        raise OptionError(f"--processes is {wanted}, but at least one has to do the work")
    return wanted or max(num_gpus(), 1)


def launch(module: str, processes: int, arguments: Sequence[str]) -> int:
    """Start `processes` of `module` on this machine; returns their exit status."""
    from trainer.launch.distributed import free_port

    command = [
        *(sys.executable, "-m", "deepspeed.launcher.runner"),
        *("--quiet", "--num_gpus", str(processes), "--master_port", str(free_port())),
        *("--module", module, *arguments),
    ]
    environment = dict(os.environ)
    if not num_gpus():
        environment |= {"DS_ACCELERATOR": "cpu"}
        environment.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // processes, 1)))
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603


def num_gpus() -> int:
    import torch

    return torch.cuda.device_count()
