import json
import pickle
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from datagen.dataset import open_dataset
from datagen.mixture import MixtureOptions
from templates.library import SHIPPED
from trainer.data.order.assign import BatchShape, assign
from trainer.data.order.sample import Sample
from trainer.data.stream import MAX_ATTEMPTS, Stream
from trainer.errors import DataError

Open = Callable[..., Stream]


def _facts(sample: Sample) -> tuple[object, ...]:
    pixels = None if sample.images is None else sample.images.tobytes()
    return sample.place, sample.record_id, sample.instruction, sample.target, pixels


def test_a_sample_is_the_same_however_it_is_asked_for(embedded: Path, open_stream: Open) -> None:
    stream = open_stream(embedded)
    expected = [_facts(stream.sample(k)) for k in range(60)]
    assert [_facts(s) for s in stream.samples(range(60))] == expected
    backwards = open_stream(embedded).samples(range(59, -1, -1))
    assert [_facts(s) for s in reversed(backwards)] == expected
    sent = pickle.loads(pickle.dumps(stream))
    assert [_facts(sent.sample(k)) for k in (7, 3)] == [expected[7], expected[3]]
    assert [_facts(s)[:-1] for s in stream.texts(range(60))] == [each[:-1] for each in expected]
    assert stream.texts([0])[0].images is None


def test_a_record_that_holds_its_images_is_read_whatever_the_manifest_says(
    embedded: Path, damaged: Path, open_stream: Open
) -> None:
    manifest = damaged / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"images": "embed"', '"images": "reference"', 1)
    )
    stream = open_stream(damaged)
    assert stream.manifest.images == "reference"
    expected = open_stream(embedded)
    for k in range(20):
        assert _facts(stream.sample(k)) == _facts(expected.sample(k))


def test_images_by_reference_and_embedded_ones_are_the_same(
    scenes: Path, embedded: Path, referenced: Path, open_stream: Open, roots
) -> None:
    one, other = open_stream(embedded), open_stream(referenced, image_roots=roots(scenes))
    for k in range(60):
        first, second = one.sample(k), other.sample(k)
        assert (first.record_id, first.instruction) == (second.record_id, second.instruction)
        assert (first.images == second.images).all()
        assert first.images is not None
        assert first.images.shape == (1, 3, 32, 32) and first.images.dtype == np.uint8


class _Worker(torch.utils.data.Dataset):
    """Micro-batches of one rank, as a data loader asks for them."""

    def __init__(self, stream: Stream, shape: BatchShape, rank: int, steps: int) -> None:
        self.stream, self.shape, self.rank, self.steps = stream, shape, rank, steps

    def __len__(self) -> int:
        return self.steps * self.shape.accumulation

    def __getitem__(self, number: int) -> list[tuple[int, str, int, str]]:
        step, micro = divmod(number, self.shape.accumulation)
        first = step * self.shape.num_samples
        offsets = assign(None, self.shape)[self.rank][micro]
        samples = self.stream.samples([first + offset for offset in offsets])
        return [(s.place.k, s.record_id, s.place.draw, s.instruction) for s in samples]


def _same(value: object) -> object:
    return value


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores
@pytest.mark.parametrize(
    ("world_size", "accumulation", "workers"),
    [(1, 1, 0), (1, 2, 1), (2, 1, 2), (3, 2, 0), (4, 1, 3), (4, 3, 0), (2, 3, 4)],
)
def test_ranks_and_workers_make_the_same_sequence(
    embedded: Path, open_stream: Open, world_size: int, accumulation: int, workers: int
) -> None:
    shape = BatchShape(
        world_size=world_size,
        micro_batch=12 // world_size // accumulation,
        accumulation=accumulation,
    )
    stream = open_stream(embedded, seed=4)
    made = []
    for rank in range(world_size):
        ours = _Worker(stream, shape, rank, steps=4)
        loader = DataLoader(ours, batch_size=None, num_workers=workers, collate_fn=_same)
        made += [sample for micro in loader for sample in micro]
    expected = [
        (s.place.k, s.record_id, s.place.draw, s.instruction) for s in stream.texts(range(48))
    ]
    assert sorted(made) == expected


def test_spawned_workers_make_it_too(embedded: Path, open_stream: Open) -> None:
    stream = open_stream(embedded, seed=4)
    ours = _Worker(stream, BatchShape(world_size=1, micro_batch=4), rank=0, steps=2)
    loader = DataLoader(
        ours, batch_size=None, num_workers=1, collate_fn=_same, multiprocessing_context="spawn"
    )
    assert [sample[:2] for micro in loader for sample in micro] == [
        (s.place.k, s.record_id) for s in stream.texts(range(8))
    ]


