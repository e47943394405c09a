"""Scores by how many annotators gave the very answer; texts are compared as they are.

`ivqa`            min(n / 2, 1) for n of five annotators: antoyang/just-ask b58f08e, `data/videoqa_loader.py` (counts
                  equal answers), `eval_videoqa.py` (halves and clamps) and `util.py` (`compute_aggreeings`). There
                  an answer outside of a vocabulary counts for nothing; here there is none.
`aokvqa_direct`   min(n / 3, 1) for n of ten: `AOKVQATask._report_metrics` in salesforce/LAVIS 506965b,
                  `lavis/tasks/vqa.py`, after allenai/aokvqa, `evaluation/eval_predictions.py`. No normalisation and
                  no leaving-one-out, unlike VQA accuracy. LAVIS counts every question; the publishers leave out
                  those that are marked as difficult to answer directly: `accuracy_without_difficult`.
"""

from trainer.evaluation.metrics.answers import AnswerMetric, Judged


def two_agree(output: str, references: tuple[str, ...]) -> Judged:
    return Judged(min(references.count(output) / 2, 1.0), output, references)


def three_agree(output: str, references: tuple[str, ...]) -> Judged:
    return Judged(min(references.count(output) / 3, 1.0), output, references)


IVQA = AnswerMetric(name="ivqa", normaliser="none", judge=two_agree)
AOKVQA_DIRECT = AnswerMetric(
    name="aokvqa_direct",
    normaliser="none",
    judge=three_agree,
    difficult_tag="difficult_direct_answer",
)
