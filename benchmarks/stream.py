"""Speed of the training stream beside the Hugging Face processor, and the bytes that it reads.

`python -m benchmarks.stream [--rows N] [--repetitions R] [--scratch DIR] [--out FILE.json]`
"""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness.measure import Case, Measured, measure, measure_once
from benchmarks.harness.report import RESOURCES, Column, Goal, Results, cpu
from benchmarks.harness.settings import settings
from benchmarks.streaming.inputs import BATCH, SHAPE, write_inputs

NAME = "stream"
QUESTION = "How fast does the stream feed a trainer, beside the Hugging Face processor?"
PACKAGES = ("torch", "transformers", "tokenizers", "pyarrow", "simplejpeg", "pillow", "msgspec")
QUESTIONS_A_IMAGE = 20

OURS = Case(
    "our stream",
    "streaming.ours",
    f"`Stream.samples` and `Collator`, batches of {BATCH}: find the row, render, decode, resize to 224, "
    "tokenize twice, collate with placeholders and labels, check; uint8 pixels. Its first pass, so that "
    "row groups are read from Parquet and cached as row files.",
)
PROCESSOR = Case(
    "Hugging Face processor",
    "streaming.hugging_face",
    "`InstructBlipProcessor` with `BlipImageProcessorPil` on the same images and texts (read and "
    "rendered by our stream), labels by the same tokenizer; normalised float pixels.",
)
TEXTS = Case(
    "texts only",
    "streaming.texts",
    "`Stream.texts`: order, row and rendering of VQAv2 questions with 10 answers, two passes.",
)
CASES = (OURS, PROCESSOR, TEXTS)
SEEK = Case(
    "seek",
    "streaming.seek",
    "the order of 13 sources of the paper's sizes, row groups of 40: opened, then sample 10**7.",
)
SHARED = Case(
    "64 readers, a cache a node",
    "streaming.amplification",
    "16 ranks x 4 workers on 2 nodes, one pass in global batches of 64, a cache of a tenth of the "
    "dataset on each node.",
    ("node",),
)
ALONE = Case(
    "64 readers, a cache each",
    "streaming.amplification",
    "the same, but every worker has a cache of its own.",
    ("worker",),
)
ONCE = (SEEK, SHARED, ALONE)


def main() -> None:
    with settings(NAME, QUESTION, rows=3_000) as chosen:
        questions = QUESTIONS_A_IMAGE * chosen.rows
        facts = write_inputs(chosen.source, chosen.rows, questions)
        measured = measure(CASES, chosen.source, chosen.scratch, chosen.repetitions)
        measured |= {case.name: measure_once(case, chosen.source, chosen.scratch) for case in ONCE}
        height, width = SHAPE
        results = Results(
            title="The training stream",
            question=QUESTION,
            input=f"{chosen.rows:,} made-up JPEG images of {width}x{height}, "
            f"{facts['image_bytes'] / 1e3:.0f} KB each, embedded, one caption each; {questions:,} "
            "made-up VQAv2 questions. Tokenizers of BERT's and T5's kind, trained on these texts. One "
            "thread, page cache warm.",
            cases={case.name: case.what for case in (*CASES, *ONCE)},
            measured=measured,
            columns=columns(),
            goals=goals(measured),
            notes=[
                "Rates are samples per CPU second of one process. Ratios and goals compare the run of "
                "each case that took least, the table has medians. The last three cases ran once."
            ],
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


def reported(measured: Measured) -> Mapping[str, Any]:
    return measured.costs[0].reported


def columns() -> Sequence[Column]:
    return (
        Column("samples/CPU-s", lambda m: reported(m).get("samples", 0) / m.middle(cpu)),
        *RESOURCES,
    )


def rate(measured: Measured) -> float:
    """Samples per CPU second, of the run that took least."""
    samples: int = reported(measured)["samples"]
    return samples / measured.least(cpu)


def goals(measured: Mapping[str, Measured]) -> Sequence[Goal]:
    ours, texts = measured[OURS.name], measured[TEXTS.name]
    seek = reported(measured[SEEK.name])
    half = reported(texts)["samples"] / 2
    first = half / min(cost.reported["first_pass_seconds"] for cost in texts.costs)
    later = half / min(cost.reported["next_pass_seconds"] for cost in texts.costs)
    shared, alone = (reported(measured[case.name])["amplification"] for case in (SHARED, ALONE))
    return (
        Goal("images per second and core", rate(ours), 350),
        Goal(
            "our stream / Hugging Face processor", rate(ours) / rate(measured[PROCESSOR.name]), 2.5
        ),
        Goal("records per second and core without images, first pass", first, 20_000),
        Goal("the same, later passes", later, 20_000),
        Goal("seconds to the 10,000,000th sample", seek["first_seek_seconds"], 0.1, at_most=True),
        Goal("the slowest of 2,000 seeks after it", seek["worst_seek_seconds"], 0.1, at_most=True),
        Goal("seconds to choose the order's tree", seek["open_seconds"]),
        Goal("drift of the paper's mixture, proven", seek["drift_bound"], 1, at_most=True),
        Goal("the same, seen in 1,000,000 samples", seek["drift_observed"]),
        Goal("bytes read by 64 readers on 2 nodes / bytes of the dataset", shared),
        Goal("the same for each node", shared / 2),
        Goal("the same if no cache were shared", alone),
    )


if __name__ == "__main__":
    main()
