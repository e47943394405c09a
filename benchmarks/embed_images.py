"""Cost of embedding images, beside the writers of other training libraries.

`python -m benchmarks.embed_images [--here] [--rows N] [--repetitions R] [--environments DIR] [--scratch DIR] [--out FILE.json]`
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.build_images import SameImages
from benchmarks.harness.environments import environments, installed
from benchmarks.harness.generate import write_images
from benchmarks.harness.measure import Case, Measured, measure
from benchmarks.harness.report import RESOURCES, Column, Goal, Results, cpu, wall
from benchmarks.harness.settings import settings

NAME = "embed_images"
QUESTION = "Processor time of embedding images, beside the writers of other training libraries."
PACKAGES = ("apache-beam", "pyarrow", "simplejpeg", "pillow", "datasets")
JPEG_QUALITY = 88
SAMPLE_SECONDS = 0.05
"""Between two looks at the memory: some contestants start many processes, and looking at all of them takes longer."""

OURS = Case(
    "our Beam build",
    "images.embed_beam",
    "`pipelines.build.run.build` with `--images embed` on the embedded engine, all of it: index and hash the captions, "
    "check each image, render, order, write shards of 4 MB row groups with all columns, fsync, sha256, publish.",
)
PLAIN = Case(
    "plain pyarrow",
    "images.plain_pyarrow",
    "reads each image and writes the `images` column alone in 4 MB row groups: no captions, no check, no hash; fsync.",
)
WEBDATASET = Case(
    "webdataset",
    "embedding.webdataset_tar",
    "`ShardWriter`, a tar member an image and one a caption, 2,000 images a file; no hash.",
)
MOSAIC = Case(
    "MDS", "embedding.mosaic", "mosaicml-streaming's `MDSWriter`, no compression, no hash."
)
HUGGING_FACE = Case(
    "Hugging Face",
    "embedding.hugging_face",
    "`datasets`: `embed_table_storage` and `to_parquet`, 2,000 images a file, as `push_to_hub` does; no hash.",
)
ENERGON = Case(
    "Energon",
    "embedding.energon",
    "the tar files of webdataset, then `energon prepare` with one worker.",
)
LITDATA = Case("litdata", "embedding.lightning", "`optimize` with one worker; no hash.")
ENVIRONMENTS: Mapping[str, tuple[str, ...]] = {
    WEBDATASET.name: ("webdataset",),
    MOSAIC.name: ("mosaicml-streaming",),
    ENERGON.name: ("megatron-energon", "webdataset"),
    LITDATA.name: ("litdata",),
}
CASES = (OURS, PLAIN, WEBDATASET, MOSAIC, HUGGING_FACE, ENERGON, LITDATA)


def main() -> None:
    with settings(NAME, QUESTION, 10_000, add_arguments=add_arguments) as chosen:
        wanted = {} if chosen.given.here else ENVIRONMENTS
        folder = chosen.given.environments or chosen.scratch.parent / "environments"
        pythons = environments(folder, wanted)
        cases = [
            replace(case, python=pythons[case.name]) if case.name in pythons else case
            for case in CASES
            if case.name in pythons or case.name not in ENVIRONMENTS
        ]
        write_images(chosen.source, chosen.rows, quality=JPEG_QUALITY)
        sizes = [path.stat().st_size for path in chosen.source.rglob("*.jpg")]
        check = AllWritten(sum(sizes))
        measured = measure(
            cases,
            chosen.source,
            chosen.scratch,
            chosen.repetitions,
            check,
            chosen.given.patience,
            SAMPLE_SECONDS,
        )
        results = Results(
            title="Embedding images beside other libraries",
            question=QUESTION,
            input=f"{chosen.rows:,} made-up JPEG images of {sum(sizes) / len(sizes) / 1e3:.0f} KB, "
            f"{sum(sizes) / 1e6:.0f} MB, one caption each, written just before. That all contestants wrote all images is checked.",
            cases={case.name: case.what for case in cases},
            measured=measured,
            columns=columns(chosen.rows),
            goals=goals(measured),
            notes=[
                "Goals compare medians of processor time without imports. Other libraries run in environments of their own."
            ],
        )
        print(results.table(), *results.goals, sep="\n")
        others: dict[str, str] = {}
        for name, packages in wanted.items():
            others |= installed(pythons[name], packages)
        results.write(chosen.out, PACKAGES, others)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--here",
        action="store_true",
        help="leave out the libraries that need an environment of their own",
    )
    parser.add_argument(
        "--environments",
        type=Path,
        metavar="DIR",
        help="for the environments of other libraries, kept for the next run",
    )

    parser.add_argument(
        "--patience",
        type=float,
        metavar="SECONDS",
        help="that a run waits for a quiet machine; processor time suffers less from others than wall time",
    )


def columns(rows: int) -> Sequence[Column]:
    return (
        Column("µs CPU/image", lambda m: m.middle(cpu) / rows * 1e6),
        Column("seconds", lambda m: m.middle(wall)),
        *RESOURCES,
    )


def goals(measured: Mapping[str, Measured]) -> Sequence[Goal]:
    def times_ours(case: Case) -> float:
        return measured[case.name].middle(cpu) / measured[OURS.name].middle(cpu)

    bounds = {PLAIN: 0.55, WEBDATASET: 0.95, MOSAIC: 1, HUGGING_FACE: 1, ENERGON: 1, LITDATA: 1}
    return [
        Goal(f"our Beam build / {case.name}, images a CPU second", times_ours(case), bound)
        for case, bound in bounds.items()
        if case.name in measured
    ]


class AllWritten:
    """Stops the benchmark if a contestant wrote fewer bytes than the images have, or other images than ours."""

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes = num_bytes
        self.same = SameImages()

    def __call__(self, case: Case, output: Path) -> None:
        written = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
        if written < self.num_bytes:
            raise SystemExit(f"{case.name} wrote {written} of {self.num_bytes} bytes")
        if case.name in (OURS.name, PLAIN.name):
            self.same(case, output)


if __name__ == "__main__":
    main()
