"""Speed of embedding images, beside plain pyarrow writing the same bytes.

`python -m benchmarks.build_images [--rows N] [--repetitions R] [--scratch DIR] [--out FILE.json]`
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.harness.generate import write_images
from benchmarks.harness.measure import Case, Cost, Measured, measure
from benchmarks.harness.report import RESOURCES, Column, Goal, Results, cpu, wall
from benchmarks.harness.settings import settings

NAME = "build_images"
QUESTION = "Speed of embedding images, beside plain pyarrow writing the same bytes."
PACKAGES = ("apache-beam", "pyarrow", "simplejpeg", "pillow")

OURS = Case(
    "our Beam build",
    "images.embed_beam",
    "`pipelines.build.run.build` with `--images embed` on the embedded engine, all of it: index and hash the "
    "captions, check each image's header and end, render, stage, order, write shards of 4 MB row "
    "groups with all columns, fsync, hash the shards, finish, publish.",
)
LOOP = Case(
    "straight loop",
    "images.embed_loop",
    "the same functions and staging without Beam; the same content hash.",
)
PLAIN = Case(
    "plain pyarrow",
    "images.plain_pyarrow",
    "reads each image and writes the `images` column alone: the same bytes and paths, 4 MB row groups, "
    "no compression, no statistics, one file, fsync.",
)
FLOOR = Case("one file", "images.concatenate", "reads each image, appends it to one file, fsync.")
SHUFFLED = Case(
    "bytes through Beam",
    "images.shuffled_bytes",
    "Beam with images as elements: read, `GroupByKey` into 8 shards, plain pyarrow writes each.",
)
CASES = (OURS, LOOP, PLAIN, FLOOR, SHUFFLED)


def main() -> None:
    with settings(NAME, QUESTION, rows=20_000) as chosen:
        write_images(chosen.source, chosen.rows)
        sizes = [path.stat().st_size for path in chosen.source.rglob("*.jpg")]
        same = SameImages()
        measured = measure(CASES, chosen.source, chosen.scratch, chosen.repetitions, same)
        results = Results(
            title="Embedding images",
            question=QUESTION,
            input=f"{chosen.rows:,} made-up JPEG images of {sum(sizes) / len(sizes) / 1e3:.0f} KB, "
            f"{sum(sizes) / 1e6:.0f} MB, one caption each, page cache warm. That all contestants wrote "
            "the same images is checked in every run.",
            cases={case.name: case.what for case in CASES},
            measured=measured,
            columns=columns(sum(sizes) / 1e6),
            goals=goals(measured),
            notes=["Ratios compare the run of each case that took least, the table has medians."],
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


def columns(megabytes: float) -> Sequence[Column]:
    return (
        Column("MB/s", lambda m: megabytes / m.middle(wall)),
        Column("MB/CPU-s", lambda m: megabytes / m.middle(cpu)),
        Column("seconds", lambda m: m.middle(wall)),
        *RESOURCES,
    )


def writing(cost: Cost) -> float:
    """Of the straight loop: the seconds of its last-but-one stage, which writes the shards."""
    seconds: float = cost.reported["stages"]["write"][0]
    return seconds


def goals(measured: Mapping[str, Measured]) -> Sequence[Goal]:
    plain = measured[PLAIN.name].least(wall)
    loop = measured[LOOP.name]
    return (
        Goal("our Beam build / plain pyarrow, MB/s", plain / measured[OURS.name].least(wall), 0.9),
        Goal("straight loop / plain pyarrow, MB/s", plain / loop.least(wall), 0.9),
        Goal("its writing of shards alone / plain pyarrow, MB/s", plain / loop.least(writing), 0.9),
    )


class SameImages:
    """Stops the benchmark if two contestants wrote other images, their order put aside."""

    def __init__(self) -> None:
        self.expected: pa.Table | None = None

    def __call__(self, case: Case, output: Path) -> None:
        if case is FLOOR:
            return
        found = sorted(output.rglob("*.parquet"))  # a build writes tables of other kinds too
        paths = [path for path in found if "images" in pq.read_schema(path).names]
        images = pc.list_flatten(
            pa.concat_tables([pq.read_table(path, columns=["images"]) for path in paths])["images"]
        )
        table = pa.table(
            {"path": pc.struct_field(images, "path"), "bytes": pc.struct_field(images, "bytes")}
        ).sort_by("path")
        self.expected = self.expected or table
        if not table.equals(self.expected):
            raise SystemExit(f"{case.name} wrote other images than the first case")


if __name__ == "__main__":
    main()
