"""VQA accuracy in three named modes, which differ where answers are raw.

An answer's accuracy against ten annotators' is the mean, over the ten ways of leaving one out, of
min(1, matches among the other nine / 3): k equal ones give 0, 0.3, 0.6, 0.9, 1 for k = 0 to 4. (That is not
min(1, k / 3).) One annotator is left out by place: the official script does it by comparing entries, which
comes to the same where each has its `answer_id`, and loses equal answers where none has (VizWiz).

`vqa_official_2021`   GT-Vision-Lab/VQA a013f00 (11 March 2021, the newest), `vqaEvaluation/vqaEval.py`. Both
                      sides are normalised, unless the annotators all gave one answer: then nothing is, and
                      "Yes" against ten times "yes" is 0.
`vqa_lavis`           the same at 458a8b2 (8 October 2016), which LAVIS copied and InstructBLIP was scored by. The
                      output is always normalised in full; annotators' answers lose their punctuation only, and
                      not even that where all are equal. An answer "two" or "a dog" can never be matched.
`vqa_evalai`          lmms-eval's `EvalAIAnswerProcessor` on both sides, always (`tasks/textvqa/utils.py`): the rule
                      of TextVQA's and VizWiz' leaderboards.

VQAv2's annotations were normalised by their publishers, so that the modes agree there but for rare cases.
"""

from collections.abc import Sequence

from trainer.evaluation.metrics.answers import AnswerMetric, Judged
from trainer.evaluation.metrics.normalise import (
    evalai_answer,
    one_line,
    vqa_answer,
    vqa_punctuation,
)


def leave_one_out(answer: str, answers: Sequence[str]) -> float:
    """Accuracy of an answer against the annotators', each left out once by its place."""
    num_equal = sum(each == answer for each in answers)
    if not num_equal:
        return 0.0
    left_out_equal = num_equal * min(1.0, (num_equal - 1) / 3)
    left_out_other = (len(answers) - num_equal) * min(1.0, num_equal / 3)
    return (left_out_equal + left_out_other) / len(answers)


def leave_equal_out(answer: str, answers: Sequence[str]) -> float:
    """Score as the official script where entries have no `answer_id`: equal ones are all left out.

    No metric of ours; it shows what a published number may have gone through.
    """
    num_equal = sum(each == answer for each in answers)
    return (len(answers) - num_equal) * min(1.0, num_equal / 3) / len(answers)


def official_2021(output: str, references: tuple[str, ...]) -> Judged:
    answer, answers = one_line(output), tuple(map(one_line, references))
    if len(set(answers)) > 1:
        answer, answers = vqa_answer(answer), tuple(map(vqa_answer, answers))
    return Judged(leave_one_out(answer, answers), answer, answers)


def official_2016(output: str, references: tuple[str, ...]) -> Judged:
    answer, answers = vqa_answer(one_line(output)), references
    if len(set(answers)) > 1:
        answers = tuple(map(vqa_punctuation, answers))
    return Judged(leave_one_out(answer, answers), answer, answers)


def evalai(output: str, references: tuple[str, ...]) -> Judged:
    answer, answers = evalai_answer(output), tuple(map(evalai_answer, references))
    return Judged(leave_one_out(answer, answers), answer, answers)


VQA_OFFICIAL_2021 = AnswerMetric(
    name="vqa_official_2021",
    normaliser="vqa_2021",
    judge=official_2021,
    min_references=2,
    by=("answer_type",),
)
VQA_LAVIS = AnswerMetric(
    name="vqa_lavis",
    normaliser="vqa_2016",
    judge=official_2016,
    min_references=2,
    by=("answer_type",),
)
VQA_EVALAI = AnswerMetric(
    name="vqa_evalai",
    normaliser="vqa_evalai",
    judge=evalai,
    min_references=2,
    by=("answer_type",),
)
