"""`visinstruct nano`: make the miniature model's frozen parts again, from nothing."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipelines.cli.paths import local_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=local_path, required=True, metavar="DIR", help="new folder for the files"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="decides weights and drawn data; the shipped files have 0",
    )


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    from pipelines.nano import make
    from trainer.model.starts.nano.files import nano_folder

    out = parsed.out
    hashes = make.make_nano(out, make.Plan(seed=parsed.seed), lambda line: print(line, flush=True))
    shipped = hashes_of(nano_folder())
    for name, value in hashes.items():
        verdict = "as shipped" if shipped.get(name) == value else "differs from the shipped one"
        print(f"{out / name}: {value[:16]}, {verdict}")
    if hashes != shipped:
        print(
            "weights are equal only on the same kind of processor, with the templates and the versions "
            "of torch and transformers that nano.json names, and for the same seed"
        )
    return 0


def hashes_of(folder: Path) -> dict[str, str]:
    from trainer.model.starts.nano.files import recorded_hashes

    return recorded_hashes(folder)
