"""Planning: the publishers' files are indexed and cut into ranges, and joins are prepared."""

import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from msgspec import structs

from datagen.build.options import BuildOptions
from datagen.build.plan import (
    BuildPlan,
    InputFile,
    LookupPlan,
    MissingSplit,
    RangePlan,
    SplitPlan,
    TablePlan,
)
from datagen.build.staging import Staging
from datagen.errors import RawDataError, Reason
from datagen.files import Files
from datagen.raw.gather import open_raw, raw_exists
from datagen.raw.json_index import Container, JsonIndex, Row
from datagen.raw.lookup import KeyIndex, index_keys, keys_of
from datagen.raw.row_index import index_file
from datagen.raw.rows import WindowRows
from datagen.schema.adapter import JsonPath, Lookup, Rejected, Rows, Source, SplitFiles, Table
from datagen.schema.rejects import Rejection, count_reasons, encode_rejections
from datagen.sources import module_of
from datagen.sources.declared.compile import pack_file

SHARD_INPUT_BYTES = 32 << 20
EMBED_SHARD_ROWS = 2_000


def make_plan(
    options: BuildOptions,
    files: Files,
    staging: Staging,
    chosen: Sequence[tuple[Source, SplitFiles]],
    indexes: dict[str, JsonIndex],
) -> BuildPlan:
    """Plan the `chosen` splits; saves join indexes and the plan's own rejections in `staging`.

    Raises:
        RawDataError: a file holds no rows.
    """
    planner = _Planner(options, files, staging, indexes)
    splits: list[SplitPlan] = []
    missing: list[MissingSplit] = []
    for source, layout in chosen:
        planned = planner.plan(source, layout)
        if isinstance(planned, MissingSplit):
            missing.append(planned)
        else:
            splits.append(planned)
    return BuildPlan(tuple(splits), tuple(missing))


def input_files(
    options: BuildOptions,
    chosen: Iterable[tuple[Source, SplitFiles]],
    indexes: Mapping[str, JsonIndex],
) -> dict[str, dict[str, InputFile]]:
    """Return the publishers' files that were read: source -> file name -> size and sha256."""
    inputs: dict[str, dict[str, InputFile]] = defaultdict(dict)
    for source, layout in chosen:
        if source.in_staging:
            continue
        names = [*layout.files(), *layout.optional_files()]
        if source.vocabulary is not None:
            names.append(source.vocabulary.rows.file)
        for name in names:
            index = indexes.get(f"{options.raw}/{source.card.folder}/{name}")
            if index is not None:
                inputs[source.id][name] = InputFile(index.num_bytes, index.sha256)
        module = module_of(source.id)
        if module is not None:  # the code of a package is an input of its sources alone
            code = module.read_bytes()
            digest = hashlib.sha256(code).hexdigest()
            inputs[source.id][f"code {module.name}"] = InputFile(len(code), digest)
    return dict(inputs)


def index_files(
    options: BuildOptions, files: Files, chosen: Iterable[tuple[Source, SplitFiles]]
) -> dict[str, JsonIndex]:
    """Index every file that the chosen splits read, once: path -> the places of its rows.

    Raises:
        RawDataError: for all files that cannot be used.
    """
    wanted: dict[str, dict[JsonPath, Rows | Lookup | Table]] = defaultdict(dict)
    for source, layout in chosen:
        if source.in_staging:
            continue
        folder = f"{options.raw}/{source.card.folder}"
        wanted[f"{folder}/{layout.rows.file}"][layout.rows.path] = layout.rows
        for lookup in layout.lookups.values():
            if lookup.required or raw_exists(files, f"{folder}/{lookup.file}"):
                wanted[f"{folder}/{lookup.file}"][lookup.path] = lookup
        for table in layout.tables.values():
            parts = wanted[f"{folder}/{table.file}"]
            if table.path is not None:
                parts.setdefault(table.path, table)
        vocabulary = source.vocabulary
        if vocabulary is not None and raw_exists(files, f"{folder}/{vocabulary.rows.file}"):
            rows = vocabulary.rows
            wanted[f"{folder}/{rows.file}"][rows.path] = rows
    indexes: dict[str, JsonIndex] = {}
    errors: list[str] = []
    for path, parts in wanted.items():
        try:
            with open_raw(files, path) as file:
                if parts:
                    size = file.seek(0, os.SEEK_END)
                    file.seek(0)
                    indexes[path] = index_file(file, path, parts, options.range_bytes(size))
                else:
                    data = file.read()
                    indexes[path] = JsonIndex(len(data), hashlib.sha256(data).hexdigest(), {})
        except RawDataError as error:
            errors.append(str(error))
        except OSError as error:
            errors.append(f"{path} cannot be read: {error.strerror}")
    if errors:
        raise RawDataError("\n".join(errors))
    return indexes


