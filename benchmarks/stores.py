"""Builds and training reads in a bucket, beside a local disk.

`python -m benchmarks.stores [--rows N] [--repetitions R] [--scratch DIR] [--out FILE.json]`
"""

from pathlib import Path

from benchmarks.harness.generate import write_images
from benchmarks.harness.measure import Case, Cost, measure
from benchmarks.harness.report import RESOURCES, Column, Goal, Results, cpu, wall
from benchmarks.harness.settings import settings
from benchmarks.images.options import image_options
from benchmarks.storing.embed import RAW, drop, run
from benchmarks.storing.server import BUCKET, served, upload

NAME = "stores"
QUESTION = "What do builds and training cost whose files lie in a bucket, beside a local disk?"
PACKAGES = ("apache-beam", "pyarrow", "fsspec", "s3fs")
PLACE = f"s3://{BUCKET}"

LOCAL = Case(
    "build, local",
    "storing.embed",
    "`pipelines.build.run.build` with `--images embed`, raw files and output on the local disk, fsync included.",
    ("local",),
)
STORED = Case(
    "build, bucket",
    "storing.embed",
    "the same; raw files, staging folder and output in a bucket of SeaweedFS on the same machine, whose processor "
    "time is not counted but taken from the same processors.",
    (PLACE,),
)


def main() -> None:
    with settings(NAME, QUESTION, rows=2_000) as chosen, served(chosen.scratch / "server"):
        write_images(chosen.source, chosen.rows)
        sizes = [path.stat().st_size for path in chosen.source.rglob("*.jpg")]
        upload(chosen.source, f"{PLACE}/{RAW}")
        local = str(chosen.scratch / "kept")
        hashes = [run(str(chosen.source), local, "local"), run("", "", PLACE)]
        if hashes[0] != hashes[1]:
            raise SystemExit("the two builds are not equal")
        upload_from = image_options("", local).out
        stored = f"{PLACE}/kept"
        upload(Path(upload_from), stored)
        reads = (
            Case(
                "read, local",
                "storing.read",
                "three epochs of samples with pixels, local.",
                (upload_from,),
            ),
            Case(
                "read, bucket",
                "storing.read",
                "the same out of the bucket, with the node's cache.",
                (stored,),
            ),
        )
        measured = measure(
            (LOCAL, STORED, *reads), chosen.source, chosen.scratch, chosen.repetitions
        )
        drop(PLACE)

        def later(cost: Cost) -> float:
            seconds: float = cost.reported["later_seconds"]
            return seconds

        results = Results(
            title="Buckets",
            question=QUESTION,
            input=f"{chosen.rows:,} made-up JPEG images of {sum(sizes) / len(sizes) / 1e3:.0f} KB, one caption each. "
            "That both builds have one content hash is checked.",
            cases={case.name: case.what for case in (LOCAL, STORED, *reads)},
            measured=measured,
            columns=(
                Column("images/s", lambda m: chosen.rows / m.middle(wall)),
                Column("images/CPU-s", lambda m: chosen.rows / m.middle(cpu)),
                Column("seconds", lambda m: m.middle(wall)),
                *RESOURCES,
            ),
            goals=(
                Goal(
                    "build in a bucket / local, images/s",
                    measured[LOCAL.name].least(wall) / measured[STORED.name].least(wall),
                    0.6,
                ),
                Goal(
                    "later epochs from the bucket / local, samples/s",
                    measured["read, local"].least(later) / measured["read, bucket"].least(later),
                    0.95,
                ),
            ),
            notes=["Ratios compare the run of each case that took least, the table has medians."],
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


if __name__ == "__main__":
    main()
