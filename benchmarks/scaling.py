"""Do two processes train twice as fast as one, and what do a start, a checkpoint and a resume cost?

`python -m benchmarks.scaling [--rows STEPS] [--processes N ...] [--trained-set MODEL] [--repetitions R]
[--scratch DIR] [--out FILE.json]`
"""

import argparse
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

import yaml
from rich.console import Console

from benchmarks.harness.measure import Case, Measured, measure, measure_once
from benchmarks.harness.report import Column, Goal, Results
from benchmarks.harness.settings import settings
from benchmarks.step.models import STAND_INS, has_nano, save_config
from benchmarks.step.tokens import save_tokenizers
from datagen.build.options import make_options
from datagen.sample.write import write_sample
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build

NAME = "scaling"
QUESTION = "Do two processes train twice as fast as one, and what do a start, a checkpoint and a resume cost?"
PACKAGES = ("torch", "transformers", "deepspeed", "safetensors")
NUM_SCENES = 60
SIDE = 48
GLOBAL, MICRO = 48, 24
MODULE, CHECKPOINT_MODULE = "launches.whole", "launches.paper_checkpoint"
MOST_BYTES = 1.05


def cases(counts: Sequence[int], steps: int) -> list[Case]:
    what = (
        "`python -m torch.distributed.run` of `trainer.train`, {}, a thread each; "
        f"{steps} steps of {GLOBAL} samples, {{}}; then a new run that is killed after its first checkpoint, and "
        "started again."
    )
    ways = {
        1: ("1 process", what.format("one process", f"{GLOBAL // MICRO} x {MICRO} each")),
        2: ("2 processes", what.format("two", f"{MICRO} a process")),
    }
    return [Case(ways[n][0], MODULE, ways[n][1], (str(n), str(steps))) for n in counts]


def trained_set(model: str) -> Case:
    what = "engine state gathered, saved with fsync, read and set again."
    if model == "shallow":
        return Case(
            "the paper's trained set",
            CHECKPOINT_MODULE,
            f"the whole trained set beside FlanT5-XL, with frozen parts of hardly any size: {what}",
            (model,),
        )
    return Case(f"the trained set of {model}", CHECKPOINT_MODULE, what, (model,))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--processes", type=int, nargs="+", choices=(1, 2), default=[1, 2], metavar="N")
    add("--trained-set", choices=tuple(STAND_INS), default="shallow", help="that is saved and read")


def main() -> None:
    with settings(NAME, QUESTION, 120, repetitions=3, add_arguments=add_arguments) as chosen:
        model = write_run(chosen.source)
        runs = cases(chosen.given.processes, chosen.rows)
        measured = measure(runs, chosen.source, chosen.scratch, chosen.repetitions)
        large = trained_set(chosen.given.trained_set)
        saved = measure_once(large, chosen.source, chosen.scratch)
        results = Results(
            title="Processes, starts and checkpoints",
            question=QUESTION,
            input=f"the sample dataset of {NUM_SCENES} scenes, built with its images inside; {model}; "
            f"global batch {GLOBAL}, ZeRO 2, fp32, gloo, no loader processes, caches empty at the start.",
            cases={case.name: case.what for case in (*runs, large)},
            measured=measured,
            columns=COLUMNS,
            goals=goals(measured, saved),
            notes=[NOTE],
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


NOTE = (
    "Seconds to the first step count from the launch to its line in the log: the launcher, imports, model, "
    "dataset and DeepSpeed. To resume is the same after a kill, and reads the checkpoint besides. Saving "
    "ends after fsync. What is read was written just before: the page cache holds it. Memory is that of "
    "all processes. **No GPU and no second host has measured this**: scaling over NCCL is unknown."
)


def write_run(folder: Path) -> str:
    """Write the dataset and `run.yaml`; returns the model's name."""
    write_sample(folder / "raw", num_scenes=NUM_SCENES)
    raw, out = str(folder / "raw"), str(folder / "instruct")
    options = make_options(raw=raw, out=out, images="embed", image_max_side=144)
    build(options, beam_options([], []), Console(file=StringIO()))
    init: dict[str, str] = {"from": "nano"}
    if not has_nano():
        save_tokenizers(folder / "model")
        config = save_config("small", folder / "model")
        init = {"from": "random", "config": str(config), "tokenizers": str(folder / "model")}
    run = {
        "name": NAME,
        "output": "given by each start",
        "device": "cpu",
        "model": {"init": init, "qformer_dropout": 0.0},
        "data": {"dataset": out, "image_side": SIDE, "workers": 0, "reserve_rows": 8},
        "batch": {"global_size": GLOBAL, "micro_size": MICRO},
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 5},
        "precision": {"compute": "fp32"},
        "validation": None,
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(run))
    return "nano" if has_nano() else "a random model of nano's sizes"


def reported(measured: Measured, key: str) -> float:
    return measured.middle(lambda cost: float(cost.reported[key]))


COLUMNS: Sequence[Column] = (
    Column("samples/s", lambda m: reported(m, "samples_per_s")),
    Column("waits for data", lambda m: reported(m, "data_wait")),
    Column("s to first step", lambda m: reported(m, "first_step_seconds")),
    Column("s to resume", lambda m: reported(m, "resume_seconds")),
    Column("checkpoint MB", lambda m: reported(m, "bytes") / 1e6),
    Column("ms to save", lambda m: 1e3 * reported(m, "save_seconds")),
    Column("resident MB", lambda m: m.peak_resident_bytes / 1e6),
)


def goals(measured: Mapping[str, Measured], saved: Measured) -> Sequence[Goal]:
    *_, most = measured.values()
    return (
        *efficiency(measured),
        Goal(
            "bytes of a checkpoint / of its tensors",
            reported(most, "bytes") / reported(most, "tensor_bytes"),
            MOST_BYTES,
            at_most=True,
        ),
        Goal(
            f"bytes of a checkpoint of {saved.case.name} / of its tensors",
            reported(saved, "bytes") / reported(saved, "tensor_bytes"),
            MOST_BYTES,
            at_most=True,
        ),
        Goal("its trained parameters, millions", reported(saved, "parameters") / 1e6),
        Goal("its MB", reported(saved, "bytes") / 1e6),
        Goal("seconds to save it", reported(saved, "save_seconds")),
        Goal("of them to gather it from the engine", reported(saved, "gather_seconds")),
        Goal("seconds to write as many bytes plainly", reported(saved, "plain_write_seconds")),
        Goal("seconds to read it and set the engine", reported(saved, "load_seconds")),
    )


def efficiency(measured: Mapping[str, Measured]) -> list[Goal]:
    """Two processes, beside twice the rate of one."""
    if [int(each.case.arguments[0]) for each in measured.values()] != [1, 2]:
        return []
    alone, both = (
        max(float(cost.reported["samples_per_s"]) for cost in each.costs)
        for each in measured.values()
    )
    return [Goal("efficiency of two processes, of the fastest runs", both / alone / 2)]


if __name__ == "__main__":
    main()
