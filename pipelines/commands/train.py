"""`visinstruct train`: the trainer on this machine, one process a GPU, or as many as are asked for."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from datagen.errors import OptionError
from trainer.train import add_arguments as add_training_arguments

MIXES_ARGUMENTS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_training_arguments(parser)
    parser.add_argument(
        "--processes", type=int, metavar="N", help="one a GPU if there are GPUs, else 1"
    )
    parser.epilog = (
        "Several machines: deepspeed --hostfile hosts --module trainer.train CONFIG [key=value ...]"
    )


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    processes = parsed.processes
    if processes is not None and processes < 1:
        raise OptionError(f"--processes is {processes}, but at least one has to do the work")
    arguments = [parsed.config, *parsed.overrides]
    if parsed.dry_run:
        arguments.append("--dry-run")
    if parsed.replay:
        arguments += ["--replay", parsed.replay]
    if processes is None:
        processes = _num_gpus()
    if processes == 1:
        from trainer.train import main

        return main(arguments)
    return launch(processes, arguments)


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Start `processes` on this machine with DeepSpeed's launcher; returns their exit status."""
    command = [
        *(sys.executable, "-m", "deepspeed.launcher.runner"),
        *("--quiet", "--num_gpus", str(processes), "--master_port", str(_port())),
        *("--module", "trainer.train", *arguments),
    ]
    environment = dict(os.environ)
    if not _num_gpus(at_least=0):
        environment |= {"DS_ACCELERATOR": "cpu"}
        environment.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // processes, 1)))
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603


def _num_gpus(at_least: int = 1) -> int:
    import torch

    return max(torch.cuda.device_count(), at_least)


def _port() -> int:
    from trainer.distributed import free_port

    return free_port()
