"""Whole builds in this process, without Beam, and toy raw files to build from."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datagen.build.finish import finish, mixture_of, trained_splits
from datagen.build.options import make_options
from datagen.build.plan import BuildPlan, SplitPlan, choose_splits, media_roots
from datagen.build.planner import index_files, input_files, make_plan
from datagen.build.shard_writer import ShardWriter, StagedPlace
from datagen.build.stage import SplitStager
from datagen.build.staging import RangeReport, ShardReport, Staging
from datagen.build.totals import SplitWork
from datagen.dataset import BuiltDataset
from datagen.files import LocalFiles
from datagen.media.media import MediaRoots
from datagen.schema.example import Example
from datagen.schema.manifest import Manifest
from datagen.schema.record import Record
from datagen.schema.rejects import Rejection, decode_rejections

VQA_QUESTIONS = "v2_OpenEnded_mscoco_{}_questions.json"
VQA_ANNOTATIONS = "v2_mscoco_{}_annotations.json"


class Building:
    """The steps of a build, one after the other: plan, `stage`, `write`, `finish`; or all: `run`."""

    def __init__(self, raw: Path, out: Path, **options: Any) -> None:
        self.options = make_options(raw=str(raw), out=str(out), **options)
        self.files = LocalFiles()
        self.staging = Staging(str(out))
        chosen, missing = choose_splits(self.options, self.files)
        self.roots = MediaRoots(media_roots(self.options), self.files)
        indexes = index_files(self.options, self.files, chosen)
        self.inputs = input_files(self.options, chosen, indexes)
        plan = make_plan(self.options, self.files, self.staging, chosen, indexes)
        self.plan = BuildPlan(plan.splits, (*missing, *plan.missing))
        self.ranges: dict[str, list[RangeReport]] = {}
        self.shards: dict[str, list[ShardReport]] = {}
        self.manifest: Manifest | None = None

    @property
    def out(self) -> Path:
        """The dataset."""
        return Path(self.staging.output)

    def split(self, name: str) -> SplitPlan:
        """The plan of `<source>/<split>`."""
        return next(each for each in self.plan.splits if f"{each.source}/{each.split}" == name)

    def stager(self, plan: SplitPlan) -> SplitStager:
        return SplitStager(plan, self.options, self.roots, self.files, self.staging)

    def writer(self, plan: SplitPlan) -> ShardWriter:
        return ShardWriter(plan, self.options, self.roots, self.files, self.staging)

    def stage(self, *, reverse: bool = False) -> None:
        """Stage all ranges, the last one first if `reverse`, each range in a worker of its own."""
        for plan in self.plan.splits:
            order = reversed(plan.ranges) if reverse else plan.ranges
            reports = [self.stager(plan).stage(planned) for planned in order]
            self.ranges[_name(plan)] = sorted(reports, key=lambda report: report.number)

    def places(self, plan: SplitPlan) -> dict[int, list[StagedPlace]]:
        """The staged rows of a split, by shard."""
        places: dict[int, list[StagedPlace]] = {}
        for report in self.ranges[_name(plan)]:
            for place in report.places:
                places.setdefault(place.shard, []).append(StagedPlace(report.number, place))
        return dict(sorted(places.items()))

    def write(self, *, reverse: bool = False) -> None:
        """Count, weigh and write all shards; staged places are handed over backwards if `reverse`."""
        records = {
            _name(plan): sum(
                self.writer(plan).unique_rows(places) for places in self.places(plan).values()
            )
            for plan in self.plan.splits
        }
        mixture = mixture_of(self.plan, self.options, records)
        trained = trained_splits(self.plan, self.options)
        for plan in self.plan.splits:
            part = mixture.get(plan.source) if plan.split in trained.get(plan.source, ()) else None
            weight = None if part is None else part.record_weight
            self.shards[_name(plan)] = [
                self.writer(plan).write(shard, places[::-1] if reverse else places, weight)
                for shard, places in self.places(plan).items()
            ]

    def work(self) -> list[SplitWork]:
        return [
            SplitWork(plan, self.ranges[_name(plan)], self.shards[_name(plan)])
            for plan in self.plan.splits
        ]

    def finish(self) -> Manifest:
        self.manifest = finish(
            self.plan,
            self.work(),
            self.options,
            self.files,
            self.staging,
            inputs=self.inputs,
            fingerprint="0" * 16,
            versions={"visinstruct": "test"},
        )
        return self.manifest

    def run(self) -> "Building":
        self.stage()
        self.write()
        self.finish()
        return self

    def records(self, source: str, split: str) -> list[Record]:
        assert self.manifest is not None
        return list(BuiltDataset(str(self.out), self.manifest, self.files).records(source, split))

    def rejections(self, source: str) -> list[Rejection]:
        path = self.out / "rejected" / f"{source}.jsonl"
        return decode_rejections(path.read_bytes()) if path.exists() else []

    def tree(self) -> dict[str, bytes]:
        """The dataset's files, by their path in it."""
        return {
            path.relative_to(self.out).as_posix(): path.read_bytes()
            for path in sorted(self.out.rglob("*"))
            if path.is_file()
        }


