"""The backends that score captions: our own code, or pycocoevalcap, an optional extra that needs Java."""

from datagen.errors import nearest
from trainer.errors import EvaluationError
from trainer.evaluation.metrics import pycoco

BACKENDS = ("own", "pycocoevalcap")


def resolved(backend: str | None) -> str:
    """The backend that will be used: without a choice pycocoevalcap where that and Java are at hand, else ours.

    Raises:
        EvaluationError: the one that was chosen is unknown, or cannot be used here.
    """
    if backend is None:
        return "own" if pycoco.unavailable() else "pycocoevalcap"
    return checked(backend)


def checked(backend: str) -> str:
    """The backend, which is known and can be used.

    Raises:
        EvaluationError: it is not.
    """
    if backend not in BACKENDS:
        raise EvaluationError(
            f"unknown backend of caption metrics {backend!r}{nearest(backend, BACKENDS)}; there are "
            f"{' and '.join(BACKENDS)}"
        )
    missing = pycoco.unavailable() if backend == "pycocoevalcap" else None
    if missing:
        raise EvaluationError(
            f"captions are to be scored by pycocoevalcap, which cannot be used here: {missing}. If it could when "
            "the evaluation was made, install it again, or score with --captions own, which needs neither"
        )
    return backend
