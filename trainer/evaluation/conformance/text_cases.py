"""Our scores of cases whose inputs are answers, captions or tokens."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from trainer.evaluation.conformance.case import Case, Compared, Outcome, Unchecked, against
from trainer.evaluation.metrics.agreement import three_agree, two_agree
from trainer.evaluation.metrics.answers import Judge
from trainer.evaluation.metrics.exact import equal, equal_normalised, equal_texts
from trainer.evaluation.metrics.normalise import one_line, vqa_answer
from trainer.evaluation.metrics.vqa import evalai, leave_equal_out, official_2016, official_2021

NOT_OURS = "no metric of ours"


class _Rule(NamedTuple):
    """Meaning of keys with this beginning (a commit may follow), and the modes that they belong to."""

    start: str
    modes: tuple[str, ...]
    value: Callable[[str, tuple[str, ...]], float | str]


def _percent(judge: Judge) -> Callable[[str, tuple[str, ...]], float]:
    return lambda output, references: 100 * judge(output, references).score


def _without_ids(output: str, references: tuple[str, ...]) -> float:
    judged = official_2021(output, references)
    return 100 * leave_equal_out(judged.normalised, judged.normalised_references)


_RULES = (
    _Rule("official_2021_without_answer_id", ("vqa_official_2021",), _without_ids),
    _Rule("official_2021", ("vqa_official_2021",), _percent(official_2021)),
    _Rule("vqa_official_2021", ("vqa_official_2021",), _percent(official_2021)),
    _Rule("official_2016", ("vqa_lavis",), _percent(official_2016)),
    _Rule("vqa_lavis", ("vqa_lavis",), _percent(official_2016)),
    _Rule("lmms_textvqa", ("vqa_evalai",), _percent(evalai)),
    _Rule("vqa_evalai", ("vqa_evalai",), _percent(evalai)),
    _Rule(
        "normalised_pred",
        ("vqa_official_2021", "vqa_lavis"),
        lambda output, _: vqa_answer(one_line(output)),
    ),
)


def vqa(case: Case, mode: str | None = None) -> Iterator[Outcome]:
    """VQA accuracy in percent, of one of our three modes or of every mode that is expected.

    `not_official_for_comparison` beside `expected` holds what other harnesses give: that of lmms-eval's
    TextVQA is our mode `vqa_evalai`.
    """
    output, references = case.text("pred"), case.texts("gts")
    aside = case.row.get("not_official_for_comparison", {})
    if not isinstance(aside, dict):
        raise case.wrong("`not_official_for_comparison` is not an object")
    for key, expected in {**case.expected, **aside}.items():
        if key == "expected" and mode is None:
            raise case.wrong(
                "`expected` is one value: name its mode, vqa_official_2021, vqa_lavis or vqa_evalai"
            )
        meant = mode if key == "expected" and mode else key
        rule = next((each for each in _RULES if meant.startswith(each.start)), None)
        if rule is None:
            yield Unchecked(key, NOT_OURS if key in aside else "unknown key")
        elif mode is not None and mode not in rule.modes:
            yield Unchecked(key, f"not of {mode}")
        else:
            yield Compared(key, expected, rule.value(output, references))


def exact_match_lavis(case: Case) -> Iterator[Outcome]:
    """Exact match after normalisation as `expected`, and plain equality as `raw_string_equal` beside it."""
    output, reference = case.text("pred"), case.text("gt")
    normalised = 100 * equal_normalised(output, (reference,)).score
    yield from against(case, {"expected": normalised, "exact_match_lavis": normalised})
    if "raw_string_equal" in case.row:
        yield _raw(case, "raw_string_equal", case.row["raw_string_equal"])


def exact_match(case: Case) -> Iterator[Outcome]:
    """Plain equality: `raw_string_equal` where a case has it, else `expected`."""
    if "raw_string_equal" in case.row:
        yield _raw(case, "raw_string_equal", case.row["raw_string_equal"])
        yield Unchecked("expected", "of exact_match_lavis, since raw_string_equal is beside it")
        return
    for key, expected in case.expected.items():
        if key in ("expected", "exact_match"):
            yield _raw(case, key, expected)
        else:
            yield Unchecked(key, "unknown key")


def exact_match_text(case: Case) -> Iterator[Outcome]:
    """Equality without regard to case, blanks and marks around words: 0 to 100."""
    score = 100 * equal_texts(case.text("pred"), (case.text("gt"),)).score
    return against(case, {"expected": score, "exact_match_text": score})


def _raw(case: Case, key: str, expected: Any) -> Compared:
    return Compared(key, expected, 100 * equal(case.text("pred"), (case.text("gt"),)).score)


def ivqa(case: Case) -> Iterator[Outcome]:
    """Two annotators agree: 0 to 1."""
    score = two_agree(case.text("pred"), case.texts("answers")).score
    return against(case, {"expected": score, "ivqa": score})


def aokvqa_direct(case: Case) -> Iterator[Outcome]:
    """Three annotators agree: 0 to 100."""
    score = 100 * three_agree(case.text("pred"), case.texts("gts")).score
    return against(case, {"expected": score, "aokvqa_direct": score})


def ptb_tokenizer(case: Case) -> Iterator[Outcome]:
    """Tokens of a caption, a space between them."""
    from trainer.evaluation.metrics.ptb import tokenize

    text = case.row["inputs"]
    if not isinstance(text, str):
        raise case.wrong("`inputs` is not a text")
    return against(case, {"expected": tokenize(text)})


def caption(case: Case, backend: str, only: str = "") -> Iterator[Outcome]:
    """CIDEr, BLEU and ROUGE-L of a set of captions; `only` those whose key begins so, in lower case."""
    from trainer.evaluation.metrics.captions import score_corpus

    candidates, references = _captions(case)
    scores = score_corpus(candidates, references, backend)
    values: dict[str, Any] = {
        "CIDEr": scores.cider,
        "CIDEr_per_item": [float(each) for each in scores.per_image],
        "Bleu": list(scores.bleu),
        "ROUGE_L": scores.rouge_l,
    } | {f"Bleu_{n}": value for n, value in enumerate(scores.bleu, start=1)}
    kept = {key: value for key, value in values.items() if key.lower().startswith(only)}
    left_out = {key: f"not of {only}" for key in values if key not in kept}
    return against(case, kept, {"METEOR": NOT_OURS, "SPICE": NOT_OURS, **left_out})


def _captions(case: Case) -> tuple[dict[str, str], Mapping[str, list[str]]]:
    """Candidates and references, both in the order of the references, as pycocoevalcap goes."""
    references = case.input("refs", dict, "an object with a list of captions for each image")
    candidates = case.input("hyp", dict, "an object with a caption for each image")
    if not references or candidates.keys() != references.keys():
        raise case.wrong(
            f"`refs` has {len(references)} images and `hyp` {len(candidates)}; they need to be the same"
        )
    for name, texts in references.items():
        if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
            raise case.wrong(f"`refs` of image {name!r} is not a list of captions")
    ordered = {}
    for name in references:
        found = candidates[name]
        single = found[0] if isinstance(found, list) and len(found) == 1 else found
        if not isinstance(single, str):
            raise case.wrong(f"`hyp` of image {name!r} is not one caption")
        ordered[name] = single
    return ordered, references