def _name(plan: SplitPlan) -> str:
    return f"{plan.source}/{plan.split}"


class RawFolder:
    """Writes the publishers' files of toy sources, VQAv2 and COCO captions above all."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, data: bytes | str) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data if isinstance(data, bytes) else data.encode())
        return place

    def json(self, path: str, document: Any, **options: Any) -> Path:
        return self.write(path, json.dumps(document, **options))

    def image(self, path: str, size: tuple[int, int] = (8, 6)) -> Path:
        """An image of its own colour; the format is that of the path's suffix."""
        color = tuple(hash_bytes(path)[:3])
        image = Image.new("RGB", size, color)
        encoded = io.BytesIO()
        image.save(encoded, "PNG" if path.endswith(".png") else "JPEG")
        return self.write(path, encoded.getvalue())

    def coco(self, *image_ids: int, folder: str = "train2014") -> None:
        for image_id in image_ids:
            self.image(f"images/coco/{folder}/COCO_{folder}_{image_id:012d}.jpg")

    def vqa(
        self,
        questions: Iterable[Mapping[str, Any]],
        annotations: Iterable[Mapping[str, Any]] | None = None,
        subset: str = "train2014",
        **options: Any,
    ) -> None:
        """VQAv2's two files; unless given, every question id has an annotation, once."""
        questions = list(questions)
        if annotations is None:
            first = {row["question_id"]: row for row in reversed(questions)}
            annotations = [annotation(row) for row in first.values()]
        files = {VQA_QUESTIONS: {"questions": questions}}
        files[VQA_ANNOTATIONS] = {"info": {"version": "2.0"}, "annotations": list(annotations)}
        for name, document in files.items():
            self.json(f"vqav2/{name.format(subset)}", document, **options)


def hash_bytes(text: str) -> bytes:
    return np.random.default_rng(list(text.encode())).bytes(32)


def question(number: int, image_id: int = 1, text: str | None = None) -> dict[str, Any]:
    return {
        "image_id": image_id,
        "question": text or f"What is number {number}?",
        "question_id": number,
    }


def annotation(row: Mapping[str, Any], answers: Iterable[str] = ("cat",) * 10) -> dict[str, Any]:
    return {
        "question_type": "what is",
        "answers": [{"answer": text, "answer_id": n} for n, text in enumerate(answers, start=1)],
        "image_id": row["image_id"],
        "answer_type": "other",
        "question_id": row["question_id"],
    }


@pytest.fixture
def raw(tmp_path: Path) -> RawFolder:
    """An empty raw folder."""
    return RawFolder(tmp_path / "raw")


@pytest.fixture
def prepare(tmp_path: Path, raw: RawFolder) -> Callable[..., Building]:
    """Plans a build of `raw` (or of another folder) with the given options."""

    def prepare(out: str = "out", *, raw: Path = raw.root, **options: Any) -> Building:
        return Building(raw, tmp_path / out, **options)

    return prepare


@pytest.fixture
def build(prepare: Callable[..., Building]) -> Callable[..., Building]:
    """Builds `raw` (or another folder) with the given options."""

    def build(out: str = "out", **options: Any) -> Building:
        return prepare(out, **options).run()

    return build


@pytest.fixture(scope="session")
def build_in() -> Callable[..., Building]:
    """Builds a raw folder into an output folder with the given options."""
    return lambda raw, out, **options: Building(raw, out, **options).run()


@pytest.fixture(scope="session")
def referenced(sample_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Building:
    """The sample, images kept by reference: to be read only."""
    return Building(sample_raw, tmp_path_factory.mktemp("referenced")).run()


@pytest.fixture(scope="session")
def embedded(sample_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Building:
    """The sample, images embedded: to be read only."""
    return Building(sample_raw, tmp_path_factory.mktemp("embedded"), images="embed").run()


@pytest.fixture
def ask() -> Callable[..., dict[str, Any]]:
    """A row of VQAv2's questions."""
    return question


@pytest.fixture
def annotate() -> Callable[..., dict[str, Any]]:
    """The row of VQAv2's annotations that belongs to a question."""
    return annotation


@pytest.fixture
def example() -> Callable[..., Example]:
    """An example of VQAv2, with any field set to another value."""

    def example(**fields: Any) -> Example:
        base: dict[str, Any] = {
            "example_id": "vqav2/train/1",
            "source": "vqav2",
            "split": "train",
            "task": "vqa",
            "group_id": "coco:1",
            "images": ("coco/train2014/COCO_train2014_000000000001.jpg",),
        }
        return Example(**base | fields)

    return example


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[tuple[Path, MediaRoots]]:
    """An empty collection `c`: its folder, and the roots that know it."""
    folder = tmp_path / "collection"
    folder.mkdir()
    yield folder, MediaRoots({"c": str(folder)}, LocalFiles())
