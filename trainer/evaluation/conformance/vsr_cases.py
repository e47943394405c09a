"""Our scores of answers to VSR's statements, whose labels are in a file of the publishers.

The rule is that of cambridgeltl/visual-spatial-reasoning b27a0af, `analysis_scripts/eval_compute_acc_by_rel.py`:
accuracy by relation, to four digits, relations with many statements first. It prints no overall accuracy.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from trainer.errors import EvaluationError
from trainer.evaluation.conformance.case import Case, Compared, Outcome, Unchecked
from trainer.evaluation.metrics.choices import YesNoAccuracy
from trainer.evaluation.predictions.prediction import Prediction

VSR_RULES: Mapping[str, Callable[[int], bool]] = {
    "all_true": lambda number: True,
    "all_false": lambda number: False,
    "index_parity": lambda number: number % 2 == 1,
}
NUM_TOP_RELATIONS = 5


def vsr(case: Case, data: Path) -> Iterator[Outcome]:
    """Accuracy of answers that follow a rule, on a labels file of the publishers below `data`."""
    name, rule_name = case.text("file"), case.text("preds_rule")
    if rule_name not in VSR_RULES:
        raise case.wrong(f"unknown preds_rule {rule_name!r}; there are {', '.join(VSR_RULES)}")
    path = _below(data, name)
    if path is None:
        for key in case.expected:
            yield Unchecked(key, f"{name} is not in {data}; give its folder with --data")
        return
    answered = list(_answered(path, VSR_RULES[rule_name]))
    if not answered:
        raise case.wrong(f"{path} is empty")
    if case.has("n"):
        yield Compared(f"rows of {path}", case.input("n", int, "a number"), len(answered))
    yield from _compared(case, answered)


def _compared(case: Case, answered: list[Prediction]) -> Iterator[Outcome]:
    scored = YesNoAccuracy().score(answered)
    counts = Counter((prediction.tags or {})["relation"] for prediction in answered)
    accuracies = {each: round(mean.value(), 4) for each, mean in scored.by["relation"].items()}
    for key, expected in case.expected.items():
        if key == "acc_overall_pct_from_labels":
            yield Compared(key, expected, 100 * scored.measures["accuracy"].value())
        elif key == "official_per_relation_top5" and isinstance(expected, dict):
            most = [relation for relation, _ in counts.most_common(NUM_TOP_RELATIONS)]
            yield Compared(f"{key}, the relations", list(expected), most)
            for relation in most:
                if relation in expected:
                    got = [accuracies[relation], counts[relation]]
                    yield Compared(f"{key}, {relation}", expected[relation], got)
        else:
            yield Unchecked(key, "unknown key")


def _below(folder: Path, name: str) -> Path | None:
    """The file of that path in a folder, or in one of the path's own folders: `DIR/zeroshot/test.jsonl`."""
    parts = PurePosixPath(name).parts
    paths = [folder.joinpath(*parts[start:]) for start in range(max(1, len(parts) - 1))]
    if len(parts) > 1 and folder.resolve().name == parts[-2]:
        paths.append(folder / parts[-1])
    return next((path for path in paths if path.is_file()), None)


def _answered(path: Path, rule: Callable[[int], bool]) -> Iterator[Prediction]:
    with path.open("rb") as file:
        for number, line in enumerate(file):
            try:
                row = json.loads(line)
                label, relation = row["label"], row["relation"]
            except (ValueError, KeyError, TypeError):
                label = relation = None
            if label not in (0, 1) or not isinstance(relation, str):
                raise EvaluationError(
                    f"{path}, line {number + 1}: no label of 0 or 1 with a relation"
                )
            answer = rule(number)
            yield Prediction(
                record_id=f"{number}",
                number=number,
                group_id=f"{number}",
                prompt="",
                output="yes" if answer else "no",
                candidates=("yes", "no"),
                log_probs=(float(answer), float(not answer)),
                num_positive=1,
                label=bool(label),
                tags={"relation": relation},
            )
