"""`visinstruct sample`: small drawn raw data, the input of the demo and of every test."""

import argparse
from collections.abc import Sequence

from datagen.sample.write import write_sample
from pipelines.cli.paths import local_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scenes", type=int, default=60, metavar="N", help="scenes of each collection"
    )
    parser.add_argument(
        "--out", type=local_path, required=True, metavar="DIR", help="raw folder to write"
    )
    parser.add_argument("--seed", type=int, default=0, help="decides what is drawn")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    report = write_sample(parsed.out, num_scenes=parsed.scenes, seed=parsed.seed)
    state = "already there, unchanged" if report.unchanged else "written"
    print(
        f"{report.folder}: {report.num_scenes} scenes a collection, {sum(report.files.values()):,} files in "
        f"{len(report.files)} folders, {report.num_bytes / 1e6:.1f} MB, {state}"
    )
    return 0