def test_draw_0_is_what_the_build_stored(embedded: Path, open_stream: Open) -> None:
    fresh, stored = open_stream(embedded), open_stream(embedded, render="stored")
    built = {
        record.record_id: (record.template_id, record.instruction, record.target)
        for source in fresh.mixture
        for record in open_dataset(str(embedded)).records(source, "train")
    }
    compared = 0
    for first, second in zip(fresh.texts(range(600)), stored.texts(range(600)), strict=True):
        assert (second.template_id, second.instruction, second.target) == built[second.record_id]
        assert first.record_id == second.record_id and second.place.draw == 0
        if first.place.draw == 0:
            assert (first.template_id, first.instruction, first.target) == built[first.record_id]
            compared += 1
    assert 100 < compared < 600


def test_a_later_pass_renders_other_draws(embedded: Path, open_stream: Open) -> None:
    stream = open_stream(embedded)
    templates: dict[str, set[str]] = {}
    for sample in stream.texts(range(2_000)):
        if sample.place.source == "vqav2":
            templates.setdefault(sample.record_id, set()).add(sample.template_id)
    assert max(map(len, templates.values())) >= 3


def test_every_row_of_a_source_is_seen_once_a_pass(embedded: Path, open_stream: Open) -> None:
    stream = open_stream(embedded)
    seen = Counter((s.place.source, s.place.epoch, s.record_id) for s in stream.texts(range(900)))
    assert set(seen.values()) == {1}
    part = stream.mixture["aokvqa"]
    assert sum(source == "aokvqa" and number == 0 for source, number, _ in seen) == part.size


def test_reserved_rows_are_validated_on_and_never_trained_on(
    embedded: Path, open_stream: Open
) -> None:
    stream = open_stream(embedded)
    reserved = stream.mixture["llava_detail"].reserved
    held = stream.validation_samples("llava_detail", 100)
    assert len(held) == reserved > 0
    trained = {sample.record_id for sample in stream.texts(range(600))}
    assert not trained & {sample.record_id for sample in held}


def test_validation_is_on_the_validation_split_with_the_stored_texts(
    embedded: Path, open_stream: Open
) -> None:
    stream = open_stream(embedded, template_dir="plain", augmentation="paper_guess")
    samples = stream.validation_samples("vqav2", 5)
    records = list(open_dataset(str(embedded)).records("vqav2", "val"))[:5]
    assert [s.record_id for s in samples] == [r.record_id for r in records]
    assert [(s.instruction, s.target) for s in samples] == [
        (r.instruction, r.target) for r in records
    ]
    assert {s.template_id for s in samples} == {"protocol/vqav2"}
    again = open_stream(embedded, seed=9).validation_samples("vqav2", 5)
    assert [s.images.tobytes() for s in again] == [s.images.tobytes() for s in samples]


def test_the_rows_to_validate_on_are_counted_wherever_they_come_from(
    embedded: Path, open_stream: Open
) -> None:
    stream = open_stream(embedded, reserve_rows=1)
    for source, part in stream.mixture.items():
        splits = stream.manifest.splits[source]
        of_split = splits["val"].written if "val" in splits else 0
        assert stream.num_validation_rows(source) == (of_split or part.reserved)
    assert any(part.reserved for part in stream.mixture.values())
    assert any("val" in stream.manifest.splits[source] for source in stream.mixture)


def test_a_source_that_is_not_trained_on_is_not_validated_on(
    embedded: Path, open_stream: Open
) -> None:
    with pytest.raises(DataError, match="'scienceqa' is not trained on, but only aokvqa, "):
        open_stream(embedded).validation_samples("scienceqa", 5)


def test_clips_have_a_image_for_each_frame(embedded: Path, open_stream: Open) -> None:
    stream = open_stream(embedded, sources=("msvd_qa",))
    assert stream.sample(0).images.shape == (4, 3, 32, 32)


def test_frames_are_read_from_the_video_where_they_are_not_embedded(
    scenes: Path, embedded: Path, referenced: Path, open_stream: Open
) -> None:
    videos = {"*": f"{scenes}/videos"}
    one = open_stream(embedded, sources=("msvd_qa",)).sample(0)
    other = open_stream(referenced, sources=("msvd_qa",), image_roots=videos).sample(0)
    difference = np.abs(one.images.astype(int) - other.images)
    assert other.images.shape == (4, 3, 32, 32) and difference.mean() < 3  # JPEG between


def test_augmentation_differs_by_sample_and_not_by_who_asks(
    embedded: Path, open_stream: Open
) -> None:
    plain, cut = open_stream(embedded), open_stream(embedded, augmentation="paper_guess")
    pairs = [(plain.sample(k), cut.sample(k)) for k in range(20)]
    assert sum(not (a.images == b.images).all() for a, b in pairs) > 15
    again = open_stream(embedded, augmentation="paper_guess")
    assert all((again.sample(k).images == pairs[k][1].images).all() for k in (19, 0, 7))


