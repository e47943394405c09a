"""Shards, the second half of a build: staged records become the Parquet files of a split."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.build.digests import write_digests
from datagen.build.options import BuildOptions
from datagen.build.plan import SplitPlan
from datagen.build.shard_images import RowGroup, ShardImages
from datagen.build.stage import PARTS_PER_ROW
from datagen.build.staging import Place, ShardReport, Staging
from datagen.errors import Reason
from datagen.files import Files, HashingWriter
from datagen.media.media import MediaRoots
from datagen.raw.rows import WindowRows
from datagen.schema.card import SourceCard
from datagen.schema.record import DICTIONARY_COLUMNS, SCHEMA, file_schema
from datagen.schema.rejects import Rejection, encode_rejections, rejection_at

ROW_GROUP_ROWS = 4_096
ROW_GROUP_BYTES = 4 << 20
"""Of images: the Hub's viewer and random reads want small groups."""

IMAGE_BYTES_COLUMN = "images.list.element.bytes"


class StagedPlace(NamedTuple):
    """A `Place` and the range that it is in."""

    range: int
    place: Place


@dataclass(frozen=True)
class ShardWriter:
    """Writes the shards of one split."""

    plan: SplitPlan
    options: BuildOptions
    roots: MediaRoots
    files: Files
    staging: Staging

    def unique_rows(self, places: Sequence[StagedPlace]) -> int:
        """Return the number of records of the shard: its rows, less those whose id another row has."""
        written = self._written(places[0].place.shard)
        if written is not None:
            return written.rows
        parts = []
        for number, place in sorted(places):
            with self.files.open_binary(self.staged(number, "keys")) as file:
                file.seek(8 * place.first_row)
                parts.append(np.frombuffer(file.read(8 * place.rows), dtype="<u8"))
        keys = np.concatenate(parts)
        if len(np.unique(keys)) == len(keys):
            return len(keys)
        return int(np.count_nonzero(_first_of_id(self._sorted_table(places))))

    def write(self, shard: int, places: Sequence[StagedPlace], weight: float | None) -> ShardReport:
        """Write one shard, unless it is written already. Deterministic: the order of `places` does not count."""
        written_before = self._written(shard)
        if written_before is not None:
            return written_before
        plan = self.plan
        table = self._sorted_table(places)
        first = _first_of_id(table)
        repeated = table.filter(pa.array(~first))
        table = table.filter(pa.array(first)) if repeated.num_rows else table
        name = self.staging.shard_name(plan.source, plan.split, shard, plan.num_shards)
        with self.files.create(f"{self.staging.output}/{name}") as file:
            written = HashingWriter(file)
            self._write_parquet(written, table, weight)
        staged = partial(self.staging.shard, plan.source, plan.split, shard)
        with self.files.create(staged("rejected.jsonl")) as file:
            file.write(encode_rejections(self._duplicates(repeated)))
        group_ids = pc.unique(table["group_id"]).to_pylist()
        report = ShardReport(
            source=plan.source,
            split=plan.split,
            shard=shard,
            rows=table.num_rows,
            num_bytes=written.num_bytes,
            sha256=written.sha256,
            duplicates=repeated.num_rows,
            groups=write_digests(group_ids, staged("groups"), self.files).num_digests,
        )
        with self.files.create(staged("report.json")) as file:
            file.write(msgspec.json.encode(report))
        return report

    def _written(self, shard: int) -> ShardReport | None:
        """Return the report of a shard that is finished already."""
        path = self.staging.shard(self.plan.source, self.plan.split, shard, "report.json")
        if not self.files.exists(path):
            return None
        with self.files.open_binary(path) as file:
            return msgspec.json.decode(file.read(), type=ShardReport)

    @property
    def _card(self) -> SourceCard:
        return self.options.source(self.plan.source).card

    def staged(self, number: int, what: str) -> str:
        return self.staging.range(self.plan.source, self.plan.split, number, what)

    def _sorted_table(self, places: Sequence[StagedPlace]) -> pa.Table:
        """Return the shard's staged rows by key, then by their place in the publisher's file."""
        tables = []
        for number, place in sorted(places):
            with self.files.open_binary(self.staged(number, "blocks")) as file:
                file.seek(place.offset)
                data = pa.py_buffer(file.read(place.length))
            table = pa.ipc.open_stream(data).read_all()
            ranges = pa.array(np.full(place.rows, number, dtype=np.int32))
            tables.append(table.append_column("_range", ranges))
        table = pa.concat_tables(tables, promote_options="default")
        order = np.lexsort((table["_position"].to_numpy(), table["_key"].to_numpy()))
        return table.take(pa.array(order)).combine_chunks()

    def _duplicates(self, repeated: pa.Table) -> Iterator[Rejection]:
        repeated = repeated.sort_by("_position")
        window: WindowRows | None = None
        source = self.options.source(self.plan.source)
        rows = next(each.rows for each in source.splits if each.split == self.plan.split)
        row_type = Any if rows.origin is None else rows.row
        for record_id, position, number in zip(
            repeated["record_id"].to_pylist(),
            repeated["_position"].to_pylist(),
            repeated["_range"].to_pylist(),
            strict=True,
        ):
            row = position // PARTS_PER_ROW
            place = self.plan.ranges[number]
            if window is None or window.window != place.window:
                window = WindowRows(
                    self.files, self.plan.path, self.plan.kind, place.window, row_type
                )
            index = row - place.first_row
            message = f"an earlier row makes {record_id!r} too; that one is used"
            if rows.origin is not None:
                origin = rows.origin(window.values[index])
                reason = Reason.DUPLICATE_ID
                yield rejection_at(origin, self.plan.source, self.plan.split, reason, message)
                continue
            yield Rejection(
                source=self.plan.source,
                split=self.plan.split,
                file=self.plan.path.removeprefix(f"{self.options.raw}/{self._card.folder}/"),
                row=row,
                byte=window.rows[index].start,
                reason=Reason.DUPLICATE_ID,
                message=message,
                content=window.text(index),
            )

    def _write_parquet(self, file: HashingWriter, table: pa.Table, weight: float | None) -> None:
        mode = self.options.images
        records = self._records(table, weight)
        schema = file_schema(mode)
        has_bytes = mode == "embed" or "_packed" in table.column_names
        settings = _EMBEDDED if mode == "embed" else _PACKED if has_bytes else _REFERENCES
        with pq.ParquetWriter(file, schema, **_SETTINGS, **settings) as writer:
            if not has_bytes:
                records = _with_images(records, _references(table))
                writer.write_table(records, row_group_size=ROW_GROUP_ROWS)
                return
            with ShardImages(self.roots, self.files, self.staged) as images:
                max_rows = None if mode == "embed" else ROW_GROUP_ROWS
                for group in _one_ahead(images.row_groups(table, ROW_GROUP_BYTES, max_rows)):
                    rows = records.slice(group.first, group.num_rows)
                    writer.write_table(_with_images(rows, group.images))

    def _records(self, table: pa.Table, weight: float | None) -> pa.Table:
        """Staged rows as rows of `SCHEMA`, without their images."""
        card = self._card
        constants = {
            "source": self.plan.source,
            "split": self.plan.split,
            "task": card.task,
            "licence": card.licence.value,
            "weight": weight,
        }
        columns = []
        for field in SCHEMA:
            if field.name in constants:
                value = pa.scalar(constants[field.name], field.type)
                columns.append(pa.repeat(value, table.num_rows))
            elif field.name == "video":
                columns.append(_videos(table))
            elif field.name in table.column_names:
                columns.append(table[field.name])
            else:
                columns.append(pa.nulls(table.num_rows, field.type))
        return pa.table(columns, schema=file_schema(self.options.images))


