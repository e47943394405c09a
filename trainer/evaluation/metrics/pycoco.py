"""pycocoevalcap, an optional extra: its tokenizer, which is Java, and its scorers.

Its own wrapper of the tokenizer writes into the folder where it is installed, and knows no end of line
but the newline: a caption with another one, say a form feed, shifts all later captions to other
images. We call its jar ourselves, in a temporary folder, with captions that are single lines, and
prove that as many lines came back.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.base import Floats
from trainer.evaluation.metrics.ptb import PUNCTUATION, one_line

JAR = "tokenizer/stanford-corenlp-3.4.1.jar"
_LAST_LINE = "end of captions"


class Official(NamedTuple):
    """The numbers of pycocoevalcap's scorers: CIDEr and ROUGE-L of each image, BLEU-1 to 4 of the set."""

    cider: Floats
    bleu: tuple[float, ...]
    rouge_l: Floats


def unavailable() -> str | None:
    """Return what is missing to use pycocoevalcap, and what to do; None where nothing is."""
    if find_spec("pycocoevalcap") is None:
        return "pycocoevalcap is not installed (pip install 'visinstruct[captions]')"
    if _jar() is None:
        return f"pycocoevalcap {installed_version()} has no {JAR}; install version 1.2 of it"
    if shutil.which("java") is None:
        return "there is no java on the PATH, which the tokenizer of pycocoevalcap needs (a JRE, 8 or later)"
    return None


def installed_version() -> str:
    try:
        return version("pycocoevalcap")
    except PackageNotFoundError:
        return "of unknown version"


def tokenize(captions: Sequence[str]) -> list[str]:
    """The tokens of each caption, in order, by pycocoevalcap's jar.

    Raises:
        EvaluationError: pycocoevalcap or java is missing, or java failed.
    """
    if missing := unavailable():
        raise EvaluationError(f"captions cannot be tokenised by pycocoevalcap: {missing}")
    with tempfile.TemporaryDirectory(prefix="captions-") as folder:
        num_lines = _write(Path(folder, "captions"), captions)
        lines = _run_jar(folder)
        if len(lines) != num_lines or lines[-1].strip() != _LAST_LINE:
            raise EvaluationError(
                f"the tokenizer of pycocoevalcap gave {len(lines):,} lines for {num_lines:,}: captions "
                "would go to other images. Score with the backend `own`, and report it"
            )
    return [_without_punctuation(line) for line in lines[:-1]]


def _write(path: Path, captions: Sequence[str]) -> int:
    """One line each and a last one, by which we know that none was lost; returns how many."""
    num_lines = 0
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for caption in chain(captions, [_LAST_LINE]):
            file.write(f"{one_line(caption)}\n")
            num_lines += 1
    return num_lines


def _run_jar(folder: str) -> list[str]:
    """The lines that come out for the file `captions`. Java's own encoding is not taken for granted."""
    jar = _jar()
    assert jar is not None  # `unavailable` said so
    java = ("java", "-Dfile.encoding=UTF-8", "-cp", str(jar))
    tokenizer = ("edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase")
    command = (*java, *tokenizer, "-encoding", "UTF-8", "captions")
    with Path(folder, "tokens").open("w+b") as tokens, Path(folder, "errors").open("w+b") as errors:
        code = subprocess.call(command, cwd=folder, stdout=tokens, stderr=errors)  # noqa: S603
        if code:
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().splitlines()[-3:]
            raise EvaluationError(
                f"the tokenizer of pycocoevalcap ended with {code}: {' / '.join(last) or 'no message'}; "
                "is `java -version` 8 or later? The backend `own` needs no Java"
            )
        tokens.seek(0)
        return tokens.read().decode("utf-8").removesuffix("\n").split("\n")


def _without_punctuation(line: str) -> str:
    return " ".join([token for token in line.rstrip().split(" ") if token not in PUNCTUATION])


def _jar() -> Path | None:
    spec = find_spec("pycocoevalcap")
    folders = (spec and spec.submodule_search_locations) or ()
    return next((path for folder in folders if (path := Path(folder, JAR)).is_file()), None)


def score(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Official:
    """Score tokenised captions with pycocoevalcap's scorers.

    Raises:
        EvaluationError: no reference holds a word, which its CIDEr does not take.
    """
    if not any(chain.from_iterable(references)):
        raise EvaluationError(
            "no reference holds a word: pycocoevalcap cannot compute CIDEr; check the references"
        )
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    truth = dict(enumerate(map(list, references)))
    found = {number: [caption] for number, caption in enumerate(candidates)}
    _, cider = Cider().compute_score(truth, found)
    bleu, _ = Bleu().compute_score(truth, found, verbose=0)
    _, rouge_l = Rouge().compute_score(truth, found)
    return Official(np.asarray(cider, float), tuple(map(float, bleu)), np.asarray(rouge_l, float))
