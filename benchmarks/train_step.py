"""Speed of our optimizer step, beside a plain Hugging Face loop on the same weights and batches.

`python -m benchmarks.train_step [--device cpu|cuda] [--model M ...] [--lengths 32+16 ...] [--samples N ...]
[--contestants C ...] [--steps S] [--threads T] [--repetitions R] [--scratch DIR] [--out FILE.json]`

Needs no dataset and no weights. On a GPU it measures one of the paper's models at its real size, such as
`--device cuda --model flan_t5_xl`.
"""

import argparse
import importlib.util
import platform
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.harness.measure import Case, Measured, measure, measure_once
from benchmarks.harness.report import RESULTS, Column, Goal, Results
from benchmarks.step.models import NAMES, PAPER_SIZES, has_nano
from benchmarks.step.report import CACHED_TOLERANCE, NUM_LOSSES, TOLERANCE
from benchmarks.step.settings import COMPUTE, NUM_BATCHES, Setting, Shape
from benchmarks.step.tokens import Lengths

NAME = "train_step"
QUESTION = (
    "Speed of our optimizer step, beside a plain Hugging Face loop on the same weights and batches."
)
PACKAGES = ("torch", "transformers", "deepspeed")
SHARE_OF_IDEAL, TIMES_PLAIN, MOST_WAITING = 0.55, 1.5, 0.02
LOADERS = {"cpu": 1, "cuda": 8}
"""Processes that make batches, in the cases that are fed."""


@dataclass(frozen=True)
class Contestant:
    """A contestant: a module of `benchmarks.step`, and its arguments besides the setting."""

    name: str
    module: str
    what: str
    arguments: tuple[str, ...] = ()
    attention: str = "sdpa"

    def case(self, setting: Setting) -> Case:
        return Case(
            f"{setting.model} {self.name}, {setting.shapes[0].lengths}",
            f"step.{self.module}",
            self.what,
            (*self.arguments, *setting.arguments()),
        )


OURS = Contestant(
    "ours",
    "ours",
    "the trainer's own loop and engine (DeepSpeed, ZeRO 2, fp32 weights and moments), with all that a step "
    "brings: seeds, checks for NaN, losses by source, counting of operations. Batches are ready.",
    ("ready", "as it is"),
)
PLAIN = Contestant(
    "plain",
    "hugging_face",
    "`InstructBlipForConditionalGeneration` with labels, `loss.backward()`, `torch.optim.AdamW`; all else "
    "is frozen. Images are normalised beforehand, the loss is never read.",
    ("frozen",),
)
UNFROZEN = Contestant(
    "unfrozen",
    "hugging_face",
    "plain, but only the optimizer knows what is trained: every parameter gets a gradient.",
    ("unfrozen",),
)
CACHED = Contestant(
    "cached",
    "ours",
    "ours, with the frozen vision encoder's states in the batch, as the feature cache brings them; ideal "
    "rate and operations are without its forward.",
    ("features", "as it is"),
)
EAGER = Contestant(
    "eager", "ours", "ours, attention without a fused kernel.", ("ready", "as it is"), "eager"
)
FLASH = Contestant(
    "flash",
    "ours",
    "ours, attention by the package flash-attn (`flash_attention_2`).",
    ("ready", "as it is"),
    "flash_attention_2",
)
ZERO_0 = Contestant(
    "zero0",
    "ours",
    "ours with ZeRO stage 0: gradients and moments are not flattened and split, which one process does not need. "
    "fp32 alone.",
    ("ready", "zero0"),
)
COMPILED = Contestant(
    "compiled",
    "ours",
    "ours, with vision encoder, Q-Former and language model through `torch.compile`, before the clock "
    "starts.",
    ("ready", "compiled"),
)


def fed(device: str) -> Contestant:
    count = LOADERS[device]
    return Contestant(
        "fed",
        "ours",
        f"ours, batches come from {count} loader process{'es' if count > 1 else ''}: JPEGs of 640x480 "
        "decoded and resized, texts tokenized, collated; rows are not read from Parquet "
        "(`benchmarks.stream` does).",
        (str(count), "as it is"),
    )


def contestants(chosen: argparse.Namespace) -> list[Contestant]:
    """The first two are compared by the goals and run at every shape, the variants at one."""
    found = [OURS, PLAIN, CACHED, UNFROZEN, EAGER, fed(chosen.device), COMPILED]
    if COMPUTE[chosen.device] == "fp32":
        found.insert(-1, ZERO_0)
    if chosen.device == "cuda" and importlib.util.find_spec("flash_attn"):
        found.insert(4, FLASH)
    if chosen.contestants:
        found = [each for each in found if each.name in chosen.contestants]
    return found


