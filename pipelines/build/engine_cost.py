"""What Beam itself takes for a build's graph, measured with work that does nothing."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import AsSingleton

from pipelines.build.beam_options import DEFAULTS

SMALL, MANY_PARTS, MANY_RUNS = (2, 2), (400, 1), (100, 200)
"""Ranges, and shards of each range, of the graphs that are timed."""


@dataclass(frozen=True)
class EngineCost:
    """CPU seconds of an engine: to make and run a graph, for each of its parts, and for each run of rows.

    A run is what one range has for one shard; `bytes_per_run` is the memory of one while they are
    gathered.
    """

    start_seconds: float
    seconds_per_part: float
    seconds_per_run: float
    bytes_per_run: float


TYPICAL = EngineCost(0.3, 50e-6, 12e-6, 400)
"""Of Beam's own engine in one process, as measured once (`docs/benchmarks.md`); see `measure_engine`."""


def measure_engine() -> EngineCost:
    """Measure Beam's own engine in this process with graphs of three sizes; takes about a second."""
    first, small = _seconds(*SMALL), _seconds(*SMALL)
    parts, runs = _seconds(*MANY_PARTS), _seconds(*MANY_RUNS)
    per_part = max(0.0, parts - small) / (MANY_PARTS[0] - SMALL[0])
    base = small + per_part * MANY_RUNS[0]
    per_run = max(0.0, runs - base) / (MANY_RUNS[0] * MANY_RUNS[1])
    return EngineCost(max(first, small), per_part, per_run, TYPICAL.bytes_per_run)


def _seconds(ranges: int, shards: int) -> float:
    """Return the CPU seconds of a graph with the shape of `pipelines.build.work.build_graph`."""
    begin = time.process_time()
    pipeline = beam.Pipeline(options=PipelineOptions([*DEFAULTS]))
    gathered = (
        pipeline
        | "Ranges" >> beam.Create([(0, n) for n in range(ranges)], reshuffle=True)
        | "Stage"
        >> beam.ParDo(_Stage(shards)).with_output_types(
            tuple[tuple[int, int], tuple[int, int, int, int, int]]
        )
        | "Gather" >> beam.GroupByKey()
    )
    counts = (
        gathered
        | "Count" >> beam.ParDo(_Count()).with_output_types(tuple[int, tuple[tuple[int, int], int]])
        | "All counts" >> beam.GroupByKey()
        | "As table" >> beam.MapTuple(lambda _, pairs: dict(pairs))
    )
    _ = gathered | "Write" >> beam.ParDo(_Write(), AsSingleton(counts))
    pipeline.run().wait_until_finish()
    return time.process_time() - begin


class _Stage(beam.DoFn):
    def __init__(self, shards: int) -> None:
        self.shards = shards

    def process(
        self, key: tuple[int, int]
    ) -> Iterator[tuple[tuple[int, int], tuple[int, int, int, int, int]]]:
        for shard in range(self.shards):
            yield (key[0], shard), (key[1], shard << 20, 1 << 20, shard << 10, 1 << 10)


class _Count(beam.DoFn):
    def process(
        self, element: tuple[tuple[int, int], Iterable[tuple[int, int, int, int, int]]]
    ) -> Iterator[tuple[int, tuple[tuple[int, int], int]]]:
        key, places = element
        yield 0, (key, len(sorted(set(places))))


class _Write(beam.DoFn):
    def process(
        self,
        element: tuple[tuple[int, int], Iterable[tuple[int, int, int, int, int]]],
        counts: dict[tuple[int, int], int],
    ) -> Iterator[int]:
        yield counts[element[0]] + len(sorted(set(element[1])))
