"""Speed of caption scores beside pycocoevalcap, and a check that the scores are the same.

`python -m benchmarks.captions [--rows IMAGES] [--repetitions R] [--scratch DIR] [--out FILE.json]`

pycocoevalcap 1.2 and Java are needed for the comparison; without them only ours is measured.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.captioning.inputs import PER_IMAGE_FILE, REFERENCES, write_inputs
from benchmarks.harness.measure import Case, Measured, measure, measure_once
from benchmarks.harness.report import RESOURCES, Column, Goal, Results, wall
from benchmarks.harness.settings import settings
from trainer.evaluation.metrics.base import Floats
from trainer.evaluation.metrics.pycoco import unavailable

NAME = "captions"
QUESTION = "Speed of caption scores beside pycocoevalcap, and a check that the scores are the same."
PACKAGES = ("numpy", "msgspec", "pycocoevalcap")
MANY = 20

OURS = Case(
    "ours",
    "captioning.ours",
    "`score_corpus(..., backend='own')`: our tokenizer, CIDEr-D, BLEU-1 to 4, ROUGE-L, in one thread.",
)
THEIRS = Case(
    "pycocoevalcap",
    "captioning.theirs",
    "its `PTBTokenizer` (Java, one process for the references and one for the candidates), `Cider`, "
    "`Bleu`, `Rouge`; no METEOR, no SPICE.",
)
LARGE = Case(
    f"ours, {MANY} times the pictures",
    "captioning.many",
    "`CiderMetric(backend='own')` as an evaluation calls it, reading a samples file. Ran once.",
)


def main() -> None:
    missing = unavailable()
    with settings(NAME, QUESTION, rows=5_000) as chosen:
        write_inputs(chosen.source, chosen.rows, MANY * chosen.rows)
        cases = (OURS,) if missing else (OURS, THEIRS)
        per_image: dict[str, Floats] = {}

        def keep(case: Case, output: Path) -> None:
            per_image[case.name] = np.load(output / PER_IMAGE_FILE)

        measured = measure(cases, chosen.source, chosen.scratch, chosen.repetitions, keep)
        measured[LARGE.name] = measure_once(LARGE, chosen.source, chosen.scratch)
        results = Results(
            title="Scoring captions",
            question=QUESTION,
            input=f"made-up captions of {chosen.rows:,} images, {REFERENCES} references of about ten "
            "words each, from a fixed seed; page cache warm.",
            cases={case.name: case.what for case in (*cases, LARGE)},
            measured=measured,
            columns=(Column("seconds", lambda m: m.middle(wall)), *RESOURCES),
            goals=goals(measured, per_image),
            notes=[f"Not compared with pycocoevalcap: {missing}."] if missing else [],
        )
        print(results.table(), *results.goals, *results.notes, sep="\n")
        results.write(chosen.out, PACKAGES)


def reported(measured: Measured) -> Mapping[str, Any]:
    return measured.costs[0].reported


def goals(measured: Mapping[str, Measured], per_image: Mapping[str, Floats]) -> Sequence[Goal]:
    ours, large = measured[OURS.name], measured[LARGE.name]
    pictures = reported(large)["pictures"]
    memory = Goal(f"resident MB, {pictures:,} images", large.peak_resident_bytes / 1e6)
    if THEIRS.name not in measured:
        return (memory,)
    theirs = measured[THEIRS.name]
    mine, official = reported(ours), reported(theirs)
    apart = np.abs(per_image[OURS.name] - per_image[THEIRS.name])
    bleu = max(abs(a - b) for a, b in zip(mine["bleu"], official["bleu"], strict=True))
    return (
        Goal(
            "seconds of pycocoevalcap / ours, the fastest run of each",
            theirs.least(wall) / ours.least(wall),
            1,
        ),
        memory,
        Goal("CIDEr by pycocoevalcap, 0 to 10", official["cider"]),
        Goal("CIDEr, difference", abs(mine["cider"] - official["cider"]), 1e-9, at_most=True),
        Goal("CIDEr of an image, largest difference", float(apart.max()), 1e-9, at_most=True),
        Goal("BLEU-1 to 4, largest difference", bleu, 1e-9, at_most=True),
        Goal("ROUGE-L, difference", abs(mine["rouge_l"] - official["rouge_l"]), 1e-9, at_most=True),
    )


if __name__ == "__main__":
    main()
