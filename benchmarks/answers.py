"""Speed of inference: 64 candidates ranked, and texts generated in batches.

`python -m benchmarks.answers [--ranked N] [--candidates N] [--written N] [--data DIR] [--scenes N]
[--repetitions R] [--scratch DIR] [--out FILE.json]`

Ranking needs no dataset and no weights. Generation gives nano the questions of a built dataset; without `--data`
the drawn sample is built first.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.answering.models import KINDS, MOST_TOKENS, NUM_CANDIDATES, PROMPT_TOKENS
from benchmarks.answering.questions import build_sample, record_questions
from benchmarks.harness.measure import Case, Measured, measure
from benchmarks.harness.report import RESULTS, Column, Goal, Results
from trainer.evaluation.inference.loading import find
from trainer.model.parts import vision_part
from trainer.model.starts.architecture import model_config

NAME = "answers"
QUESTION = "Speed of inference: 64 candidates ranked, and texts generated in batches."
PACKAGES = ("torch", "transformers", "tokenizers")
TIMES_RANKED, TIMES_WRITTEN = 8, 4
TASKS = ("gqa", "nocaps")
TOLERANCE = 1e-3
"""Of log-probabilities of random weights, some of which are -100 and less."""

RANKING = {
    "ours": "`ModelAdapter.rank`, all questions together: what candidates share is computed once.",
    "batched": "`InstructBlipForConditionalGeneration` with every candidate of a question as a row of one "
    "batch: image, prompt and all repeated, targets padded. The naive batching of the goal.",
    "language_model_batched": "image and queries once, then the language model as in `batched`.",
    "one_by_one": "`InstructBlipForConditionalGeneration` for one candidate after the other.",
}
WRITING = {
    "32": "`ModelAdapter.generate`, 32 questions together.",
    "16": "the same, 16 together.",
    "1": "the same, one after the other.",
    "transformers": "`InstructBlipForConditionalGeneration.generate`, one after the other.",
}


def main() -> None:
    chosen = arguments()
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-", dir=chosen.scratch) as folder:
        source, scratch = Path(folder, "source"), Path(folder, "scratch")
        source.mkdir()
        scratch.mkdir()
        dataset = chosen.data or build_sample(Path(folder), chosen.scenes)
        side = int(vision_part(model_config(find("nano").options)).image_size)
        requests = record_questions(dataset, TASKS, chosen.written, side, source)
        cases = all_cases(chosen.ranked, chosen.candidates)
        measured = measure(cases, source, scratch, chosen.repetitions)
    check_equal(measured)
    report(
        {name: without_answers(each) for name, each in measured.items()}, cases, chosen, requests
    )


def report(
    measured: Mapping[str, Measured],
    cases: Sequence[Case],
    chosen: argparse.Namespace,
    requests: Mapping[str, int],
) -> None:
    results = Results(
        title="Answers",
        question=QUESTION,
        input=input_text(chosen, requests),
        cases={case.name: case.what for case in cases},
        measured=measured,
        columns=columns(chosen.ranked, requests),
        goals=goals(measured, chosen.candidates),
        notes=[
            "Same answers: the order of the candidates and their scores (to "
            f"{TOLERANCE:g}) are equal in all ways of ranking, the texts in all ways of writing, in every "
            "run. Seconds are of the answers alone, CPU time of one thread; rates, ratios and goals are of "
            "the run of each case that was disturbed least."
        ],
    )
    print(results.table(), *results.goals, sep="\n")
    results.write(chosen.out, PACKAGES)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(f"python -m benchmarks.{NAME}", description=QUESTION)
    add = parser.add_argument
    add("--ranked", type=int, default=2, metavar="N", help="questions with candidates each")
    add("--candidates", type=int, default=NUM_CANDIDATES, metavar="N", help="of 1 to 4 tokens")
    add("--written", type=int, default=96, metavar="N", help="questions of each task")
    add("--data", type=Path, metavar="DIR", help="a dataset that was built with its images")
    add("--scenes", type=int, default=300, metavar="N", help="of the drawn sample, without --data")
    add("--repetitions", type=int, default=3, metavar="R")
    add("--scratch", metavar="DIR")
    add("--out", type=Path, default=RESULTS / f"{NAME}.json", metavar="FILE.json")
    return parser.parse_args()


def all_cases(ranked: int, candidates: int) -> list[Case]:
    given = (str(ranked), str(candidates))
    return [
        *(
            Case(f"rank {kind}, {way}", "answering.ranking", what, (kind, way, *given))
            for kind in KINDS
            for way, what in RANKING.items()
        ),
        *(
            Case(f"write {task}, {way}", "answering.writing", what, (task, way))
            for task in TASKS
            for way, what in WRITING.items()
        ),
    ]


def check_equal(measured: Mapping[str, Measured]) -> None:
    """Check that all ways gave the same answers in all runs."""
    for kind in KINDS:
        first, *others = _said(measured, [f"rank {kind}, {way}" for way in RANKING], "scores")
        for other in others:
            for ours, theirs in zip(first, other, strict=True):
                far = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
                if far > TOLERANCE or _order(ours) != _order(theirs):
                    raise SystemExit(f"{kind}: scores or their order differ, by up to {far:g}")
    for task in TASKS:
        first, *others = _said(measured, [f"write {task}, {way}" for way in WRITING], "texts")
        if any(other != first for other in others):
            raise SystemExit(f"{task}: not all ways wrote the same texts")


def _said(measured: Mapping[str, Measured], names: Sequence[str], what: str) -> list[Any]:
    return [cost.reported[what] for name in names for cost in measured[name].costs]


def _order(scores: Sequence[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda place: scores[place])


def without_answers(measured: Measured) -> Measured:
    """Return the results without the answers: only their times are kept."""
    kept = ("seconds", "cpu_seconds")
    costs = [
        replace(cost, reported={key: cost.reported[key] for key in kept}) for cost in measured.costs
    ]
    return replace(measured, costs=costs)


def least(measured: Measured, key: str) -> float:
    return min(float(cost.reported[key]) for cost in measured.costs)


def columns(ranked: int, requests: Mapping[str, int]) -> Sequence[Column]:
    def count(measured: Measured) -> int:
        what, name, *_ = measured.case.name.replace(",", "").split()
        return ranked if what == "rank" else requests[name]

    return (
        Column("CPU s", lambda m: m.middle(lambda cost: float(cost.reported["cpu_seconds"]))),
        Column("wall s", lambda m: m.middle(lambda cost: float(cost.reported["seconds"]))),
        Column("least CPU s", lambda m: least(m, "cpu_seconds")),
        Column("questions/CPU-s", lambda m: count(m) / least(m, "cpu_seconds")),
        Column("resident MB", lambda m: m.peak_resident_bytes / 1e6),
    )


def goals(measured: Mapping[str, Measured], candidates: int) -> list[Goal]:
    def ratio(slow: str, fast: str) -> float:
        return least(measured[slow], "cpu_seconds") / least(measured[fast], "cpu_seconds")

    found = []
    for kind in KINDS:
        for way, bound in (
            ("batched", TIMES_RANKED),
            ("language_model_batched", None),
            ("one_by_one", None),
        ):
            value = ratio(f"rank {kind}, {way}", f"rank {kind}, ours")
            found.append(Goal(f"{kind}, {candidates} candidates: {way} / ours", value, bound))
    for task in TASKS:
        for slow, fast, bound in (
            ("1", "32", TIMES_WRITTEN),
            ("1", "16", None),
            ("transformers", "32", None),
        ):
            value = ratio(f"write {task}, {slow}", f"write {task}, {fast}")
            names = (slow.replace("1", "one by one"), fast)
            found.append(Goal(f"{task}, nano: {names[0]} / {names[1]} together", value, bound))
    return found


def input_text(chosen: argparse.Namespace, requests: Mapping[str, int]) -> str:
    tasks = ", ".join(f"{count} of {name}" for name, count in requests.items())
    return (
        f"Ranking: {chosen.ranked} made-up questions, an image and {PROMPT_TOKENS} tokens of prompt each, with "
        f"{chosen.candidates} candidates of 1 to {MOST_TOKENS} tokens; random weights, language models of 6 "
        f"layers of 256. Writing: {tasks} of the drawn sample, prompts and decoding (5 beams) of their "
        "protocols, nano. fp32, one thread; the images are decoded, models loaded beforehand."
    )


if __name__ == "__main__":
    main()