def test_images_are_hashed_on_request(embedded: Path, open_stream: Open) -> None:
    assert open_stream(embedded).sample(0).image_hashes is None
    stream = open_stream(embedded, hash_images=True)
    hashes = [pickle.loads(pickle.dumps(stream)).sample(k).image_hashes for k in range(30)]
    assert all(each is not None and len(each[0]) == 64 for each in hashes)
    assert len(set(hashes)) > 5


def _break_image(raw: Path, path: str, data: bytes | None) -> None:
    file = raw / "images" / path
    if data is None:
        file.unlink()
    else:
        file.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(None, "is not there"), (b"", "no image"), (b"\xff\xd8\xff\xe0 not a jpeg", "")],
    ids=["missing", "empty", "damaged"],
)
def test_an_unreadable_image_is_replaced_and_reported_and_moves_no_other_sample(
    scenes_copy: Path,
    referenced: Path,
    open_stream: Open,
    roots,
    damage: bytes | None,
    reason: str,
) -> None:
    stream = open_stream(referenced, image_roots=roots(scenes_copy))
    before = [_facts(sample) for sample in stream.samples(range(60))]
    path = stream.record(stream.order.place(5)).images[0].path
    _break_image(scenes_copy, path, damage)
    after = stream.samples(range(60))
    assert after[5].replaced
    for sample, expected in zip(after, before, strict=True):
        if not sample.replaced:
            assert _facts(sample) == expected
            continue
        first = sample.replaced[0]
        assert first.record_id == expected[1] and first.k == sample.place.k and first.attempt == 0
        assert path in first.reason and reason in first.reason
        assert sample.place.attempt == len(sample.replaced)
        assert sample.place.source == expected[0].source and sample.record_id != expected[1]
    again = open_stream(referenced, image_roots=roots(scenes_copy)).sample(5)
    assert _facts(again) == _facts(after[5]) and again.replaced == after[5].replaced


def test_if_nothing_can_be_read_training_ends_with_the_reason(
    scenes_copy: Path, referenced: Path, open_stream: Open, roots
) -> None:
    shutil.rmtree(scenes_copy / "images")
    stream = open_stream(referenced, image_roots=roots(scenes_copy))
    expected = rf"{MAX_ATTEMPTS + 1} rows in turn cannot be used, .*no folder for"
    with pytest.raises(DataError, match=expected):
        stream.sample(0)


def test_a_collection_without_folder_is_refused_and_named(
    referenced: Path, open_stream: Open
) -> None:
    with pytest.raises(DataError, match=r"set data\.image_roots\.coco to its folder"):
        open_stream(referenced, sources=("vqav2",)).sample(0)


def test_unreadable_validation_images_are_passed_over_and_reported(
    scenes_copy: Path, referenced: Path, open_stream: Open, roots
) -> None:
    stream = open_stream(referenced, image_roots=roots(scenes_copy))
    first = open_dataset(str(referenced)).record("vqav2", "val", 0)
    _break_image(scenes_copy, first.images[0].path, None)
    samples = stream.validation_samples("vqav2", 3)
    assert len(samples) == 3 and first.record_id not in {s.record_id for s in samples}
    assert samples[0].replaced[0].record_id == first.record_id


def test_a_shard_that_changed_ends_training(damaged: Path, open_stream: Open) -> None:
    stream = open_stream(damaged)
    for shard in damaged.glob("data/*/train-*.parquet"):
        shard.write_bytes(shard.read_bytes() + b"more")
    with pytest.raises(
        DataError, match=r"train-00000-of-00001.parquet has \d+ bytes, the manifest"
    ):
        stream.sample(0)


def test_a_dataset_that_was_replaced_is_not_the_runs(
    damaged: Path, referenced: Path, open_stream: Open
) -> None:
    sent = pickle.dumps(open_stream(damaged))
    shutil.copyfile(referenced / "manifest.json", damaged / "manifest.json")
    with pytest.raises(DataError, match="changed since the run started"):
        pickle.loads(sent)


def test_another_template_set_renders_all_draws(embedded: Path, open_stream: Open) -> None:
    plain = open_stream(embedded, template_dir="plain")
    assert plain.sample(0).template_id != open_stream(embedded).sample(0).template_id
    assert plain.identity()["template_hash"] != plain.manifest.template_hash


def test_stored_texts_of_another_template_set_are_refused(
    embedded: Path, open_stream: Open
) -> None:
    with pytest.raises(DataError, match="plain is not the template set that"):
        open_stream(embedded, template_dir="plain", render="stored")