def settings(chosen: argparse.Namespace, model: str, contestant: Contestant) -> list[Setting]:
    """Return the shapes of a contestant: variants run only the first lengths, and the middle one of the sizes."""
    every = Setting(
        model=model,
        device=chosen.device,
        steps=chosen.steps,
        threads=chosen.threads,
        attention=contestant.attention,
        shapes=(),
    )
    if contestant in (OURS, PLAIN):
        return [
            replace(every, shapes=tuple(Shape(samples, lengths) for samples in chosen.samples))
            for lengths in chosen.lengths
        ]
    middle = chosen.samples[len(chosen.samples) // 2]
    return [replace(every, shapes=(Shape(middle, chosen.lengths[0]),))]


def main() -> None:
    chosen = parse()
    device = device_name(chosen.device)
    out = chosen.out or RESULTS / f"{NAME}_{file_name(device, chosen)}.json"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-", dir=chosen.scratch) as folder:
        for model in chosen.model:
            source = Path(folder, model)
            source.mkdir()
            cases = {
                each.case(setting).name: (each, setting, each.case(setting))
                for each in contestants(chosen)
                for setting in settings(chosen, model, each)
            }
            alone = [case for _, _, case in cases.values()]
            if chosen.device == "cpu":
                found = measure(alone, source, Path(folder), chosen.repetitions)
            else:
                found = {case.name: measure_once(case, source, Path(folder)) for case in alone}
            for name, (contestant, setting, _) in cases.items():
                rows += rows_of(contestant, setting, found[name])
    check_threads(rows, chosen.threads)
    fitting = [row for row in rows if row.measured is not None]
    best = max(row.reported("ceiling") for row in fitting)
    results = Results(
        title=f"An optimizer step, on {device}",
        question=QUESTION,
        input=input_text(chosen, device),
        cases={each.name: each.what for each in contestants(chosen)},
        measured={row.name: row.measured for row in rows if row.measured is not None},
        columns=columns(best, chosen.device),
        goals=goals(rows, best, chosen),
        notes=notes(rows, best, chosen),
    )
    print(results.table(), *results.goals, *results.notes, sep="\n")
    results.write(out, PACKAGES)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(f"python -m benchmarks.{NAME}", description=QUESTION)
    add = parser.add_argument
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--model", choices=NAMES, nargs="+", help="several in turn")
    add("--lengths", type=Lengths.parse, nargs="+", help="tokens of instruction + target")
    add("--samples", type=int, nargs="+", metavar="N", help="micro-batches, from small to large")
    add("--contestants", nargs="+", metavar="C", help="names as in the results; all without it")
    add("--steps", type=int, default=10, metavar="S", help="timed ones in a run")
    add("--threads", type=int, default=1, metavar="T", help="of torch, in every loop")
    add("--repetitions", type=int, default=5, metavar="R", help="on a CPU; on a GPU it is one")
    add("--scratch", metavar="DIR")
    add("--out", type=Path, metavar="FILE.json")
    chosen = parser.parse_args()
    on_gpu = chosen.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        raise SystemExit("there is no GPU here")
    usual = ["flan_t5_xl"] if on_gpu else ["nano" if has_nano() else "small", "middle"]
    chosen.model = chosen.model or usual
    chosen.lengths = chosen.lengths or [Lengths(32, 16), *([Lengths(128, 64)] if on_gpu else [])]
    chosen.samples = sorted(chosen.samples or ([12, 24, 48, 64] if on_gpu else [24]))
    return chosen


@dataclass(frozen=True)
class Row:
    """One contestant at one shape; `measured` is None if it did not fit into memory."""

    contestant: str
    model: str
    shape: Shape
    measured: Measured | None

    @property
    def name(self) -> str:
        return f"{self.model} {self.contestant}, {self.shape}"

    def reported(self, key: str) -> float:
        assert self.measured is not None
        return reported(self.measured, key)


def reported(measured: Measured, key: str) -> float:
    """Of the run that was disturbed least."""
    best = min(measured.costs, key=lambda cost: float(cost.reported["step_ms"]))
    return float(best.reported[key])


def rows_of(contestant: Contestant, setting: Setting, measured: Measured) -> list[Row]:
    rows = []
    for shape in setting.shapes:
        costs = []
        for cost in measured.costs:
            shape_report = cost.reported["shapes"][str(shape)]
            if shape_report is not None:
                both = {key: cost.reported[key] for key in ("ceiling", "threads")}
                costs.append(replace(cost, reported={**shape_report, **both}))
        fits = len(costs) == len(measured.costs)
        found = replace(measured, costs=costs) if fits else None
        rows.append(Row(contestant.name, setting.model, shape, found))
    return rows


def check_threads(rows: Sequence[Row], wanted: int) -> None:
    measured = [row.measured for row in rows if row.measured is not None]
    threads = {cost.reported["threads"] for each in measured for cost in each.costs}
    if threads != {wanted}:
        raise SystemExit(f"the loops ran with {sorted(threads)} threads, not {wanted}")


def columns(ceiling: float, device: str) -> Sequence[Column]:
    """`ceiling` is the best rate of a large matrix product that any process saw, in FLOP/s."""
    memory = Column("resident MB", lambda m: m.peak_resident_bytes / 1e6)
    if device == "cuda":
        memory = Column("GPU GB", lambda m: reported(m, "peak_gpu_bytes") / 1e9)
    return (
        Column("samples/s", lambda m: reported(m, "samples_per_s")),
        Column("ms a step", lambda m: reported(m, "step_ms")),
        Column("CPU ms a step", lambda m: reported(m, "step_cpu_ms")),
        Column("GFLOP a sample", lambda m: reported(m, "gflop_per_sample")),
        Column("ideal samples/s", lambda m: ceiling / reported(m, "gflop_per_sample") / 1e9),
        Column("MFU", lambda m: reported(m, "flops_per_s") / ceiling),
        Column("waits for data", lambda m: reported(m, "data_wait")),
        memory,
    )


def goals(rows: Sequence[Row], ceiling: float, chosen: argparse.Namespace) -> list[Goal]:
    """Of each model and lengths, where ours is fastest among the shapes that the other ran as well."""
    found = []
    for model in chosen.model:
        for lengths in chosen.lengths:
            at = {
                (row.contestant, row.shape.samples): row
                for row in rows
                if row.measured and row.model == model and row.shape.lengths == lengths
            }
            ours = {n: row for (name, n), row in at.items() if name == OURS.name}
            if not ours:
                continue
            where = f"{model}, {lengths}"
            best = max(ours.values(), key=lambda row: row.reported("samples_per_s"))
            bound = SHARE_OF_IDEAL if model in PAPER_SIZES else None
            share = best.reported("flops_per_s") / ceiling
            found.append(Goal(f"{where}: share of the ideal rate", share, bound))
            for other in contestants(chosen)[1:]:
                pairs = [
                    (ours[n].reported("samples_per_s"), row)
                    for (name, n), row in at.items()
                    if name == other.name and n in ours
                ]
                if pairs:
                    rate, row = max(pairs, key=lambda pair: pair[0])
                    found += compared(where, rate, row)
    return found


def compared(where: str, ours: float, other: Row) -> list[Goal]:
    """Of a variant of ours, how much faster than ours it is; of another loop, how much slower."""
    theirs = other.reported("samples_per_s")
    if other.contestant in (PLAIN.name, UNFROZEN.name):
        bound = TIMES_PLAIN if other.contestant == PLAIN.name else None
        return [Goal(f"{where}: ours / {other.contestant}, samples/s", ours / theirs, bound)]
    found = [Goal(f"{where}: {other.contestant} / ours, samples/s", theirs / ours)]
    if other.contestant == "fed":
        what = f"{where}: share of the time waiting for data"
        found.append(Goal(what, other.reported("data_wait"), MOST_WAITING, at_most=True))
    return found


def device_name(device: str) -> str:
    return torch.cuda.get_device_name(0) if device == "cuda" else f"CPU ({platform.machine()})"


def file_name(device: str, chosen: argparse.Namespace) -> str:
    """Such as `nvidia_h100_80gb_hbm3_flan_t5_xl`; `cpu` on a CPU."""
    if chosen.device == "cpu":
        return "cpu"
    return "_".join([re.sub(r"\W+", "_", device.lower()).strip("_"), *chosen.model])


def input_text(chosen: argparse.Namespace, device: str) -> str:
    compute = COMPUTE[chosen.device]
    return (
        f"{NUM_BATCHES} made-up batches in turn, {chosen.steps} steps timed; one process, {device}, "
        f"{chosen.threads} thread(s), {compute}, no dropout, one micro-batch a step. A shape such as "
        "24x32+16 is 24 samples of 32 tokens of instruction and 16 of target, none padded. Models: "
        f"{', '.join(chosen.model)}, with random weights but for nano's frozen parts."
    )


def notes(rows: Sequence[Row], ceiling: float, chosen: argparse.Namespace) -> list[str]:
    found = [
        f"Same work: before the clock starts, the {NUM_LOSSES} first losses of every loop at every shape "
        f"are those of the first loop to {TOLERANCE[COMPUTE[chosen.device]]:g} of their value (with cached "
        f"features, which are fp16: {CACHED_TOLERANCE:g}); the second one shows that the update was "
        "the same. Rates are of the run of each case that was disturbed least. MFU counts the matrix "
        "products of `trainer.model.flops` and divides by the best rate of a large matrix product that "
        f"was seen here, {ceiling / 1e12:.3g} TFLOP/s; the ideal rate is that of an MFU of 1."
    ]
    if missing := [row.name for row in rows if row.measured is None]:
        found.append(f"Did not fit into memory: {'; '.join(missing)}.")
    if chosen.device == "cuda" and not importlib.util.find_spec("flash_attn"):
        found.append("Not installed, and left out: flash-attn.")
    if chosen.device == "cpu":
        found.append(
            "**No GPU has measured this.** How the paper's models do at their real size (share of the ideal "
            "rate, memory, flash attention, waiting for data at a GPU's rate) is unknown until `python "
            "-m benchmarks.train_step --device cuda --model flan_t5_xl`, or `vicuna_7b`, has run on one; "
            "nothing here is an estimate of it."
        )
    return found


if __name__ == "__main__":
    main()
