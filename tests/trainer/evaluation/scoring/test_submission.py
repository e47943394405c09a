"""The files that servers take."""

import json
import math

import pytest
from msgspec.structs import replace

from trainer.errors import EvaluationError
from trainer.evaluation.predictions.prediction import Prediction
from trainer.evaluation.scoring.submission import write_submission


def prediction(record_id, output="a cat", **fields):
    return Prediction(
        record_id=record_id, number=0, group_id="group", prompt="", output=output, **fields
    )


def ranked(record_id, log_probs, best, candidates=None):
    candidates = candidates or tuple(f"choice {place}" for place in range(len(log_probs)))
    return prediction(record_id, candidates[best], candidates=candidates, log_probs=log_probs)


@pytest.fixture
def written(tmp_path):
    """Return the content of a submission of these predictions."""

    def written(source, split, *predictions):
        path = tmp_path / "submission.json"
        number = write_submission(source, split, iter(predictions), path)
        content = json.loads(path.read_text())
        assert number == len(content)
        assert list(tmp_path.iterdir()) == [path]
        return content

    return written


def test_vqav2_goes_by_the_number_of_the_question(written):
    answers = (prediction("vqav2/test_dev/262144000", "2"), prediction("vqav2/test_dev/7", "Yes."))
    assert written("vqav2", "test_dev", *answers) == [
        {"question_id": 262144000, "answer": "2"},
        {"question_id": 7, "answer": "Yes."},
    ]


def test_vizwiz_goes_by_the_name_of_the_image(written):
    answer = prediction(
        "vizwiz/test/VizWiz_test_00000000",
        "unanswerable",
        images=("vizwiz/VizWiz_test_00000000.jpg",),
    )
    expected = [{"image": "VizWiz_test_00000000.jpg", "answer": "unanswerable"}]
    assert written("vizwiz", "test", answer) == expected


def test_nocaps_goes_by_the_number_of_the_image(written):
    expected = [{"image_id": 0, "caption": "a cat"}]
    assert written("nocaps", "test", prediction("nocaps/test/0")) == expected


def test_visdial_wants_the_rank_of_every_candidate(written):
    found = written("visdial", "test", ranked("visdial/test/568676#round10", (-3.0, -1.0, -2.0), 1))
    assert found == [{"image_id": 568676, "round_id": 10, "ranks": [3, 1, 2]}]


def test_both_tasks_of_aokvqa_make_one_file(written):
    direct = [prediction(f"aokvqa/test/{key}", f"answer {key}") for key in ("aB1", "22M")]
    choices = [ranked(f"aokvqa/test/{key}", (-2.0, -1.0), 1) for key in ("22M", "aB1")]
    assert written("aokvqa", "test", *direct, *choices) == {
        "aB1": {"direct_answer": "answer aB1", "multiple_choice": "choice 1"},
        "22M": {"direct_answer": "answer 22M", "multiple_choice": "choice 1"},
    }
    assert written("aokvqa", "test", direct[0]) == {"aB1": {"direct_answer": "answer aB1"}}


def test_a_question_of_aokvqa_that_lacks_one_of_the_answers_is_named(written):
    direct = prediction("aokvqa/test/aB1")
    choice = ranked("aokvqa/test/22M", (-2.0, -1.0), 1)
    with pytest.raises(EvaluationError, match="question aB1 has no multiple_choice"):
        written("aokvqa", "test", direct, choice)


def test_letters_are_not_submitted_in_place_of_choices(written):
    letters = ranked("aokvqa/test/aB1", (-2.0, -1.0), 1, candidates=("(a)", "(b)"))
    with pytest.raises(EvaluationError, match="aokvqa/test/aB1: letters were ranked"):
        written("aokvqa", "test", letters)


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("vqav2", prediction("vqav2/test/1")),
        ("nocaps", prediction("nocaps/test/1")),
        ("vizwiz", prediction("vizwiz/test/a", images=("vizwiz/a.jpg",))),
        ("aokvqa", prediction("aokvqa/test/a")),
        ("visdial", ranked("visdial/test/1#round1", (0.0, 1.0), 1)),
    ],
)
def test_a_duplicate_record_is_named(written, tmp_path, source, made):
    with pytest.raises(EvaluationError, match=f"{made.record_id}: a duplicate"):
        written(source, "test", made, made)
    assert not list(tmp_path.iterdir())
    with pytest.raises(EvaluationError, match=f"{made.record_id}: it was left out .no image."):
        written(source, "test", replace(made, skipped="no image"))
    with pytest.raises(EvaluationError, match=f"{made.record_id}: not a record of {source}/val"):
        written(source, "val", made)


@pytest.mark.parametrize("key", ["", "a", "-1", "1.0", "007", "\u0661", "1#turn2"])
def test_an_id_that_is_no_number_is_named(written, key):
    with pytest.raises(EvaluationError, match="is not an integer, as the server's ids are"):
        written("vqav2", "test", prediction(f"vqav2/test/{key}"))


@pytest.mark.parametrize("key", ["12", "12#round", "x#round1", "12#turn1"])
def test_a_round_needs_image_and_number(written, key):
    with pytest.raises(EvaluationError, match="is not an integer"):
        written("visdial", "test", ranked(f"visdial/test/{key}", (0.0, 1.0), 1))


def test_what_a_format_needs_and_is_not_there_is_named(written):
    with pytest.raises(EvaluationError, match="visdial/test/1#round1: no log_probs"):
        written("visdial", "test", prediction("visdial/test/1#round1"))
    with pytest.raises(EvaluationError, match=r"visdial/test/1#round1: .* is nan"):
        written("visdial", "test", ranked("visdial/test/1#round1", (0.0, math.nan), 0))
    with pytest.raises(EvaluationError, match="vizwiz/test/a: 0 images"):
        written("vizwiz", "test", prediction("vizwiz/test/a"))
    with pytest.raises(EvaluationError, match=r"vizwiz/test/a: its image has another name, b.jpg"):
        written("vizwiz", "test", prediction("vizwiz/test/a", images=("vizwiz/b.jpg",)))
    with pytest.raises(EvaluationError, match="output 'dog' is no candidate"):
        choice = ranked("aokvqa/test/a", (0.0, 1.0), 1)
        written("aokvqa", "test", replace(choice, output="dog"))


def test_sources_without_a_server_and_empty_submissions_are_refused(written):
    with pytest.raises(EvaluationError, match="gqa/test: no server's format is known"):
        written("gqa", "test", prediction("gqa/test/1"))
    with pytest.raises(EvaluationError, match="vqav2/test: nothing to submit"):
        written("vqav2", "test")