def _with_images(records: pa.Table, images: pa.Array) -> pa.Table:
    index = records.schema.get_field_index("images")
    return records.set_column(index, records.schema.field(index), images)


def _one_ahead(groups: Iterator[RowGroup]) -> Iterator[RowGroup]:
    """`groups`, each read while the one before it is written."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, groups, None)
        while (group := coming.result()) is not None:
            coming = thread.submit(next, groups, None)
            yield group


def _references(table: pa.Table) -> pa.Array:
    """Return the images column without bytes."""
    if table["_paths"].null_count == table.num_rows:
        return pa.nulls(table.num_rows, SCHEMA.field("images").type)
    paths = table["_paths"].combine_chunks()
    images = pa.StructArray.from_arrays(
        [pa.nulls(len(paths.values), pa.binary()), paths.values], names=["bytes", "path"]
    )
    return pa.ListArray.from_arrays(paths.offsets, images, mask=paths.is_null())


def _videos(table: pa.Table) -> pa.Array:
    kind = SCHEMA.field("video").type
    if "_video" not in table.column_names:
        return pa.nulls(table.num_rows, kind)
    paths = table["_video"].combine_chunks()
    times = table["_frame_times"].combine_chunks()
    return pa.StructArray.from_arrays([paths, times], fields=list(kind), mask=paths.is_null())


def _leaves(name: str, kind: pa.DataType) -> Iterator[str]:
    """Yield the names of a column's leaves in Parquet."""
    if pa.types.is_list(kind):
        yield from _leaves(f"{name}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{name}.{field.name}", field.type)
    else:
        yield name


_SETTINGS: Mapping[str, Any] = {
    "use_dictionary": DICTIONARY_COLUMNS,
    "write_statistics": ["record_id", *DICTIONARY_COLUMNS],
}
_REFERENCES: Mapping[str, Any] = {"compression": "zstd"}
_PACKED: Mapping[str, Any] = {
    "compression": {
        leaf: "none" if leaf == IMAGE_BYTES_COLUMN else "zstd"
        for field in SCHEMA
        for leaf in _leaves(field.name, field.type)
    }
}
"""Images are compressed already."""
_EMBEDDED: Mapping[str, Any] = {
    "compression": "none",
    "data_page_size": 1 << 16,
    "write_batch_size": 4,
}
"""Beside images, texts are next to nothing, and compressing forty short columns for every 4 MB costs more than reading them.
Pages of a few images, looked at after every fourth row, stay in the processor's cache while they are written.
"""


def _first_of_id(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Return a mask [rows], true for the first row of each id, of a table sorted by key."""
    keys = table["_key"].to_numpy()
    first = np.ones(len(keys), dtype=bool)
    repeats = np.flatnonzero(keys[1:] == keys[:-1]) + 1
    for index in repeats.tolist():
        begin = np.searchsorted(keys, keys[index])
        earlier = table["record_id"].slice(begin, index - begin).to_pylist()
        first[index] = table["record_id"][index].as_py() not in earlier
    return first
