"""Staging, the first half of a build: the rows of one range become rendered, sorted records.

`SplitStager` reads a range and writes its files to the staging folder; `RangeWork` turns rows into
records, rejections and counts. The second half is `shard_writer`, which merges ranges into shards.
"""

import gc
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.build.options import BuildOptions
from datagen.build.plan import RangePlan, SplitPlan
from datagen.build.stage_media import MediaStage, PreparesMedia, StagedMedia
from datagen.build.staging import Place, RangeReport, Staging
from datagen.errors import RawDataError, Reason, RowFailedError, RowRejectedError, UserError
from datagen.files import Files
from datagen.media.media import MediaRoots
from datagen.raw.gather import open_raw
from datagen.raw.lookup import KeyIndex, key_number, read_rows
from datagen.raw.rows import WindowRows
from datagen.render import Draw, chance, draw_by_chance, evaluation
from datagen.schema.adapter import Filtered, MediaFinder, Rejected, RowContext, SplitFiles
from datagen.schema.columns import example_columns, list_column
from datagen.schema.example import Example
from datagen.schema.rejects import Rejection, encode_rejections, rejection_at
from templates.library import SourceTemplates

PARTS_PER_ROW = 1 << 20
"""Examples of one row keep their order: position = row * PARTS_PER_ROW + part."""

MAX_ROW_IN_MESSAGE = 400
"""Characters of a row that the message of a failed row shows."""

_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4")
_PLACES = pa.struct([("offset", pa.int64()), ("length", pa.int64())])


