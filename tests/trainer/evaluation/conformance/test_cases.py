"""Files of cases: every format is scored, and nothing passes unseen."""

import json
import math
from pathlib import Path

import pytest

from trainer.errors import EvaluationError
from trainer.evaluation.conformance.cases import ALIASES, NAMES, CaseOptions, check_cases

CASES = Path(__file__).resolve().parents[3] / "assets" / "metrics_cases"
TEN = ["2"] * 8 + ["two", "3"]


@pytest.fixture
def check(tmp_path):
    """Writes cases (or plain lines) and checks them."""

    def check(name, *rows, data=None, backend="own"):
        path = tmp_path / "cases.jsonl"
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("".join(f"{line}\n" for line in lines))
        return check_cases(path, name, CaseOptions(backend, data or tmp_path))

    return check


def case(inputs, expected, **others):
    return {"inputs": inputs, "expected": expected, **others}


@pytest.mark.parametrize("path", sorted(CASES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_the_official_scores_are_ours(path):
    if path.stem == "vsr":
        pytest.skip("its labels are in another file")
    report = check_cases(path, path.stem, CaseOptions())
    assert report.num_values
    assert [(each.case.place, each.difference) for each in report.disagreements] == []
    assert report.num_unchecked == 0
    assert report.num_agreeing == sum(1 for line in path.read_text().splitlines() if line)


RIGHT = [
    ("vqa", case({"pred": "Two", "gts": TEN}, {"official_2021_any": 100.0})),
    ("vqa", case({"pred": "Two", "gts": TEN}, {"official_2016_any": 100, "normalised_pred": "2"})),
    ("vqa_lavis", case({"pred": "3", "gts": TEN}, 30)),
    ("vqa_evalai", case({"pred": "3?", "gts": TEN}, {"vqa_evalai": 30.0})),
    ("exact_match_lavis", case({"pred": "the man", "gt": "man"}, 100.0, raw_string_equal=0.0)),
    ("exact_match", case({"pred": "the man", "gt": "man"}, 100.0, raw_string_equal=0.0)),
    ("exact_match", case({"pred": "the man", "gt": "man"}, 0.0)),
    ("ivqa", case({"pred": "pan", "answers": ["pan", "pot"]}, 0.5)),
    ("aokvqa", case({"pred": "dog", "gts": ["dog", "dog", "cat"]}, 66.66666667)),
    (
        "visdial",
        case({"scores": [[0.1, 0.3, 0.2]], "gt_index": [2]}, {"mrr": 0.5, "gt_ranks": [2]}),
    ),
    ("ndcg", case({"scores": [3, 2, 1], "relevance": [0, 0.5, 0]}, {"ndcg": 0.0})),
    ("ndcg", case({"scores": [3, 2, 1], "relevance": [0, 0, 0]}, {"ndcg": "nan"})),
    ("ndcg", case({"scores": [[3, 2], [1, 2]], "relevance": [[1, 0], [1, 0]]}, {"ndcg": 0.5})),
    ("auroc", case({"labels": [0, 1, 1], "scores": [0.5, 0.5, 1]}, 0.75)),
    ("auroc", case({"labels": [1, 1], "scores": [0.5, 0.6]}, math.nan)),
    (
        "iconqa",
        case(
            {"candidate_scores": [[1, 1], [0, 2]], "answers": [1, 1]}, {"acc": 50, "pred": [0, 1]}
        ),
    ),
    ("choice_accuracy", case({"candidate_scores": [[1, 2, 3], [0, 2]], "answers": [2, 0]}, 50)),
]
WRONG = [
    ("vqa", case({"pred": "Two", "gts": TEN}, {"official_2021_any": 90.0})),
    (
        "vqa",
        case({"pred": "Two", "gts": TEN}, {"official_2021_any": 100, "normalised_pred": "two"}),
    ),
    ("exact_match_lavis", case({"pred": "the man", "gt": "man"}, 100.0, raw_string_equal=100.0)),
    ("ivqa", case({"pred": "pan", "answers": ["pan", "pot"]}, 1)),
    ("aokvqa", case({"pred": "dog", "gts": ["dog", "dog", "cat"]}, 66.6)),
    (
        "visdial",
        case({"scores": [[0.1, 0.3, 0.2]], "gt_index": [2]}, {"mrr": 0.5, "gt_ranks": [3]}),
    ),
    ("ndcg", case({"scores": [3, 2, 1], "relevance": [0, 0, 0]}, {"ndcg": 0.0})),
    ("auroc", case({"labels": [0, 1, 1], "scores": [0.5, 0.5, 1]}, math.nan)),
    ("iconqa", case({"candidate_scores": [[1, 1]], "answers": [1]}, {"pred": [0, 1]})),
]


@pytest.mark.parametrize(("name", "row"), RIGHT)
def test_a_case_with_the_right_value_agrees(check, name, row):
    report = check(name, row)
    assert (report.num_agreeing, report.num_disagreeing, report.num_unchecked) == (1, 0, 0)


@pytest.mark.parametrize(("name", "row"), WRONG)
def test_a_case_with_another_value_does_not(check, name, row):
    report = check(name, row)
    assert (report.num_agreeing, report.num_disagreeing, report.num_unchecked) == (0, 1, 0)
    assert report.disagreements[0].case.row["inputs"] == row["inputs"]


def test_the_first_difference_in_a_list_is_named(check):
    row = case({"candidate_scores": [[1, 0], [0, 2]], "answers": [1, 1]}, {"pred": [0, 0]})
    difference = check("iconqa", row).disagreements[0].difference
    assert difference == ("pred[1]", 0, 1)


def test_only_the_first_disagreements_are_kept_and_all_are_counted(check):
    report = check("ivqa", *[case({"pred": "a", "answers": ["a"]}, 1)] * 12)
    assert report.num_disagreeing == 12
    assert len(report.disagreements) == 5


CAPTIONS = {
    "refs": {"7": ["a dog runs", "the dog is running"], "8": ["a cat", "the cat sleeps"]},
    "hyp": {"7": "a dog runs", "8": "a red car"},
}


def test_captions_are_compared_by_what_the_name_says(check):
    row = case(CAPTIONS, {"Bleu": [0.0] * 4, "CIDEr": -1, "METEOR": 0.3})
    reasons = {key: why for key, why in check("bleu", row).unchecked}
    assert reasons == {"CIDEr": "not of bleu", "METEOR": "no metric of ours"}
    assert check("cider", row).disagreements[0].difference.key == "CIDEr"
    assert check("caption", row).disagreements[0].difference.key == "Bleu[0]"


def test_captions_of_other_images_than_the_references_are_refused(check):
    row = case({**CAPTIONS, "hyp": {"7": "a dog"}}, {"CIDEr": 1})
    with pytest.raises(EvaluationError, match=r"line 1: `refs` has 2 images and `hyp` 1"):
        check("caption", row)


def test_tokens_are_compared(check):
    report = check("ptb", case("A dog.", "a dog"), case("A dog.", "a dog ."))
    assert (report.num_agreeing, report.num_disagreeing) == (1, 1)


def science(**fields):
    return {
        "choices": ["a", "b"],
        "answer": 1,
        "hint": "",
        "image": None,
        "grade": "grade7",
        "subject": "natural science",
        "split": "test",
        **fields,
    }


def test_science_questions_are_grouped(check):
    problems = {
        "1": science(image="image.png"),
        "2": science(image="image.png", grade="grade6"),
        "3": science(image="image.png", hint="h"),
        "4": science(),
        "5": science(split="train"),
    }
    chosen = {"1": 1, "2": 0, "3": -1, "4": 1}
    expected = {
        "acc_has_image": "33.33",
        "acc_has_text": "0.00",
        "acc_no_context": "100.00",
        "acc_grade_1_6": "0.00",
        "acc_grade_7_12": "66.67",
        "acc_natural": "50.00",
        "acc_average": "50.00",
        "acc_physics": "50.00",
    }
    report = check("scienceqa", case({"problems": problems, "pred_index": chosen}, expected))
    assert report.num_agreeing == 1
    assert report.num_values == 7
    assert [key for key, _ in report.unchecked] == ["acc_physics"]


def test_science_topics_are_checked_where_the_problems_say_them(check):
    problems = {"1": science(topic="physics"), "2": science(topic="biology")}
    inputs = {"problems": problems, "pred_index": {"1": 1, "2": 0}}
    report = check("scienceqa", case(inputs, {"acc_physics": "100.00", "acc_biology": "0.00"}))
    assert (report.num_agreeing, report.num_values) == (1, 2)


@pytest.fixture
def labels(tmp_path):
    """A labels file of VSR in its publishers' folders; returns the folder above them."""
    path = tmp_path / "vsr" / "data" / "splits" / "zeroshot" / "test.jsonl"
    path.parent.mkdir(parents=True)
    rows = [(1, "on"), (0, "on"), (1, "under"), (1, "on")]
    path.write_text("".join(json.dumps({"label": a, "relation": b}) + "\n" for a, b in rows))
    return tmp_path / "vsr"


def statements(rule, expected, n=4):
    return case({"preds_rule": rule, "file": "data/splits/zeroshot/test.jsonl", "n": n}, expected)


@pytest.mark.parametrize("below", ["", "data", "data/splits", "data/splits/zeroshot"])
def test_statements_are_scored_with_the_publishers_labels(check, labels, below):
    top = {"on": [0.6667, 3], "under": [1.0, 1]}
    expected = {"acc_overall_pct_from_labels": 75.0, "official_per_relation_top5": top}
    report = check(
        "vsr",
        statements("all_true", expected),
        statements("index_parity", {"acc_overall_pct_from_labels": 25.0}),
        data=labels / below,
    )
    assert (report.num_agreeing, report.num_disagreeing) == (2, 0)


def test_labels_with_another_number_of_rows_do_not_agree(check, labels):
    row = statements("all_true", {"acc_overall_pct_from_labels": 75.0}, n=1222)
    assert check("vsr", row, data=labels).disagreements[0].difference[1:] == (1222, 4)


def test_statements_without_their_labels_are_no_success(check):
    with pytest.raises(EvaluationError, match=r"nothing was checked, of 1 case .*--data"):
        check("vsr", statements("all_true", {"acc_overall_pct_from_labels": 75.0}))


def test_unknown_keys_are_counted(check):
    row = case({"pred": "2", "gts": TEN}, {"official_2021_x": 100.0, "anls": 1.0})
    report = check("vqa", row, row)
    assert (report.num_agreeing, report.num_values) == (2, 2)
    assert {key: number for (key, _), number in report.unchecked.items()} == {"anls": 2}


def test_a_case_of_unknown_keys_only_does_not_agree(check):
    inputs = {"pred": "2", "gts": TEN}
    report = check("vqa", case(inputs, {"official_2021_x": 100.0}), case(inputs, {"anls": 1.0}))
    assert (report.num_agreeing, report.num_unchecked) == (1, 1)


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("vqa", ["{"], "line 1: not JSON"),
        ("vqa", ['"text"'], "line 1: .* not an object"),
        ("vqa", ["", '{"inputs": {}}'], "line 2: no case, it has no `expected`"),
        ("vqa", ['{"input": {}}'], "no `inputs` and no `expected`"),
        ("vqa", [case([], {})], "`inputs` is .*, not an object with 'pred'"),
        ("vqa", [case({"pred": "a", "answers": ["a"]}, 1)], "lacks 'gts' .* another metric"),
        ("vqa", [case({"pred": 1, "gts": ["a"]}, 1)], "`inputs.pred` is 1, not a text"),
        ("vqa", [case({"pred": "a", "gts": [1]}, 1)], "not a list of texts"),
        ("vqa", [case({"pred": "a", "gts": []}, 1)], "not a list of texts"),
        ("vqa", [case({"pred": "a", "gts": ["a"]}, 1)], "one value: name its mode"),
        ("vqa_lavis", [case({"pred": "a", "gts": ["a"]}, "x")], '`expected` is "x", not a number'),
        ("ivqa", [case({"pred": "a", "answers": ["a"]}, True)], "not a number"),
        ("ptb_tokenizer", [case(5, "a")], "`inputs` is not a text"),
        ("ptb_tokenizer", [case("a", 5)], "is 5, not a text"),
        ("auroc", [case({"labels": [0, 2], "scores": [1, 2]}, 1)], "line 1: .*0 or 1"),
        ("auroc", [case({"labels": [0], "scores": [1, 2]}, 1)], "line 1: .*2 scores"),
        ("auroc", [case({"labels": [0], "scores": ["1"]}, 1)], "not numbers"),
        ("auroc", [case({"labels": [0], "scores": [math.nan]}, 1)], "not numbers"),
        ("visdial", [case({"scores": [[1, 2], [3]], "gt_index": [0, 0]}, {})], "of one length"),
        ("visdial", [case({"scores": [[1, 2]], "gt_index": [2]}, {})], "does not fit"),
        ("visdial", [case({"scores": [[1, 2]], "gt_index": [0.5]}, {})], "not whole"),
        ("iconqa", [case({"candidate_scores": [[1]], "answers": [0, 1]}, 1)], "1 rows .* 2 ans"),
        ("iconqa", [case({"candidate_scores": [[]], "answers": [0]}, 1)], "list of numbers"),
        ("iconqa", [case({"candidate_scores": [[1]], "answers": [0]}, {"pred": 0})], "not a list"),
        ("scienceqa", [case({"problems": {}, "pred_index": {}}, {})], "0 problems"),
        ("vsr", [case({"file": "x", "preds_rule": "odd"}, {})], "unknown preds_rule 'odd'"),
        ("vqa", [], "nothing was checked, of 0 cases"),
        ("vqa", [case({"pred": "a", "gts": ["a"]}, {"x": 1})], r"of 1 case \(x: unknown key\)"),
        ("vqaa", [], "unknown metric 'vqaa', did you mean 'vqa'"),
    ],
)
def test_what_is_no_case_is_refused_with_its_place(check, name, rows, message):
    with pytest.raises(EvaluationError, match=message):
        check(name, *rows)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="no such file"):
        check_cases(tmp_path / "none.jsonl", "vqa", CaseOptions())


def test_further_names_are_of_known_ones_and_hide_none():
    assert set(ALIASES.values()) <= set(NAMES)
    assert not set(ALIASES) & set(NAMES)
