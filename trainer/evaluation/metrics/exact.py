"""Exact match with a set's one answer, or with any where it has several.

`exact_match`         plain equality of texts: GQA's own `eval.py`. "Left" is not "left".
`exact_match_lavis`   both sides through LAVIS's VQA normaliser, then equality: `GQATask._report_metrics` in
                      salesforce/LAVIS 506965b, `lavis/tasks/vqa.py`, which its MSVD-QA and MSRVTT-QA
                      configurations name too. Line breaks need no step of their own, as words are split anyway.
`exact_match_text`    equality without regard to case, blanks and marks around words: the default of own data. LAVIS's
                      rules take 1,50 for 150, `none` for 0 and the grade A for an article.
"""

from trainer.evaluation.metrics.answers import AnswerMetric, Judged
from trainer.evaluation.metrics.normalise import lavis_answer, plain_answer


def equal(output: str, references: tuple[str, ...]) -> Judged:
    return Judged(float(output in references), output, references)


def equal_normalised(output: str, references: tuple[str, ...]) -> Judged:
    answer, answers = lavis_answer(output), tuple(map(lavis_answer, references))
    return Judged(float(answer in answers), answer, answers)


def equal_texts(output: str, references: tuple[str, ...]) -> Judged:
    answer, answers = plain_answer(output), tuple(map(plain_answer, references))
    return Judged(float(answer in answers), answer, answers)


EXACT_MATCH = AnswerMetric(name="exact_match", normaliser="none", judge=equal)
EXACT_MATCH_LAVIS = AnswerMetric(
    name="exact_match_lavis", normaliser="vqa_both_sides", judge=equal_normalised
)
EXACT_MATCH_TEXT = AnswerMetric(
    name="exact_match_text", normaliser="case_and_marks", judge=equal_texts
)