@pytest.mark.parametrize(
    "changes",
    [{"sources": ("scienceqa",)}, {"mixture": MixtureOptions(splits={"vqav2": ("train", "val")})}],
)
def test_evaluation_prompts_are_not_trained_on(
    embedded: Path, open_stream: Open, changes: dict[str, object]
) -> None:
    with pytest.raises(DataError, match=r"was built with evaluation prompts: data\.render must be"):
        open_stream(embedded, render="stored", **changes)
    assert not open_stream(embedded, **changes).sample(0).template_id.startswith("protocol")


def test_stored_texts_of_schema_version_1_are_trained_on_in_train_splits_alone(
    embedded: Path, open_stream: Open, tmp_path: Path
) -> None:
    """It stored evaluation prompts in every other split, even in those of the mixture."""
    old = Path(shutil.copytree(embedded, tmp_path / "old"))
    manifest = json.loads((old / "manifest.json").read_text())
    manifest["options"]["mixture"]["splits"] = {"vqav2": ["train", "val"]}
    (old / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 2}))
    open_stream(old, render="stored")
    (old / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 1}))
    with pytest.raises(DataError, match=r"vqav2/val was built with evaluation prompts"):
        open_stream(old, render="stored")
    open_stream(old)


def test_hidden_answers_cannot_be_trained_on(embedded: Path, open_stream: Open) -> None:
    mixture = MixtureOptions(splits={"vqav2": ("test",)})
    with pytest.raises(DataError, match="has no target to train on: its answers are hidden"):
        open_stream(embedded, sources=("vqav2",), mixture=mixture).sample(0)


def test_a_template_set_that_is_gone_is_refused_with_what_to_set(
    embedded: Path, open_stream: Open, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"set data\.template_dir to their folder"):
        open_stream(embedded, template_dir=str(tmp_path / "none"))


def test_a_template_that_fits_no_row_names_the_record(
    embedded: Path, open_stream: Open, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(SHIPPED / "plain", tmp_path / "mine"))
    (folder / "vqa.yaml").unlink()
    stream = open_stream(embedded, sources=("vqav2",), template_dir=str(folder))
    with pytest.raises(
        DataError,
        match=r"rows in turn cannot be used, from vqav2/train/\d+ \(draw 0 cannot be rendered",
    ):
        stream.sample(0)


def test_a_template_that_fails_on_a_row_is_replaced_by_another_draw_and_reported(
    embedded: Path, open_stream: Open, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(SHIPPED / "instruct", tmp_path / "mine"))
    with (folder / "multiple_choice.yaml").open("a") as file:
        for number in range(1, 14):  # half of the templates fail on every row
            file.write(f"  - id: multiple_choice.bad.{number}\n    instruction: ")
            file.write(f"'{{{{ question }}}} {number} {{{{ choices[20] }}}}'\n")
    kwargs = {"sources": ("aokvqa",), "template_dir": str(folder)}
    stream = open_stream(embedded, **kwargs)
    samples, texts = stream.samples(range(40)), stream.texts(range(40))
    again = open_stream(embedded, **kwargs).samples(range(39, -1, -1))
    redrawn = [sample for sample in samples if sample.replaced]
    assert 3 < len(redrawn) < 25
    for sample in redrawn:
        [item] = sample.replaced
        assert item.redrawn and item.record_id == sample.record_id
        assert re.search(
            r"draw \d+ cannot be rendered: instruction of template multiple_choice\.bad",
            item.reason,
        )
    assert not any(".bad." in sample.template_id for sample in samples)
    facts = [(*_facts(sample), sample.replaced) for sample in samples]
    assert [(*_facts(sample), sample.replaced) for sample in reversed(again)] == facts
    assert [sample.instruction for sample in texts] == [sample.instruction for sample in samples]


def test_equal_identities_are_equal_sequences(embedded: Path, open_stream: Open) -> None:
    one = open_stream(embedded)
    assert open_stream(embedded, augmentation="paper_guess").identity() == one.identity()
    changes = (
        {"seed": 1},
        {"render": "stored"},
        {"template_dir": "plain"},
        {"reserve_rows": 0},
        {"sources": ("vqav2",)},
        {"mixture": MixtureOptions(rule="uniform")},
    )
    identities = [open_stream(embedded, **change).identity() for change in changes]
    assert all(identity != one.identity() for identity in identities)


def test_the_worst_drift_is_at_most_one_sample(embedded: Path, open_stream: Open) -> None:
    drift = open_stream(embedded).worst_drift()
    assert 0 < drift.observed <= drift.bound <= 1


def test_a_tiny_cache_changes_nothing_but_the_work(
    embedded: Path, open_stream: Open, tmp_path: Path
) -> None:
    tiny = open_stream(embedded, cache_dir=tmp_path / "tiny", cache_bytes=1_000)
    assert [_facts(s) for s in tiny.samples(range(40))] == [
        _facts(s) for s in open_stream(embedded).samples(range(40))
    ]
    files = list((tmp_path / "tiny/files").iterdir())
    assert len(files) == 1  # one that is larger than the bound