@dataclass(frozen=True)
class SplitStager:
    """Stages the ranges of one split. Each worker makes one and keeps it: its tables and indexes are loaded once."""

    plan: SplitPlan
    options: BuildOptions
    roots: MediaRoots
    files: Files
    staging: Staging

    @cached_property
    def layout(self) -> SplitFiles:
        """The layout that the plan chose, as the adapter declares it."""
        for layout in self.options.source(self.plan.source).splits:
            if (layout.split, layout.layout_name) == (self.plan.split, self.plan.layout_name):
                return layout
        raise AssertionError(f"{self.plan.source} has no layout {self.plan.layout_name}")

    @cached_property
    def templates(self) -> SourceTemplates:
        """What the source is rendered with."""
        return self.options.templates_of(self.plan.source)

    @cached_property
    def tables(self) -> dict[str, Any]:
        """The adapter's tables by name, loaded whole."""
        tables = {}
        for name, plan in self.plan.tables.items():
            with open_raw(self.files, plan.path) as file:
                file.seek(plan.start)
                data = file.read(plan.end - plan.start)
            try:
                tables[name] = self.layout.tables[name].load(data)
            except (ValueError, msgspec.MsgspecError) as error:
                raise RawDataError(f"{plan.path} cannot be used as {name}: {error}") from None
        return tables

    @cached_property
    def key_indexes(self) -> dict[str, KeyIndex]:
        """The key index of each lookup whose file is present."""
        indexes = {}
        for name, plan in self.plan.lookups.items():
            if plan.path is not None:
                with self.files.open_binary(plan.index_path) as file:
                    indexes[name] = KeyIndex(np.load(file))
        return indexes

    def stage(self, planned: RangePlan) -> RangeReport:
        """Stage one range, unless it is staged already. Deterministic: the files follow from the range alone.

        Raises:
            RowFailedError: the adapter raised an unexpected error on a row.
            RawDataError: a table cannot be loaded.
        """
        report = self._staged(planned)
        if report is None:
            with _collector_paused():
                report = self._stage(planned)
            self._create(planned, "report.json", msgspec.json.encode(report))
        return report

    def _staged(self, planned: RangePlan) -> RangeReport | None:
        """Return the report of a range that is staged already; None if a file is missing or truncated."""
        try:
            with self.files.open_binary(self._path(planned, "report.json")) as file:
                report = msgspec.json.decode(file.read(), type=RangeReport)
            for what, num_bytes in report.files.items():
                with self.files.open_binary(self._path(planned, what)) as file:
                    if file.seek(0, os.SEEK_END) != num_bytes:
                        return None
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return report

    def _create(self, planned: RangePlan, what: str, data: bytes) -> None:
        with self.files.create(self._path(planned, what), durable=False) as file:
            file.write(data)

    def _stage(self, planned: RangePlan) -> RangeReport:
        embed = self.options.images == "embed"
        images = self._path(planned, "images")
        states: dict[str, str] = {}
        roots = self.roots.recording(states)
        with self.files.create(images, durable=False) if embed else nullcontext() as pack:
            work = RangeWork(self, planned, MediaStage(roots, self.options, pack), roots)
            work.run()
            blocks, keys, places = work.blocks()
        staged = {
            "blocks": blocks,
            "keys": keys,
            "rejected.jsonl": encode_rejections(work.rejections),
            "media.json": msgspec.json.encode(states),
        }
        for what, data in staged.items():
            self._create(planned, what, data)
        num_bytes = {what: len(data) for what, data in staged.items()}
        if embed:
            num_bytes["images"] = work.media.packed_bytes
        return RangeReport(
            source=self.plan.source,
            split=self.plan.split,
            number=planned.number,
            read=work.read,
            staged=len(work.examples),
            rejected=dict(Counter(each.reason.value for each in work.rejections)),
            filtered=dict(work.filtered),
            reencoded=work.media.reencoded,
            files=num_bytes,
            places=places,
        )

    def _path(self, planned: RangePlan, what: str) -> str:
        return self.staging.range(self.plan.source, self.plan.split, planned.number, what)

    def window_rows(self, planned: RangePlan) -> WindowRows:
        """Read and decode the rows in the range's window, those of other splits among them."""
        plan = self.plan
        return WindowRows(self.files, plan.path, plan.kind, planned.window, self.layout.rows.row)

    def found(self, values: Sequence[Any]) -> Iterator[Mapping[str, Sequence[Any]]]:
        """Yield for each row the rows that are joined to it, by name of the lookup."""
        columns: dict[str, Sequence[Sequence[Any]]] = {}
        for name, lookup in self.layout.lookups.items():
            path = self.plan.lookups[name].path
            if path is None:
                columns[name] = [()] * len(values)
                continue
            by = lookup.by
            keys = [key_number(getattr(value, by, -1)) for value in values]
            columns[name] = read_rows(self.files, path, self.key_indexes[name], keys, lookup.row)
        names = tuple(columns)
        if not names:
            yield from ({} for _ in values)
        for rows in zip(*columns.values(), strict=True):
            yield dict(zip(names, rows, strict=True))


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector, which takes two fifths of the time of a range otherwise.

    A range makes thousands of objects without cycles; reference counts free them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class RangeWork:
    """Collects the records, rejections and counts of one range.

    `media` prepares the images and videos of an example; `finder` looks for files of media on behalf of
    the adapter, by default in the media folders.
    """

    def __init__(
        self,
        stager: SplitStager,
        planned: RangePlan,
        media: PreparesMedia,
        finder: MediaFinder | None = None,
    ) -> None:
        self.stager, self.planned, self.media = stager, planned, media
        self.finder = finder or stager.roots
        self.examples: list[Example] = []
        self.draws: list[Draw] = []
        self.staged_media: list[StagedMedia] = []
        self.keys: list[int] = []
        self.positions: list[int] = []
        self.rejections: list[Rejection] = []
        self.filtered: Counter[str] = Counter()
        self.protocol = None
        self._keeps_missing = stager.options.missing_images == "keep"
        source, split = stager.plan.source, stager.plan.split
        if stager.options.evaluates_on(stager.options.source(source).card, split):
            self.protocol = stager.templates.protocol

    @property
    def read(self) -> int:
        """Number of outcomes so far: examples, rejected and filtered ones."""
        return len(self.examples) + len(self.rejections) + self.filtered.total()

    def run(self) -> None:
        """Process every row of the range that belongs to the split."""
        stager, planned = self.stager, self.planned
        layout = stager.layout
        self.rows = stager.window_rows(planned)
        split_of, split = layout.rows.split_of, layout.split
        indexes: Sequence[int] = range(len(self.rows.values))
        if split_of is not None:
            indexes = [
                i
                for i, value in enumerate(self.rows.values)
                if not isinstance(value, Rejected) and split_of(value) == split
            ]
        indexes = indexes[: planned.rows]
        values = [self.rows.values[i] for i in indexes]
        context = RowContext(
            source=stager.plan.source,
            split=split,
            hidden_answers=layout.hidden_answers,
            tables=stager.tables,
            media=self.finder,
        )
        for index, value, found in zip(indexes, values, stager.found(values), strict=True):
            context.row_number = planned.first_row + index
            context.key = self.rows.key(index)
            context.found = found
            if isinstance(value, Rejected):
                self.reject(index, value.reason, value.message)
            else:
                self.row(index, value, context)

    def row(self, index: int, value: Any, context: RowContext) -> None:
        """Accept, reject or filter each example of a row; `index` counts rows of the window.

        Raises:
            RowFailedError: the adapter raised an unexpected error; names file and row.
        """
        position = context.row_number * PARTS_PER_ROW
        try:
            for outcome in self.stager.layout.examples(value, context):
                position += 1
                if isinstance(outcome, Example):
                    try:
                        self.accept(outcome, position)
                    except RowRejectedError as error:
                        self.reject(index, error.reason, error.message)
                elif isinstance(outcome, Filtered):
                    self.filtered[outcome.reason] += 1
                elif outcome.reason is Reason.MEDIA_MISSING and self._keeps_missing:
                    self.filtered["media_path_unknown"] += 1  # no path that could be kept
                else:
                    self.reject(index, outcome.reason, outcome.message)
        except RowRejectedError as error:
            self.reject(index, error.reason, error.message)
        except (UserError, OSError, MemoryError):
            raise
        except Exception as error:
            plan = self.stager.plan
            row = " ".join(self.rows.text(index).split())[:MAX_ROW_IN_MESSAGE]
            raise RowFailedError(
                f"{plan.source}/{plan.split}: {self.stager.layout.rows.file}, row "
                f"{context.row_number}: {type(error).__name__}: {' '.join(str(error).split())}; the row "
                f"is {row}"
            ) from error

    def accept(self, example: Example, position: int) -> None:
        """Prepare the media of an example and render it.

        Raises:
            RowRejectedError: its media cannot be used, or no template fits.
        """
        media = self.media.prepare(example)
        chances = chance(self.stager.options.seed, 0, example.example_id)
        if self.protocol is None:
            draw = draw_by_chance(example, self.stager.templates, chances)
        else:
            title = self.stager.templates.spec.title
            draw = evaluation(example, self.protocol, chances, title)
        self.examples.append(example)
        self.draws.append(draw)
        self.staged_media.append(media)
        self.keys.append(chances.order)
        self.positions.append(position)

    def reject(self, index: int, reason: Any, message: str) -> None:
        """Record a rejection with the place and content of its row."""
        plan, rows = self.stager.plan, self.stager.layout.rows
        origin = None if rows.origin is None else rows.origin(self.rows.values[index])
        self.rejections.append(
            Rejection(
                source=plan.source,
                split=plan.split,
                file=rows.file,
                row=self.planned.first_row + index,
                byte=self.rows.rows[index].start,
                reason=reason,
                message=message,
                content=self.rows.text(index),
            )
            if origin is None
            else rejection_at(origin, plan.source, plan.split, reason, message)
        )

    def blocks(self) -> tuple[bytes, bytes, list[Place]]:
        """Return the records sorted by key, as one Arrow stream a shard; their keys; the place of each stream."""
        keys = np.array(self.keys, dtype=np.uint64)
        order = np.lexsort((np.array(self.positions, dtype=np.int64), keys))
        keys = keys[order]
        starts = np.searchsorted(keys, shard_starts(self.stager.plan.num_shards)).tolist()
        batch = self._batch(order.tolist(), keys)
        sink = pa.BufferOutputStream()
        places = []
        for shard, (first, last) in enumerate(pairwise([*starts, len(keys)])):
            rows = last - first
            if rows:
                offset = sink.tell()
                with pa.ipc.new_stream(sink, batch.schema, options=_LZ4) as writer:
                    writer.write_batch(batch.slice(first, rows))
                places.append(Place(shard, offset, sink.tell() - offset, first, rows))
        return sink.getvalue(), keys.tobytes(), places

    def _batch(self, order: Sequence[int], keys: npt.NDArray[np.uint64]) -> pa.RecordBatch:
        draws = [self.draws[i] for i in order]
        media = [self.staged_media[i] for i in order]
        examples = [self.examples[i] for i in order]
        columns = example_columns(examples)
        columns["template_id"] = pa.array([draw.template_id for draw in draws], pa.string())
        columns["instruction"] = pa.array([draw.instruction for draw in draws], pa.string())
        columns["target"] = pa.array([draw.target for draw in draws], pa.string())
        columns["references"] = _strings([draw.references for draw in draws])
        columns["_key"] = pa.array(keys)
        columns["_position"] = pa.array([self.positions[i] for i in order], pa.int64())
        columns["_paths"] = _strings([each.paths or None for each in media])
        if any(example.video for example in examples):
            columns["_video"] = pa.array([example.video for example in examples], pa.string())
            columns["_frame_times"] = list_column(
                [each.frame_times for each in media], lambda times: pa.array(times, pa.float32())
            )
        if self.stager.options.images == "embed" or any(each.packed for each in media):
            columns["_packed"] = list_column([each.packed for each in media], _place_array)
        return pa.RecordBatch.from_pydict(columns)


def _strings(lists: Sequence[Sequence[str] | None]) -> pa.Array:
    return list_column(lists, lambda texts: pa.array(texts, pa.string()))


def _place_array(places: Sequence[tuple[int, int]]) -> pa.Array:
    offsets, lengths = zip(*places, strict=True) if places else ((), ())
    return pa.StructArray.from_arrays(
        [pa.array(offsets, pa.int64()), pa.array(lengths, pa.int64())], fields=list(_PLACES)
    )


def shard_starts(num_shards: int) -> npt.NDArray[np.uint64]:
    """Return the smallest key of each shard [num_shards]: shards divide the 64-bit keys equally."""
    return np.array([(shard << 64) // num_shards for shard in range(num_shards)], dtype=np.uint64)
