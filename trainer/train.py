"""Training: `deepspeed --module trainer.train CONFIG [key=value ...]`, or torchrun, srun, or plain python.

Every process runs this. It reads the configuration, joins the others, and hands over to
`trainer.run.session`.

Exit status: 0 done; 2 an error that the message names; 75 stopped by a signal, in a run with a checkpoint saved:
start the same command again to resume; 76 another process has ended; 130 interrupted; 1 an error of this program.
Where the working folder holds a folder called `trainer`, set PYTHONSAFEPATH=1: `--module` looks there first.
`torchrun` exits with 1 whatever its processes do, `deepspeed` with the status of the first that ended.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from trainer.launch.arguments import ShowDefaults
from trainer.launch.imports import importing
from trainer.launch.shadow import shadowed_package

if (
    TYPE_CHECKING
):  # imported when a process starts: not for `--help`, and after the check of packages
    from trainer.config.run import RunConfig
    from trainer.launch.distributed import World
    from trainer.launch.process import Plan
    from trainer.launch.stop import StopSignal


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "trainer.train", description="tune InstructBLIP's Q-Former", formatter_class=ShowDefaults
    )
    add_arguments(parser)
    parser.add_argument("--local_rank", type=int, default=0, help=argparse.SUPPRESS)  # DeepSpeed's
    return parser.parse_intermixed_args(arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("config", help="a YAML file; `visinstruct configs` lists those that are shipped")
    add("overrides", nargs="*", metavar="key=value", help="such as optimizer.steps=100")
    add("--dry-run", action="store_true", help="check everything, print the plan, stop")
    add(
        "--skip-steps",
        action="append",
        default=[],
        metavar="A-B",
        help="resume without training the steps A to B, whose samples made the run diverge; may be repeated",
    )
    add(
        "--replay",
        metavar="FILE",
        help="print the losses of the samples of a diverged step (default: train)",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """One process of a run; returns its exit status."""
    parsed = parse(arguments)
    if (shadow := shadowed_package()) is not None:
        print(f"visinstruct: {shadow}", file=sys.stderr)
        return 2
    with importing():
        from trainer.config.load import load_config
        from trainer.launch.process import Plan, run_process
        from trainer.launch.stop import StopSignal

    stop = StopSignal()

    def read_plan() -> "Plan":
        config = load_config(parsed.config, parsed.overrides)
        return Plan(
            config.device,
            lambda world: _work(config, world, parsed, stop),
            _connect,
            config.silence_limit,
            config.watchdog_port,
            config.precision.tf32,
        )

    return run_process(
        read_plan, stop, "checkpoints are as they were, start the same command again to resume"
    )


def _work(
    config: "RunConfig", world: "World", parsed: argparse.Namespace, stop: "StopSignal"
) -> int:
    with importing():
        from trainer.data.reading.node_cache import default_folder
        from trainer.evaluation.validation import ScoredValidation
        from trainer.launch.stored_output import stored_output
        from trainer.run.plan import dry_run
        from trainer.run.session import run_training
        from trainer.run.skipped import parse_steps

    if parsed.dry_run:
        return dry_run(config, world)
    skip = parse_steps(parsed.skip_steps)
    cache = config.data.cache_dir or default_folder()
    with stored_output(config.output, world, "run", cache) as stored:
        return run_training(
            config,
            world,
            stop,
            parsed.replay,
            skip=skip,
            score_tasks=ScoredValidation,
            stored=stored,
        )


def _connect(world: "World") -> Callable[[], None]:
    with importing():
        from trainer.run.engine import connect  # imports deepspeed

    return connect(world)


if __name__ == "__main__":
    sys.exit(main())
