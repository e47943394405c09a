"""Do two processes train twice as fast as one, and what do a start, a checkpoint and a resume cost?

`python -m benchmarks.scaling [--rows STEPS] [--repetitions R] [--scratch DIR] [--out FILE.json]`
"""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

import yaml
from rich.console import Console

from benchmarks.harness.measure import Case, Measured, measure, measure_once
from benchmarks.harness.report import Column, Goal, Results
from benchmarks.harness.settings import settings
from benchmarks.step.models import has_nano, save_config
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
MODULE = "launches.whole"
MOST_BYTES = 1.05


def cases(steps: int) -> list[Case]:
    what = (
        f"`python -m torch.distributed.run` of `trainer.train`, {{}}, a thread each; {steps} steps of "
        f"{GLOBAL} samples, {{}}; then a new run that is killed after its first checkpoint, and started "
        "again."
    )
    return [
        Case(
            "1 process", MODULE, what.format("one process", f"2 x {MICRO} each"), ("1", str(steps))
        ),
        Case("2 processes", MODULE, what.format("two", f"{MICRO} a process"), ("2", str(steps))),
    ]


PAPER = Case(
    "the paper's trained set",
    "launches.paper_checkpoint",
    "the whole trained set beside FlanT5-XL, with frozen parts of hardly any size: engine state gathered, "
    "saved with fsync, read and set again.",
    ("shallow",),
)


def main() -> None:
    with settings(NAME, QUESTION, rows=120, repetitions=3) as chosen:
        model = write_run(chosen.source)
        alone, both = cases(chosen.rows)
        measured = measure((alone, both), chosen.source, chosen.scratch, chosen.repetitions)
        paper = measure_once(PAPER, chosen.source, chosen.scratch)
        results = Results(
            title="Processes, starts and checkpoints",
            question=QUESTION,
            input=f"the sample dataset of {NUM_SCENES} scenes, built with its images inside; {model}; "
            f"global batch {GLOBAL}, ZeRO 2, fp32, gloo, no loader processes, caches empty at the start.",
            cases={case.name: case.what for case in (alone, both, PAPER)},
            measured=measured,
            columns=COLUMNS,
            goals=goals(measured, paper),
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


def goals(measured: Mapping[str, Measured], paper: Measured) -> Sequence[Goal]:
    alone, both = measured.values()
    best = [max(float(c.reported["samples_per_s"]) for c in each.costs) for each in (alone, both)]
    large = "bytes of a checkpoint of the paper's trained set / of its tensors"
    return (
        Goal("efficiency of two processes, of the fastest runs", best[1] / best[0] / 2),
        Goal(
            "bytes of a checkpoint / of its tensors",
            reported(both, "bytes") / reported(both, "tensor_bytes"),
            MOST_BYTES,
            at_most=True,
        ),
        Goal(
            large,
            reported(paper, "bytes") / reported(paper, "tensor_bytes"),
            MOST_BYTES,
            at_most=True,
        ),
        Goal("its trained parameters, millions", reported(paper, "parameters") / 1e6),
        Goal("its MB", reported(paper, "bytes") / 1e6),
        Goal("seconds to save it", reported(paper, "save_seconds")),
        Goal("of them to gather it from the engine", reported(paper, "gather_seconds")),
        Goal("seconds to write as many bytes plainly", reported(paper, "plain_write_seconds")),
        Goal("seconds to read it and set the engine", reported(paper, "load_seconds")),
    )


if __name__ == "__main__":
    main()
