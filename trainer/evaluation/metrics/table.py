"""The metrics by the names that protocols use."""

from collections.abc import Callable, Mapping

from datagen.errors import nearest
from trainer.errors import EvaluationError
from trainer.evaluation.metrics.agreement import AOKVQA_DIRECT, IVQA
from trainer.evaluation.metrics.auroc import AurocMetric
from trainer.evaluation.metrics.base import Metric
from trainer.evaluation.metrics.choices import ChoiceAccuracy, YesNoAccuracy
from trainer.evaluation.metrics.exact import EXACT_MATCH, EXACT_MATCH_LAVIS, EXACT_MATCH_TEXT
from trainer.evaluation.metrics.ranks import VisdialMetric
from trainer.evaluation.metrics.vqa import VQA_EVALAI, VQA_LAVIS, VQA_OFFICIAL_2021


def _cider(captions: str | None) -> Metric:
    """CIDEr of the backend `captions`: `own` or `pycocoevalcap`."""
    from trainer.evaluation.metrics.captions import CiderMetric

    return CiderMetric(backend=captions)


_FACTORIES: Mapping[str, Callable[[str | None], Metric]] = {
    "vqa_official_2021": lambda _: VQA_OFFICIAL_2021,
    "vqa_lavis": lambda _: VQA_LAVIS,
    "vqa_evalai": lambda _: VQA_EVALAI,
    "exact_match": lambda _: EXACT_MATCH,
    "exact_match_lavis": lambda _: EXACT_MATCH_LAVIS,
    "exact_match_text": lambda _: EXACT_MATCH_TEXT,
    "ivqa": lambda _: IVQA,
    "aokvqa_direct": lambda _: AOKVQA_DIRECT,
    "cider": _cider,
    "visdial": lambda _: VisdialMetric(),
    "auroc": lambda _: AurocMetric(),
    "choice_accuracy": lambda _: ChoiceAccuracy(),
    "yes_no_accuracy": lambda _: YesNoAccuracy(),
}

METRICS = tuple(_FACTORIES)


def resolved_captions(captions: str | None) -> str:
    """The backend that caption metrics will really use for this choice: `own` or `pycocoevalcap`.

    Raises:
        EvaluationError: the chosen one is unknown, or cannot be used here.
    """
    from trainer.evaluation.metrics.backends import resolved

    return resolved(captions)


def metric(name: str, captions: str | None = None) -> Metric:
    """The metric of a name; `captions` chooses the backend of caption metrics.

    Raises:
        EvaluationError: there is none of that name.
    """
    if name not in _FACTORIES:
        raise EvaluationError(
            f"unknown metric {name!r}{nearest(name, METRICS)}; there are {', '.join(METRICS)}"
        )
    return _FACTORIES[name](captions)
