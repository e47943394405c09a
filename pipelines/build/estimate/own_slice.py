"""A slice of users' own data in normal form: the first rows of a few of its files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from datagen.build.options import BuildOptions
from datagen.build.staging import Staging
from datagen.raw.json_index import JsonIndex
from datagen.raw.row_index import index_file
from datagen.schema.adapter import Source, SplitFiles
from datagen.sources.declared.normal import NormalRow
from datagen.sources.declared.normalise import normalise
from datagen.sources.declared.readers.data_file import DataFile, paths_of
from pipelines.build.estimate.counted_files import CountedFiles
from pipelines.build.estimate.meter import Cost, measure

SLICE_BYTES = 16 << 20
MAX_FILES = 4


@dataclass(frozen=True)
class OwnSlice:
    """The slice of an own source: the cost of its normal rows, and how many times as large the source is."""

    cost: Cost
    times: float

    @property
    def whole_cpu_seconds(self) -> float:
        return self.cost.cpu_seconds * self.times


def normal_slices(
    options: BuildOptions,
    data_files: Mapping[str, Sequence[DataFile]],
    sizes: Mapping[str, int],
    chosen: Sequence[tuple[Source, SplitFiles]],
    staging: Staging,
    files: CountedFiles,
) -> tuple[dict[str, OwnSlice], dict[str, JsonIndex]]:
    """Make normal rows of a slice of each own source, and index them.

    `sizes` are the bytes of each source's data files. The index cuts the slice into ranges as a build
    would cut the whole.

    Raises:
        RawDataError: a file cannot be used at all.
    """
    slices = {
        definition.name: _slice(options, definition.name, data_files, sizes, staging, files)
        for definition in options.declared
        if any(source.id == definition.name for source, _ in chosen)
    }
    indexes: dict[str, JsonIndex] = {}
    for source, layout in chosen:
        if source.id not in slices:
            continue
        path = f"{staging.root}/{layout.rows.file}"
        with files.open_binary(path) as opened:
            size = opened.seek(0, 2)
            opened.seek(0)
            if size:
                whole = round(size * slices[source.id].times)
                parts = {layout.rows.path: layout.rows}
                indexes[path] = index_file(opened, path, parts, options.range_bytes(whole))
    return slices, indexes


def _slice(
    options: BuildOptions,
    name: str,
    data_files: Mapping[str, Sequence[DataFile]],
    sizes: Mapping[str, int],
    staging: Staging,
    files: CountedFiles,
) -> OwnSlice:
    definition = options.definition(name)
    assert definition is not None
    every = data_files[name]
    number = min(len(every), MAX_FILES)
    some = [every[n * len(every) // number] for n in range(number)]
    counted = _Counted(files, SLICE_BYTES // max(1, number), [_size(each, files) for each in some])
    with measure(files) as measured:
        normalise(definition, some, files, staging.root, take=counted.take)
    whole = counted.is_whole and number == len(every)
    times = 1.0 if whole else max(1.0, sizes[name] / max(1, counted.num_bytes))
    return OwnSlice(measured.cost, times)


class _Counted:
    """Takes rows until so many bytes of their file were read, and counts these.

    `sizes` are the bytes of the files, in their order. An index of a whole file, which is read before its first row,
    does not count.
    """

    def __init__(self, files: CountedFiles, max_bytes: int, sizes: Sequence[int]) -> None:
        self.files, self.max_bytes = files, max_bytes
        self._sizes = iter(sizes)
        self.num_bytes = 0
        self.is_whole = True

    def take(self, rows: Iterator[tuple[str, NormalRow]]) -> Iterator[tuple[str, NormalRow]]:
        before, size = self._read(), next(self._sizes)
        start: int | None = None
        done = now = 0
        for each in rows:
            done, now = now, self._read()
            if start is None:
                start = now
            if now - start >= self.max_bytes:  # the first row of a block of which no other is taken
                self.is_whole = False
                break
            yield each
        else:
            done = now
        if start is not None:
            # What was read before the first row is its block, behind an index of the whole file if there is one.
            first = start - before
            self.num_bytes += done - start + (first - size if first > size else first)

    def _read(self) -> int:
        return int(self.files.traffic()[1].read_bytes)


def _size(data_file: DataFile, files: CountedFiles) -> int:
    size = 0
    for path in paths_of(data_file):
        with files.open_binary(path) as opened:
            size += opened.seek(0, 2)
    return size


def data_bytes(data_files: Mapping[str, Sequence[DataFile]], files: CountedFiles) -> dict[str, int]:
    """Return the bytes of the data files of each own source."""
    return {name: sum(_size(each, files) for each in mine) for name, mine in data_files.items()}
