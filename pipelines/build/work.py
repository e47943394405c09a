"""The Beam graph of a build: stage ranges, gather shards, count, write.

Elements are names of ranges and places of rows, never records: a range of the publisher's file goes
in, and what comes out is a few numbers a shard, while the rows themselves lie in the staging folder,
which all workers must see. The graph has no tagged outputs, no output at the end of bundles and one
end, since not every runner gets those right.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

from datagen.build.finish import mixture_of, trained_splits
from datagen.build.options import BuildOptions
from datagen.build.plan import BuildPlan
from datagen.build.shard_writer import ShardWriter, StagedPlace
from datagen.build.stage import SplitStager
from datagen.build.staging import Place, Staging
from datagen.errors import UserError
from datagen.media.media import MediaRoots
from datagen.sources.declared.compile import pack_file
from datagen.stores.any_files import AnyFiles
from datagen.stores.connect import StoreSettings
from pipelines.build.fingerprint import different_versions, worker_versions
from pipelines.build.pulse import Pulse, pulse_of
from pipelines.interrupt import check_stopped
from templates.library import load_templates

RangeKey: TypeAlias = tuple[int, int]  # split number, range number
ShardKey: TypeAlias = tuple[int, int]  # split number, shard number
Numbers: TypeAlias = tuple[int, int, int, int, int]  # range; offset, length, first row, rows


@dataclass(frozen=True)
class Work:
    """The description of a build that every worker gets; picklable."""

    plan: BuildPlan
    options: BuildOptions
    media_roots: Mapping[str, str]
    staging: Staging
    template_hash: str
    versions: Mapping[str, str]
    stores: StoreSettings = field(default_factory=StoreSettings)

    def range_keys(self) -> list[RangeKey]:
        return [
            (number, planned.number)
            for number, split in enumerate(self.plan.splits)
            for planned in split.ranges
        ]

    def media(self, files: AnyFiles) -> MediaRoots:
        packs = {each.name: pack_file(each, self.staging.root) for each in self.options.readings}
        return MediaRoots(self.media_roots, files, self.options.follow_links, packs=packs)

    def pulse(self, files: AnyFiles) -> Pulse:
        """Return the pulse of this process."""
        return pulse_of(self.staging, files, 60 * self.options.stall_minutes)

    def part(self, kind: str, split: int, number: int) -> str:
        """Return a part of the build in words, for messages."""
        plan = self.plan.splits[split]
        return f"{kind} {number} of {plan.source}/{plan.split}"

    def check_worker(self) -> None:
        """Refuse a worker that would not write the same bytes as the process that planned.

        Raises:
            UserError: its code, a library or the template set is of another version.
        """
        theirs = {**worker_versions(), "templates": load_templates(self.options.template_dir).hash}
        ours = {**self.versions, "templates": self.template_hash}
        if different := different_versions(ours, theirs):
            raise UserError(f"a worker has {different}; install the same versions on all machines")


class _WorkDoFn(beam.DoFn):
    """Travels with no more than the work: what a worker loads stays in that worker."""

    def __init__(self, work: Work) -> None:
        self.work = work
        work.stores.apply()
        self.files = AnyFiles()

    def __reduce__(self) -> tuple[type, tuple[Work]]:
        return type(self), (self.work,)


class StageRanges(_WorkDoFn):
    """Range keys in, the places of their rows by shard out."""

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self.stagers: dict[int, SplitStager] = {}

    def process(self, key: RangeKey) -> Iterator[tuple[ShardKey, Numbers]]:
        check_stopped()
        split, number = key
        if not self.stagers:
            self.work.check_worker()
        if split not in self.stagers:
            work = self.work
            self.stagers[split] = SplitStager(
                work.plan.splits[split],
                work.options,
                work.media(self.files),
                self.files,
                work.staging,
            )
        with self.work.pulse(self.files).working(self.work.part("range", split, number)):
            report = self.stagers[split].stage(self.work.plan.splits[split].ranges[number])
        for place in report.places:
            numbers = (place.offset, place.length, place.first_row, place.rows)
            yield (split, place.shard), (number, *numbers)


def _writer(work: Work, split: int, files: AnyFiles) -> ShardWriter:
    media = work.media(files)
    return ShardWriter(work.plan.splits[split], work.options, media, files, work.staging)


class CountShards(_WorkDoFn):
    """Counts the records of each shard, all under one key."""

    def process(
        self, element: tuple[ShardKey, Iterable[Numbers]]
    ) -> Iterator[tuple[int, tuple[ShardKey, int]]]:
        key, numbers = element
        writer = _writer(self.work, key[0], self.files)
        with self.work.pulse(self.files).working(self.work.part("shard", *key)):
            rows = writer.unique_rows(_places(key[1], numbers))
        yield 0, (key, rows)


class WriteShards(_WorkDoFn):
    """Writes each shard; its records' weight needs the size of the whole source."""

    def process(
        self, element: tuple[ShardKey, Iterable[Numbers]], counts: Mapping[ShardKey, int]
    ) -> Iterator[int]:
        (split, shard), numbers = element
        check_stopped()
        weight = weights(self.work, counts).get(split)
        writer = _writer(self.work, split, self.files)
        with self.work.pulse(self.files).working(self.work.part("shard", split, shard)):
            report = writer.write(shard, _places(shard, numbers), weight)
        yield report.rows


def weights(work: Work, counts: Mapping[ShardKey, int]) -> dict[int, float]:
    """Return the relative weight of a record of each held-in training split, by split number."""
    names = [f"{split.source}/{split.split}" for split in work.plan.splits]
    records = dict.fromkeys(names, 0)
    for (split, _), rows in counts.items():
        records[names[split]] += rows
    mixture = mixture_of(work.plan, work.options, records)
    trained = trained_splits(work.plan, work.options)
    return {
        number: mixture[split.source].record_weight
        for number, split in enumerate(work.plan.splits)
        if split.split in trained.get(split.source, ()) and split.source in mixture
    }


def _places(shard: int, numbers: Iterable[Numbers]) -> list[StagedPlace]:
    """Sorted, each once: a runner may deliver an element twice."""
    return [
        StagedPlace(number, Place(shard, offset, length, first_row, rows))
        for number, offset, length, first_row, rows in sorted(set(map(tuple, numbers)))
    ]


def build_graph(pipeline: beam.Pipeline, work: Work) -> beam.pvalue.PCollection:
    """Add the work of a build to `pipeline`; the result is the rows of each written shard."""
    shards = (
        pipeline
        | "Ranges" >> beam.Create(work.range_keys(), reshuffle=True)
        | "Stage" >> beam.ParDo(StageRanges(work)).with_output_types(tuple[ShardKey, Numbers])
        | "Gather" >> beam.GroupByKey()
    )
    counts = (
        shards
        | "Count"
        >> beam.ParDo(CountShards(work)).with_output_types(tuple[int, tuple[ShardKey, int]])
        | "All counts" >> beam.GroupByKey()
        | "As table" >> beam.MapTuple(lambda _, pairs: dict(pairs))
    )
    return shards | "Write" >> beam.ParDo(WriteShards(work), AsSingleton(counts))
