"""Scores a file of cases with our metrics and compares: how many agree, and the first that do not."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from datagen.errors import nearest
from trainer.errors import EvaluationError
from trainer.evaluation.conformance import ranked_cases, text_cases
from trainer.evaluation.conformance.case import (
    Case,
    Compared,
    Outcome,
    Unchecked,
    first_difference,
    read_cases,
)
from trainer.evaluation.conformance.scienceqa_cases import scienceqa
from trainer.evaluation.conformance.vsr_cases import vsr

NUM_SHOWN = 5


@dataclass(frozen=True)
class CaseOptions:
    """The backend of caption metrics, and the folder of files that cases name."""

    backend: str = "own"
    data: Path = Path()


_Verdict: TypeAlias = Literal["agrees", "disagrees", "unchecked"]
Format: TypeAlias = Callable[[Case, CaseOptions], Iterator[Outcome]]


@dataclass(frozen=True)
class Disagreement:
    """A case whose value is another than expected, first of all where it differs."""

    case: Case
    difference: Compared


@dataclass(frozen=True)
class CaseReport:
    """The result of checking a file.

    A case agrees if all its values do that could be compared; it is unchecked if there was none.
    `unchecked` counts values by key and reason.
    """

    num_agreeing: int
    num_disagreeing: int
    num_unchecked: int
    num_values: int
    disagreements: tuple[Disagreement, ...]
    unchecked: Mapping[Unchecked, int]


def _caption(only: str) -> Format:
    return lambda case, options: text_cases.caption(case, options.backend, only)


def _plain(check: Callable[[Case], Iterator[Outcome]]) -> Format:
    return lambda case, options: check(case)


def _choices(case: Case) -> Iterator[Outcome]:
    return scienceqa(case) if case.has("problems") else ranked_cases.iconqa(case)


def _vsr(case: Case, options: CaseOptions) -> Iterator[Outcome]:
    return vsr(case, options.data)


_FORMATS: Mapping[str, Format] = {
    "vqa": _plain(text_cases.vqa),
    **{
        mode: _plain(partial(text_cases.vqa, mode=mode))
        for mode in ("vqa_official_2021", "vqa_lavis", "vqa_evalai")
    },
    "exact_match": _plain(text_cases.exact_match),
    "exact_match_lavis": _plain(text_cases.exact_match_lavis),
    "exact_match_text": _plain(text_cases.exact_match_text),
    "ivqa": _plain(text_cases.ivqa),
    "aokvqa_direct": _plain(text_cases.aokvqa_direct),
    "caption": _caption(""),
    "cider": _caption("cider"),
    "bleu": _caption("bleu"),
    "rouge_l": _caption("rouge"),
    "ptb_tokenizer": _plain(text_cases.ptb_tokenizer),
    "visdial": _plain(ranked_cases.visdial),
    "auroc": _plain(ranked_cases.auroc),
    "choice_accuracy": _plain(_choices),
    "iconqa": _plain(ranked_cases.iconqa),
    "scienceqa": _plain(scienceqa),
    "yes_no_accuracy": _vsr,
    "vsr": _vsr,
}
ALIASES: Mapping[str, str] = {
    "aokvqa": "aokvqa_direct",
    "aokvqa_direct_lavis": "aokvqa_direct",
    "captions": "caption",
    "gqa": "exact_match_lavis",
    "hateful_memes": "auroc",
    "hatefulmemes": "auroc",
    "hatefulmemes_auroc": "auroc",
    "iconqa_choose_txt": "iconqa",
    "lavis": "vqa_lavis",
    "evalai": "vqa_evalai",
    "mrr": "visdial",
    "msrvtt_qa": "exact_match_lavis",
    "msvd_qa": "exact_match_lavis",
    "ndcg": "visdial",
    "ptb": "ptb_tokenizer",
    "roc_auc": "auroc",
    "rouge": "rouge_l",
}
"""Further names: the stems of the reference files, and short ones."""

NAMES = tuple(_FORMATS)


def check_cases(path: Path, name: str, options: CaseOptions) -> CaseReport:
    """Score every case of a file with a metric.

    Raises:
        EvaluationError: no such metric or file, a line that is no case of it, or nothing to compare.
    """
    check = _format(name)
    counts: Counter[_Verdict] = Counter()
    num_values = 0
    disagreements: list[Disagreement] = []
    unchecked: Counter[Unchecked] = Counter()
    for case in read_cases(path):
        outcomes = _outcomes(check, case, options)
        compared = [each for each in outcomes if isinstance(each, Compared)]
        unchecked.update(each for each in outcomes if isinstance(each, Unchecked))
        num_values += len(compared)
        differences = [d for each in compared if (d := first_difference(case, each)) is not None]
        if differences and len(disagreements) < NUM_SHOWN:
            disagreements.append(Disagreement(case, differences[0]))
        counts["disagrees" if differences else "agrees" if compared else "unchecked"] += 1
    if not num_values:
        raise EvaluationError(
            f"{path}: nothing was checked, of {num_cases(counts.total())}{_reasons(unchecked)}"
        )
    return CaseReport(
        num_agreeing=counts["agrees"],
        num_disagreeing=counts["disagrees"],
        num_unchecked=counts["unchecked"],
        num_values=num_values,
        disagreements=tuple(disagreements),
        unchecked=dict(unchecked),
    )


def num_cases(number: int) -> str:
    return f"{number:,} case{'s' * (number != 1)}"


def _outcomes(check: Format, case: Case, options: CaseOptions) -> list[Outcome]:
    try:
        return list(check(case, options))
    except EvaluationError as error:
        raise error if case.place in str(error) else case.wrong(str(error)) from None


def _reasons(unchecked: Iterable[Unchecked]) -> str:
    keys: dict[str, list[str]] = {}
    for key, why in unchecked:
        keys.setdefault(why, []).append(key)
    listed = "; ".join(f"{', '.join(names)}: {why}" for why, names in keys.items())
    return f" ({listed})" if listed else ""


def _format(name: str) -> Format:
    known = ALIASES.get(name.lower(), name.lower())
    if known not in _FORMATS:
        everything = (*NAMES, *ALIASES)
        raise EvaluationError(
            f"unknown metric {name!r}{nearest(name, everything)}; `visinstruct metric --list` shows all"
        )
    return _FORMATS[known]
