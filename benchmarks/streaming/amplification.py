"""Bytes read of the shards by 16 ranks with 4 workers each, in one pass over a source.

The 64 readers are 64 streams in one process, which read what their processes would, in the order of
steps: 2 nodes of 8 ranks with a cache each, or a cache for every worker. A cache holds a tenth of the
dataset.
"""

from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.streaming.inputs import IMAGES, data_options
from datagen.stores.any_files import AnyFiles
from trainer.data.order.assign import BatchShape, assign
from trainer.data.stream import Stream

NUM_NODES, NUM_RANKS, NUM_WORKERS = 2, 16, 4
SHAPE = BatchShape(world_size=NUM_RANKS, micro_batch=4)


class CountingFiles(AnyFiles):
    """Counts the bytes that are read of shards."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = 0

    def open_ranges(self, path: str) -> BinaryIO:
        file = super().open_ranges(path)
        read = file.read

        def counted(size: int = -1) -> bytes:
            data = read(size)
            self.num_bytes += len(data)
            return data

        return _Reading(file, counted)  # type: ignore[return-value]


class _Reading:
    """A file whose `read` is another."""

    def __init__(self, file: BinaryIO, read: Any) -> None:
        self._file = file
        self.read = read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def run(source: str, output: str, sharing: str) -> dict[str, Any]:
    files = CountingFiles()
    shard_bytes = _shard_bytes(source, output)
    readers = {
        (rank, worker): _reader(source, output, sharing, rank, worker, shard_bytes, files)
        for rank in range(NUM_RANKS)
        for worker in range(NUM_WORKERS)
    }
    opened = files.num_bytes
    steps = readers[0, 0].mixture["coco_caption"].size // SHAPE.num_samples
    ranks = assign(None, SHAPE)
    for step in range(steps):
        for rank in range(NUM_RANKS):
            ks = [step * SHAPE.num_samples + offset for offset in ranks[rank][0]]
            readers[rank, step % NUM_WORKERS].texts(ks)
    return {
        "shard_bytes": shard_bytes,
        "read_bytes": files.num_bytes,
        "footer_bytes": opened,
        "amplification": files.num_bytes / shard_bytes,
        "samples": steps * SHAPE.num_samples,
    }


def _reader(
    source: str,
    output: str,
    sharing: str,
    rank: int,
    worker: int,
    shard_bytes: int,
    files: CountingFiles,
) -> Stream:
    node = rank * NUM_NODES // NUM_RANKS
    cache = f"{output}/node{node}" if sharing == "node" else f"{output}/{rank}-{worker}"
    options = data_options(source, IMAGES, cache)
    bounded = options.model_copy(update={"cache_bytes": shard_bytes // 10})
    return Stream.open(bounded, seed=0, files=files)


def _shard_bytes(source: str, output: str) -> int:
    folder = Path(source, IMAGES, "data")
    return sum(path.stat().st_size for path in folder.rglob("train-*.parquet"))
