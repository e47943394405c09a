"""Datasets with which nothing can be scored honestly, each refused before the model is asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import EvaluationError
from trainer.evaluation.run import run_evaluation
from trainer.evaluation.tasks.options import EvaluationOptions
from trainer.launch.distributed import World

Rows = list[dict[str, Any]]
Options = Callable[..., EvaluationOptions]


def _twice(rows: Rows) -> Rows:
    return [*rows, rows[0]]


def _without_references(rows: Rows) -> Rows:
    rows[2]["answers"] = None
    return rows


def _without_question(rows: Rows) -> Rows:
    rows[2]["question"] = None
    return rows


def _of_another_split(rows: Rows) -> Rows:
    rows[2]["split"] = "val"
    return rows


def _blank_question(rows: Rows) -> Rows:
    rows[2]["question"] = " "
    return rows


def _three_images(rows: Rows) -> Rows:
    rows[2]["images"] = rows[2]["images"] * 3
    return rows


def _a_null_id(rows: Rows) -> Rows:
    rows[2]["group_id"] = None
    return rows


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_blank_question, r"task gqa: 1 records.*gqa/test_dev/\S+: its question is blank"),
        (_three_images, r"task gqa: 1 records.*\S+: it has 3 images, one is needed"),
        (_a_null_id, r"gqa/test_dev: row 2 \(gqa/test_dev/\S+\) is no record: .*group_id"),
        (_twice, r"task gqa: 1 records.*gqa/test_dev/\S+ is a duplicate \(rows 0 and \d+\)"),
        (_without_references, r"task gqa: 1 records.*gqa/test_dev/\S+: .*references"),
        (_without_question, r"task gqa: 1 records.*'question' is absent"),
        (_of_another_split, r"task gqa: 1 records.*\(row 2\) has source and split gqa/val"),
    ],
)
def test_records_that_cannot_be_scored_are_named_before_inference(
    change: Callable[[Rows], Rows],
    sentence: str,
    model: Any,
    options: Options,
    world: World,
    damaged: Path,
    rewrite: Any,
) -> None:
    rewrite(damaged, "gqa", "test_dev", change)
    with pytest.raises(EvaluationError, match=sentence):
        run_evaluation(options(data=str(damaged)), world)
    assert model.asked == []


def test_all_mistakes_are_counted_and_the_first_named(
    model: Any, options: Options, world: World, damaged: Path, rewrite: Any
) -> None:
    def spoil(rows: Rows) -> Rows:
        for row in rows[:12]:
            row["answers"] = None
        return rows

    rewrite(damaged, "gqa", "test_dev", spoil)
    with pytest.raises(EvaluationError, match=r"12 records of gqa/test_dev.* and 4 more"):
        run_evaluation(options(data=str(damaged)), world)


def test_a_blank_candidate_is_named(
    model: Any, options: Options, world: World, damaged: Path, rewrite: Any
) -> None:
    def spoil(rows: Rows) -> Rows:
        rows[1]["candidates"][7] = " "
        return rows

    rewrite(damaged, "visdial", "val", spoil)
    with pytest.raises(
        EvaluationError, match=r"task visdial.*visdial/val/\S+: candidate 7 \(' '\)"
    ):
        run_evaluation(options(data=str(damaged), tasks=("visdial",)), world)


def test_shards_that_are_not_the_manifests_are_refused(
    model: Any, options: Options, world: World, damaged: Path
) -> None:
    [shard] = damaged.glob("data/gqa/test_dev-*.parquet")
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(EvaluationError, match=r"gqa/test_dev: .* has sha256 .*, the manifest says"):
        run_evaluation(options(data=str(damaged)), world)
    shard.write_bytes(data[:-10])
    with pytest.raises(EvaluationError, match="bytes, the manifest says"):
        run_evaluation(options(data=str(damaged)), world)
    shard.unlink()
    with pytest.raises(EvaluationError, match="is missing; build or download the dataset again"):
        run_evaluation(options(data=str(damaged)), world)


def test_records_that_are_missing_from_a_shard_are_noticed(
    model: Any, options: Options, world: World, damaged: Path, rewrite: Any
) -> None:
    rewrite(damaged, "gqa", "test_dev", lambda rows: rows[:-3])
    manifest = (damaged / "manifest.json").read_text()
    held = run_evaluation(options(data=str(damaged), tasks=("gqa",)), world)
    assert held is not None
    count = held.tasks["gqa"].num_records
    (damaged / "manifest.json").write_text(
        manifest.replace(f'"written": {count}', f'"written": {count + 3}')
    )
    with pytest.raises(EvaluationError, match=f"says {count + 3} records, its shards hold {count}"):
        run_evaluation(options(data=str(damaged), output=options().output / "b"), world)


def test_a_missing_vocabulary_is_reported_with_its_reason(
    model: Any, options: Options, world: World, damaged: Path
) -> None:
    manifest = (damaged / "manifest.json").read_text()
    changed = manifest.replace('"path": "candidates/msvd_qa.parquet"', '"path": null')
    assert changed != manifest
    (damaged / "manifest.json").write_text(changed)
    with pytest.raises(EvaluationError, match="msvd_qa is ranked over its answer vocabulary"):
        run_evaluation(options(data=str(damaged), tasks=("msvd_qa",)), world)


@pytest.mark.parametrize(
    ("tasks", "sentence"),
    [
        (("gqaa",), "no task 'gqaa', did you mean 'gqa'"),
        (("gqa@train2",), "task gqa@train2: the dataset has no gqa/train2"),
        (("okvqa",), "task okvqa: the dataset has no okvqa/val"),
        (("okvqa*",), r"the dataset holds none of the tasks okvqa\*"),
    ],
)
def test_missing_tasks_are_reported(
    tasks: tuple[str, ...], sentence: str, model: Any, options: Options, world: World
) -> None:
    with pytest.raises(EvaluationError, match=sentence):
        run_evaluation(options(tasks=tasks), world)


def test_only_records_that_hold_no_image_need_a_folder(
    model: Any, options: Options, world: World, damaged: Path, rewrite: Any, tmp_path: Path
) -> None:
    def by_reference(rows: Rows) -> Rows:
        for row in rows[:2]:
            row["images"][0]["bytes"] = None
        return rows

    manifest = damaged / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"images": "embed"', '"images": "reference"', 1)
    )
    held = run_evaluation(options(data=str(damaged), tasks=("gqa",)), world)
    assert held is not None and held.tasks["gqa"].num_records == len(model.asked)
    rewrite(damaged, "gqa", "test_dev", by_reference)
    with pytest.raises(EvaluationError, match=r"2 records of gqa/test_dev.* is kept by reference"):
        run_evaluation(options(data=str(damaged), tasks=("gqa",), output=tmp_path / "b"), world)
