"""Whole evaluations with a model that answers by rule."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.dataset import open_dataset
from trainer.errors import EvaluationError, TrainingError
from trainer.evaluation.predictions.prediction import read_predictions
from trainer.evaluation.run import run_evaluation
from trainer.evaluation.tasks.options import EvaluationOptions
from trainer.launch.distributed import World
from trainer.launch.folder_lock import locked_folder

Options = Callable[..., EvaluationOptions]


def test_every_record_is_predicted_once_and_saved_in_order(
    model: Any, options: Options, world: World
) -> None:
    results = run_evaluation(options(), world)
    assert results is not None
    for task in ("gqa", "vsr"):
        saved = list(read_predictions(options().output / f"samples_{task}.jsonl"))
        assert [each.number for each in saved] == list(range(results.tasks[task].num_records))
        assert len({each.record_id for each in saved}) == len(saved)
    assert (
        len(model.asked)
        == len(set(model.asked))
        == sum(t.num_requests for t in results.tasks.values())
    )
    assert not (options().output / "parts" / "gqa").exists()


def test_answers_belong_to_their_records(model: Any, options: Options, world: World) -> None:
    """Batches are sorted by length; the answers come back to where they belong."""
    run_evaluation(options(tasks=("gqa",)), world)
    for each in read_predictions(options().output / "samples_gqa.jsonl"):
        assert each.output.split()[0] == str(len(each.prompt))


def test_a_ranked_task_saves_its_candidates_and_scores(
    model: Any, options: Options, world: World
) -> None:
    run_evaluation(options(tasks=("visdial", "msvd_qa")), world)
    dialog = next(read_predictions(options().output / "samples_visdial.jsonl"))
    assert dialog.candidates is not None and dialog.log_probs is not None
    assert dialog.log_probs == tuple(float(len(text)) for text in dialog.candidates)
    assert dialog.output == max(dialog.candidates, key=len)
    clip = next(read_predictions(options().output / "samples_msvd_qa.jsonl"))
    assert clip.candidates is not None and clip.log_probs is not None
    assert len(clip.candidates) == 10 and clip.num_candidates and clip.num_candidates > 10
    assert list(clip.log_probs) == sorted(clip.log_probs, reverse=True)


def test_a_split_with_hidden_answers_says_server_and_its_stand_in_is_marked(
    model: Any, options: Options, world: World
) -> None:
    results = run_evaluation(options(tasks=("vizwiz",), submission=True), world)
    assert results is not None
    hidden, other = results.tasks["vizwiz"], results.tasks["vizwiz@val"]
    assert (hidden.status, hidden.score) == ("server", None)
    assert other.status == "scored" and other.stands_in_for == "test"
    assert not other.comparable and "not the protocol's split" in other.differences[0]
    sent = json.loads((options().output / "submission" / "vizwiz_test.json").read_text())
    assert len(sent) == hidden.num_records


def test_a_limit_is_a_difference_and_cider_under_it_is_not_comparable(
    model: Any, options: Options, world: World
) -> None:
    results = run_evaluation(options(tasks=("nocaps",), limit=5), world)
    assert results is not None
    task = results.tasks["nocaps"]
    assert task.num_requests == 5 and not task.comparable
    assert any("weights of CIDEr come from fewer captions" in each for each in task.differences)


def test_an_evaluation_that_was_killed_goes_on_where_it_was(
    model: Any, options: Options, world: World
) -> None:
    whole = run_evaluation(options(output=options().output / "whole"), world)
    expected = (options().output / "whole" / "samples_gqa.jsonl").read_bytes()
    asked_of_all = len(model.asked)
    model.asked.clear()
    saved = list(read_predictions(options().output / "whole" / "samples_gqa.jsonl"))
    model.fails_on = saved[20].record_id
    with pytest.raises(
        EvaluationError, match=f"task gqa, record {model.fails_on}: the model failed"
    ):
        run_evaluation(options(), world)
    model.fails_on = None
    part = options().output / "parts" / "gqa" / "process-00000.jsonl"
    part.write_bytes(part.read_bytes() + b'{"record_id": "gqa/test')  # torn by a kill
    model.asked.clear()
    again = run_evaluation(options(resume=True), world)
    assert len(model.asked) == asked_of_all - 16  # one window of 4 batches was finished
    assert (options().output / "samples_gqa.jsonl").read_bytes() == expected
    assert again is not None and whole is not None
    assert again.tasks["gqa"].values == whole.tasks["gqa"].values


def test_a_folder_with_an_evaluation_is_not_overwritten(
    model: Any, options: Options, world: World
) -> None:
    run_evaluation(options(), world)
    with pytest.raises(TrainingError, match="resume it with --resume"):
        run_evaluation(options(), world)
    with pytest.raises(
        EvaluationError, match=r"another evaluation; it differs in --batch-size \(4, now 8\)"
    ):
        run_evaluation(options(resume=True, batch_size=8), world)
    model.facts["weights_sha256"] = "1"
    with pytest.raises(EvaluationError, match="differs in weights"):
        run_evaluation(options(resume=True), world)


def test_answers_without_what_they_are_of_are_not_taken_for_ours(
    model: Any, options: Options, world: World
) -> None:
    run_evaluation(options(), world)
    (options().output / "evaluation.json").unlink()
    for resume in (False, True):
        with pytest.raises(TrainingError, match=r"holds predictions but no evaluation.json"):
            run_evaluation(options(resume=resume), world)


def test_two_evaluations_do_not_write_to_one_folder(
    model: Any, options: Options, world: World
) -> None:
    with (
        locked_folder(options().output, world, "evaluation"),
        pytest.raises(TrainingError, match="another evaluation is writing to"),
    ):
        run_evaluation(options(), world)


def test_an_output_that_cannot_be_a_folder_is_an_error(
    model: Any, options: Options, world: World, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(TrainingError, match="cannot be written"):
            run_evaluation(options(output=output), world)


def test_a_server_gets_all_answers_or_none(options: Options) -> None:
    with pytest.raises(EvaluationError, match="--submission needs every record"):
        options(submission=True, limit=5)


def test_an_average_is_of_the_protocols_own_splits(
    model: Any, options: Options, world: World
) -> None:
    results = run_evaluation(options(tasks=("gqa@val", "gqa")), world)
    assert results is not None
    from trainer.evaluation.scoring.scoring import average

    mean = average(results.tasks, ("gqa",), None, "held_out")
    score = results.tasks["gqa"].score
    assert score is not None and mean.value == score.value and mean.other_splits == ()


def test_the_error_of_a_batch_names_the_record_that_it_is(
    model: Any, options: Options, world: World
) -> None:
    model.fails_on = "gqa/test_dev/000008000"
    first = next(iter(_records(options())))
    model.fails_on = first
    with pytest.raises(
        EvaluationError, match=f"task gqa, record {first}.*RuntimeError: no such kernel"
    ):
        run_evaluation(options(tasks=("gqa",)), world)


def _records(options: EvaluationOptions) -> list[str]:
    import pyarrow.parquet as pq

    [path] = sorted(Path(options.data).glob("data/gqa/test_dev-*.parquet"))
    ids: list[str] = pq.read_table(path, columns=["record_id"]).column(0).to_pylist()
    return ids


def test_a_image_that_cannot_be_read_stops_or_is_left_out_and_counted(
    model: Any, options: Options, world: World, damaged: Path, rewrite: Any
) -> None:
    def spoil(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[3]["images"][0]["bytes"] = b"no image"
        return rows

    rewrite(damaged, "gqa", "test_dev", spoil)
    chosen = options(data=str(damaged), tasks=("gqa",))
    with pytest.raises(EvaluationError, match=r"task gqa, record gqa/test_dev/.*--skip-unreadable"):
        run_evaluation(chosen, world)
    again = options(data=str(damaged), tasks=("gqa",), skip_unreadable=True, resume=True)
    results = run_evaluation(again, world)
    assert results is not None
    task = results.tasks["gqa"]
    assert task.num_scored == task.num_records - 1
    assert any("1 records were left out" in each for each in task.differences)


def test_tasks_that_differ_in_scoring_only_share_one_inference(
    model: Any, options: Options, world: World, tmp_path: Path
) -> None:
    alone = run_evaluation(options(tasks=("gqa.exact",), output=tmp_path / "alone"), world)
    first = run_evaluation(options(tasks=("gqa",)), world)
    assert alone is not None and first is not None
    model.asked.clear()
    both = run_evaluation(options(tasks=("gqa", "gqa.exact"), resume=True), world)
    assert both is not None and model.asked == []
    assert both.tasks["gqa"] == first.tasks["gqa"]
    assert both.tasks["gqa.exact"] == alone.tasks["gqa.exact"]
    assert (options().output / "samples_gqa.exact.jsonl").read_bytes() == (
        tmp_path / "alone" / "samples_gqa.exact.jsonl"
    ).read_bytes()


def test_another_prompt_is_another_inference(model: Any, options: Options, world: World) -> None:
    results = run_evaluation(options(tasks=("gqa", "gqa.lmms_eval")), world)
    assert results is not None
    assert len(model.asked) == sum(task.num_requests for task in results.tasks.values())


@pytest.mark.parametrize("source", ["vqav2", "visdial"])
def test_another_split_with_hidden_answers_gives_a_file_for_the_server(
    model: Any, options: Options, world: World, source: str
) -> None:
    results = run_evaluation(options(tasks=(f"{source}@test",)), world)
    assert results is not None
    task = results.tasks[f"{source}@test"]
    assert (task.status, task.score) == ("server", None)
    sent = json.loads((options().output / "submission" / f"{source}_test.json").read_text())
    assert len(sent) == task.num_records > 0


def _own_protocol(folder: Path, name: str, text: str) -> str:
    (folder / "protocol").mkdir(parents=True)
    (folder / "protocol" / f"{name}.yaml").write_text(text)
    return str(folder)


def test_a_protocol_says_which_part_of_an_image_the_model_sees(
    model: Any, options: Options, world: World, tmp_path: Path
) -> None:
    text = "extends: gqa\nevaluation: {image: center_crop, read_in: {image: here}}\n"
    templates = _own_protocol(tmp_path / "own", "gqa.centre", text)
    run_evaluation(options(tasks=("gqa", "gqa.centre"), template_dir=templates), world)
    whole, centre = (
        [each.output.split() for each in read_predictions(options().output / f"samples_{n}.jsonl")]
        for n in ("gqa", "gqa.centre")
    )
    assert [length for length, _ in whole] == [length for length, _ in centre]
    assert [pixels for _, pixels in whole] != [pixels for _, pixels in centre]


def test_a_vocabulary_of_all_splits_reaches_every_answer(
    model: Any, options: Options, world: World, evaluated: Path
) -> None:
    tasks = ("msvd_qa", "msvd_qa.all_splits")
    results = run_evaluation(options(tasks=tasks), world)
    assert results is not None
    answers = {
        answer.text
        for split in ("train", "val", "test")
        for record in open_dataset(str(evaluated)).records("msvd_qa", split)
        for answer in record.answers or ()
    }
    [asked] = {
        each.num_candidates
        for each in read_predictions(options().output / "samples_msvd_qa.all_splits.jsonl")
    }
    assert asked == len(answers)
    assert f"ranked over a vocabulary of {asked:,} answers" in results.tasks[tasks[1]].notes
    assert not results.tasks[tasks[1]].comparable


def test_a_vocabulary_of_a_split_that_is_missing_is_refused_before_the_model_is_loaded(
    model: Any, options: Options, world: World, damaged: Path
) -> None:
    manifest = json.loads((damaged / "manifest.json").read_text())
    del manifest["splits"]["msvd_qa"]["val"]
    (damaged / "manifest.json").write_text(json.dumps(manifest))
    message = "answers of train, val, test, and the dataset has no msvd_qa/val; put its files"
    with pytest.raises(EvaluationError, match=message):
        run_evaluation(options(data=str(damaged), tasks=("msvd_qa.all_splits",)), world)


def test_a_vocabulary_needs_answers_that_are_not_hidden(
    model: Any, options: Options, world: World, damaged: Path, rewrite: Any
) -> None:
    rewrite(damaged, "msvd_qa", "val", lambda rows: [{**each, "answers": None} for each in rows])
    with pytest.raises(EvaluationError, match=r"msvd_qa/val: the answers of .* are hidden"):
        run_evaluation(options(data=str(damaged), tasks=("msvd_qa.all_splits",)), world)


def test_results_and_report_say_that_the_templates_are_not_the_papers(
    model: Any, options: Options, world: World
) -> None:
    results = run_evaluation(options(tasks=("vsr",)), world)
    assert results is not None
    [note] = results.dataset["notes"]
    assert note == "the templates are visinstruct's own text, not those of the InstructBLIP paper"