def raw_path(options: BuildOptions, staging: Staging, source: Source, file: str) -> str:
    """Return the path of a file of rows: in the raw folder, or where the build made it."""
    return (
        f"{staging.root}/{file}"
        if source.in_staging
        else f"{options.raw}/{source.card.folder}/{file}"
    )


class _Planner:
    """Plans split after split; indexes and splits of rows that several share are computed once."""

    def __init__(
        self, options: BuildOptions, files: Files, staging: Staging, indexes: dict[str, JsonIndex]
    ) -> None:
        self.options, self.files, self.staging, self.indexes = options, files, staging, indexes
        self.key_indexes: dict[str, tuple[KeyIndex, list[Row]]] = {}
        self.members: dict[tuple[str, str], list[list[str | None]]] = {}
        self.unplaced: dict[tuple[str, str], list[Rejection]] = {}

    def plan(self, source: Source, layout: SplitFiles) -> SplitPlan | MissingSplit:
        path = self._path(source, layout.rows.file)
        if source.in_staging and path not in self.indexes:
            return MissingSplit(source.id, layout.split, ("rows of this split",))
        container = self._container(path, layout.rows.path)
        log = _Log(source.id, layout.split)
        ranges = tuple(self._ranges(source, layout, path, container))
        if not ranges:
            if layout.rows.split_of is None:
                raise RawDataError(f"{path} holds no rows; download it again")
            return MissingSplit(source.id, layout.split, (f"rows in {layout.rows.file}",))
        log.adopt(self.unplaced.pop((source.id, path), ()))
        lookups = {
            name: self._lookup(source, layout, lookup, log)
            for name, lookup in layout.lookups.items()
        }
        with self.files.create(self.staging.plan_rejections(source.id, layout.split)) as file:
            file.write(encode_rejections(log.rejections))
        return SplitPlan(
            source=source.id,
            split=layout.split,
            layout_name=layout.layout_name,
            path=path,
            kind=container.kind,
            ranges=ranges,
            lookups=lookups,
            tables={
                name: self._table(self._path(source, table.file), table.path)
                for name, table in layout.tables.items()
            },
            num_shards=self._num_shards(source, layout, ranges, container),
            rejected=count_reasons(log.rejections),
        )

    def _path(self, source: Source, file: str) -> str:
        return raw_path(self.options, self.staging, source, file)

    def _container(self, path: str, part: JsonPath) -> Container:
        return self.indexes[path].containers[part]

    def _ranges(
        self, source: Source, layout: SplitFiles, path: str, container: Container
    ) -> Iterator[RangePlan]:
        members = self._members(source, layout, path, container)
        left = self.options.limit
        first_row = number = 0
        for index, window in enumerate(container.windows):
            rows = window.rows if members is None else members[index].count(layout.split)
            if left is not None:
                rows = min(rows, left)
                left -= rows
            if rows:
                yield RangePlan(number, window, first_row, rows)
                number += 1
            first_row += window.rows

    def _members(
        self, source: Source, layout: SplitFiles, path: str, container: Container
    ) -> list[list[str | None]] | None:
        """Return the split of every row, by window, of a file that holds several splits; else None.

        Rows that name no known split are rejected, once, with the first split that has rows.
        """
        split_of = layout.rows.split_of
        if split_of is None:
            return None
        if (source.id, path) not in self.members:
            members: list[list[str | None]] = []
            log = _Log(source.id, layout.split)
            first_row = 0
            for window in container.windows:
                rows = WindowRows(self.files, path, container.kind, window, layout.rows.row)
                splits = [None if isinstance(v, Rejected) else split_of(v) for v in rows.values]
                for index, (split, value) in enumerate(zip(splits, rows.values, strict=True)):
                    if split is None and self.options.limit is None:
                        reason, message = Reason.UNKNOWN_SPLIT, "names no known split"
                        if isinstance(value, Rejected):
                            reason, message = value.reason, value.message
                        place = rows.rows[index]
                        log.reject(layout.rows.file, place, reason, message, first_row + index)
                members.append(splits)
                first_row += window.rows
            if not any(split for splits in members for split in splits):
                raise RawDataError(
                    f"{path}: none of its {first_row} rows names a split of {source.id}; is it "
                    "another dataset's file?"
                )
            self.members[source.id, path] = members
            self.unplaced[source.id, path] = log.rejections
        return self.members[source.id, path]

    def _lookup(
        self, source: Source, layout: SplitFiles, lookup: Lookup, log: "_Log"
    ) -> LookupPlan:
        path = self._path(source, lookup.file)
        if path not in self.indexes:
            return LookupPlan(None, "")
        container = self._container(path, lookup.path)
        name = hashlib.sha256(f"{path}\n{lookup.path}\n{lookup.key}".encode()).hexdigest()[:16]
        index_path = self.staging.index(name)
        if name not in self.key_indexes:
            with open_raw(self.files, path) as file:
                self.key_indexes[name] = index_keys(file, container, lookup.key)
            saved = io.BytesIO()
            np.save(saved, self.key_indexes[name][0].entries)
            with self.files.create(index_path) as file:
                file.write(saved.getbuffer())
        if self.options.limit is None:
            self._reject_unusable(source, layout, lookup, *self.key_indexes[name], log)
        return LookupPlan(path, index_path)

    def _reject_unusable(
        self,
        source: Source,
        layout: SplitFiles,
        lookup: Lookup,
        index: KeyIndex,
        keyless: Sequence[Row],
        log: "_Log",
    ) -> None:
        """Reject rows that are joined to no other: rows without a key, repeated keys, orphans."""
        for row in keyless:
            message = f"no {lookup.key!r}, an integer or text"
            log.reject(lookup.file, row, Reason.MALFORMED_ROW, message)
        with open_raw(self.files, self._path(source, lookup.file)) as file:

            def row_at(entry: np.void) -> Row:
                file.seek(int(entry["start"]))
                return Row(int(entry["start"]), file.read(int(entry["length"])))

            if not lookup.many:
                for entry in index.repeated():
                    message = f"a second row with this {lookup.key!r}; the first one is used"
                    log.reject(lookup.file, row_at(entry), Reason.DUPLICATE_ID, message)
            if lookup.orphans is not None:
                driving = self._path(source, layout.rows.file)
                with open_raw(self.files, driving) as rows:
                    wanted = keys_of(rows, self._container(driving, layout.rows.path), lookup.by)
                for entry in index.without(wanted):
                    message = f"no row of {layout.rows.file} has this {lookup.key!r}"
                    log.reject(lookup.file, row_at(entry), lookup.orphans, message)

    def _table(self, path: str, part: JsonPath | None) -> TablePlan:
        if part is None:
            return TablePlan(path, 0, self.indexes[path].num_bytes)
        container = self._container(path, part)
        return TablePlan(path, container.start, container.end)

    def _num_shards(
        self,
        source: Source,
        layout: SplitFiles,
        ranges: Sequence[RangePlan],
        container: Container,
    ) -> int:
        """Return the number of shards, from the bytes read alone, so that it is the same on every machine."""
        rows = sum(each.rows for each in ranges)
        joined = [
            self._container(path, lookup.path).num_bytes
            for lookup in layout.lookups.values()
            if (path := self._path(source, lookup.file)) in self.indexes
        ]
        num_bytes = (container.num_bytes + sum(joined)) * rows / container.rows
        shards = num_bytes / SHARD_INPUT_BYTES
        if self.options.images == "embed" or self._is_packed(source):
            shards = max(shards, rows / EMBED_SHARD_ROWS)
        return max(1, round(shards))

    def _is_packed(self, source: Source) -> bool:
        """Return True if images of a source are no files of their own: these are always embedded."""
        definition = next((r for r in self.options.readings if r.name == source.id), None)
        if definition is None:
            return False
        with self.files.open_binary(pack_file(definition, self.staging.root)) as pack:
            return bool(pack.read(1))


class _Log:
    """The rejections that planning one split makes."""

    def __init__(self, source: str, split: str) -> None:
        self.source, self.split = source, split
        self.rejections: list[Rejection] = []

    def adopt(self, rejections: Iterable[Rejection]) -> None:
        """Add rejections of rows of no known split, which no split has counted yet."""
        self.rejections += [structs.replace(each, split=self.split) for each in rejections]

    def reject(
        self, file: str, place: Row, reason: Reason, message: str, row: int | None = None
    ) -> None:
        self.rejections.append(
            Rejection(
                source=self.source,
                split=self.split,
                file=file,
                row=row,
                byte=place.start,
                reason=reason,
                message=message,
                content=bytes(place.raw).decode(errors="backslashreplace"),
            )
        )
