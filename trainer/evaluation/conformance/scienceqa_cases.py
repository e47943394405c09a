"""Our scores of ScienceQA's problems and the chosen places.

The groups are those of lupantech/ScienceQA 2cbf831, `tools/evaluate_acc.py`, `get_scores`, which prints two
digits after the point. The InstructBLIP paper's number is `acc_has_image`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from trainer.evaluation.conformance.case import Case, Compared, Outcome, Unchecked
from trainer.evaluation.metrics.base import Mean
from trainer.evaluation.metrics.choices import ChoiceAccuracy
from trainer.evaluation.predictions.prediction import Prediction

Problem: TypeAlias = Mapping[str, Any]

_SUBJECTS = {
    "acc_natural": "natural science",
    "acc_social": "social science",
    "acc_language": "language science",
}
_GROUPS: Mapping[str, Callable[[Problem], bool]] = {
    "acc_has_text": lambda problem: bool(problem.get("hint")),
    "acc_has_image": lambda problem: bool(problem.get("image")),
    "acc_has_text_image": lambda problem: bool(problem.get("hint") and problem.get("image")),
    "acc_no_context": lambda problem: not problem.get("hint") and not problem.get("image"),
    "acc_grade_1_6": lambda problem: problem.get("grade") in _grades(1, 6),
    "acc_grade_7_12": lambda problem: problem.get("grade") in _grades(7, 12),
    "acc_average": lambda problem: True,
}


def _grades(first: int, last: int) -> list[str]:
    return [f"grade{number}" for number in range(first, last + 1)]


def scienceqa(case: Case) -> Iterator[Outcome]:
    """Accuracy of the problems whose split is test, by group, as the official script groups them."""
    problems = case.input("problems", dict, "an object of problems")
    chosen = case.input("pred_index", dict, "an object of chosen places")
    tested = {
        name: problem
        for name, problem in problems.items()
        if isinstance(problem, dict) and problem.get("split") == "test"
    }
    if not tested or tested.keys() != chosen.keys():
        raise case.wrong(
            f"{len(tested)} problems have the split test and {len(chosen)} have a `pred_index`; they need to "
            "be the same"
        )
    metric = ChoiceAccuracy()
    answered = [_chosen(case, name, problem, chosen[name]) for name, problem in tested.items()]
    scores = metric.score(answered).scores
    for key, expected in case.expected.items():
        group, known = _group(key, tested.values())
        if group is None:
            yield Unchecked(key, known)
        else:
            kept = [bool(group(problem)) for problem in tested.values()]
            yield Compared(
                key, expected, round(100 * Mean(np.where(kept, scores, np.nan)).value(), 2)
            )


def _group(key: str, problems: Iterable[Problem]) -> tuple[Callable[[Problem], bool] | None, str]:
    """Return the problems that a key is about; or none, and why."""
    if key in _SUBJECTS:
        return (lambda problem: problem.get("subject") == _SUBJECTS[key]), ""
    if key in _GROUPS:
        return _GROUPS[key], ""
    topics = {str(problem["topic"]) for problem in problems if "topic" in problem}
    topic = key.removeprefix("acc_")
    if topic in topics:
        return (lambda problem: problem.get("topic") == topic), ""
    if key.startswith("acc_") and not topics:
        return None, "a topic, and the problems say none"
    return None, "unknown key"


def _chosen(case: Case, name: str, problem: Problem, choice: Any) -> Prediction:
    """A prediction that ranks the chosen candidate first; a place that does not exist is its own candidate.

    Candidates are named by their places, which are all that the official script compares.
    """
    choices, answer = problem.get("choices"), problem.get("answer")
    if not isinstance(choices, list) or not isinstance(answer, int) or not isinstance(choice, int):
        raise case.wrong(f"problem {name!r} lacks its choices, answer or place in `pred_index`")
    if not 0 <= answer < len(choices):
        raise case.wrong(f"problem {name!r}: answer {answer} is none of {len(choices)} choices")
    place = choice if 0 <= choice < len(choices) else len(choices)
    return Prediction(
        record_id=name,
        number=0,
        group_id=name,
        prompt="",
        output="",
        candidates=tuple(map(str, range(len(choices) + 1))),
        log_probs=tuple(0.0 if each == place else -1.0 for each in range(len(choices) + 1)),
        correct_choice=answer,
    )
