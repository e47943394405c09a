"""`visinstruct train`: training on this machine, in one process a GPU or in `--processes`."""

import argparse
from collections.abc import Sequence

from pipelines.cli.launch import launch, num_processes
from trainer.train import add_arguments as add_training_arguments

MIXES_ARGUMENTS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_training_arguments(parser)
    parser.add_argument(
        "--processes", type=int, metavar="N", help="processes (default: one a GPU, at least one)"
    )
    parser.epilog = (
        "Several machines: deepspeed --hostfile hosts --module trainer.train CONFIG [key=value ...]"
    )


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    processes = num_processes(parsed.processes)
    arguments = [parsed.config, *parsed.overrides]
    if parsed.dry_run:
        arguments.append("--dry-run")
    for steps in parsed.skip_steps:
        arguments += ["--skip-steps", steps]
    if parsed.replay:
        arguments += ["--replay", parsed.replay]
    if processes == 1:
        from trainer.train import main

        return main(arguments)
    return launch("trainer.train", processes, arguments)
