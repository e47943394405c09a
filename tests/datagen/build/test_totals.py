from typing import Any

import pytest

from datagen.build.options import make_options
from datagen.build.plan import BuildPlan, SplitPlan
from datagen.build.staging import RangeReport, ShardReport
from datagen.build.totals import RejectLimitError, SplitWork, check_limits


def plan(source: str = "vqav2", split: str = "train", **rejected: int) -> SplitPlan:
    return SplitPlan(
        source=source,
        split=split,
        layout_name="official",
        path="p",
        kind="array",
        ranges=(),
        lookups={},
        tables={},
        num_shards=1,
        rejected=rejected,
    )


def ranged(read: int, staged: int, filtered: dict[str, int] | None = None, **rejected: int) -> Any:
    return RangeReport(
        source="s",
        split="t",
        number=0,
        read=read,
        staged=staged,
        rejected=rejected,
        filtered=filtered or {},
        reencoded=1,
        files={},
        places=(),
    )


def written(rows: int, duplicates: int = 0) -> ShardReport:
    return ShardReport(
        source="s",
        split="t",
        shard=0,
        rows=rows,
        num_bytes=1,
        sha256="x",
        duplicates=duplicates,
        groups=1,
    )


def check(*work: SplitWork, **options: Any) -> None:
    messages = {
        (each.plan.source, reason): f"file.json, row 7: first {reason}"
        for each in work
        for reason in each.rejected
    }
    check_limits(
        BuildPlan(tuple(each.plan for each in work)),
        work,
        make_options(raw="/data/raw", out="o", **options),
        messages,
    )


def test_what_plan_ranges_and_shards_reject_is_added_up() -> None:
    work = SplitWork(
        plan(no_question=2),
        [ranged(10, 6, {"no_picture": 3}, empty_text=1), ranged(5, 4, empty_text=1)],
        [written(7, duplicates=1), written(2)],
    )
    assert (work.read, work.written, work.reencoded) == (17, 9, 2)
    assert work.rejected == {"duplicate_id": 1, "empty_text": 2, "no_question": 2}
    assert work.filtered == {"no_picture": 3}
    assert work.is_balanced()
    assert work.name == "vqav2/train"


def test_a_row_that_is_lost_is_noticed() -> None:
    assert not SplitWork(plan(), [ranged(10, 10)], [written(9)]).is_balanced()
    assert not SplitWork(plan(), [ranged(9, 10)], [written(10)]).is_balanced()


def test_rejections_below_the_limit_are_allowed() -> None:
    check(SplitWork(plan(), [ranged(100, 95, empty_text=5)], [written(95)]))
    check(SplitWork(plan(), [ranged(0, 0)], []))


def test_rejections_past_the_limit_are_refused_with_counts_and_the_first() -> None:
    work = SplitWork(plan(no_question=2), [ranged(100, 95, empty_text=5)], [written(95)])
    message = (
        r"nothing was published:\nvqav2: 7 of 102 rows rejected \(5 empty_text, 2 no_question\), more "
        r"than --max-reject-fraction 0\.05; first empty_text: file\.json, row 7: first empty_text"
    )
    with pytest.raises(RejectLimitError, match=message):
        check(work)
    check(work, max_reject_fraction=0.07)
    with pytest.raises(RejectLimitError):
        check(work, max_reject_fraction=0.0)


def test_a_limit_is_of_all_splits_of_a_source() -> None:
    bad = SplitWork(plan(split="val"), [ranged(10, 5, empty_text=5)], [written(5)])
    good = SplitWork(plan(), [ranged(1_000, 1_000)], [written(1_000)])
    check(bad, good)
    with pytest.raises(RejectLimitError, match="vqav2: 5 of 10 rows"):
        check(bad)


def test_missing_images_have_a_limit_of_their_own() -> None:
    work = SplitWork(plan(), [ranged(100, 90, media_missing=10)], [written(90)])
    message = (
        r"vqav2: 10 of 100 records lack their image or clip in /data/raw/images/coco, more than "
        r"5\.0%; download them, .* --image-root, .*; first: file\.json, row 7: first media_missing"
    )
    with pytest.raises(RejectLimitError, match=message):
        check(work, max_reject_fraction=1.0)
    check(work, max_reject_fraction=0.0, max_missing_fraction=0.1)
    with pytest.raises(RejectLimitError, match=r"in /elsewhere, more than 0\.0%"):
        check(work, max_missing_fraction=0.0, image_roots={"coco": "/elsewhere"})


def test_all_sources_past_a_limit_are_reported_at_once() -> None:
    work = [
        SplitWork(plan(source), [ranged(10, 0, empty_text=5, media_missing=5)], [])
        for source in ("vqav2", "coco_caption")
    ]
    with pytest.raises(RejectLimitError) as caught:
        check(*work)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "nothing was published",
        "vqav2",
        "vqav2",
        "coco_caption",
        "coco_caption",
    ]


def test_a_build_past_its_limit_writes_no_manifest(raw: Any, prepare: Any, ask: Any) -> None:
    raw.coco(1)
    raw.vqa([ask(1), ask(2, text=" "), ask(3, image_id=9)])
    building = prepare(sources=["vqav2"])
    building.stage()
    building.write()
    questions = "v2_OpenEnded_mscoco_train2014_questions.json"
    message = rf"1 empty_text.*first empty_text: {questions}, row 1: question is empty"
    with pytest.raises(RejectLimitError, match=message):
        building.finish()
    assert not (building.out / "manifest.json").exists()
    assert not (building.out / "README.md").exists()


def test_the_first_rejection_of_a_row_of_a_joined_file_is_placed_by_its_byte(
    raw: Any, prepare: Any, ask: Any, annotate: Any
) -> None:
    raw.coco(1)
    raw.vqa([ask(1)], [annotate(ask(1)), annotate(ask(2))])
    building = prepare(sources=["vqav2"])
    building.stage()
    building.write()
    with pytest.raises(
        RejectLimitError, match=r"_annotations\.json, byte \d{3}: no row of v2_Open"
    ):
        building.finish()
