"""`visinstruct show`: records of a built dataset."""

import argparse
from collections.abc import Sequence

from datagen.dataset import open_dataset
from datagen.errors import OptionError, nearest
from pipelines.cli.views.record_view import first_records, record_view
from pipelines.console import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="OUT", help="a built dataset")
    parser.add_argument("--source", metavar="A,B", help="only these sources (default: all)")
    parser.add_argument("--split", metavar="NAME", help="only this split (default: all)")
    parser.add_argument("--rows", type=int, default=2, metavar="N", help="records of each split")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    if parsed.rows < 1:
        raise OptionError(f"--rows is {parsed.rows}, give 1 or more")
    dataset = open_dataset(parsed.data)
    console = output()
    shown = 0
    wanted = None if parsed.source is None else parsed.source.split(",")
    for name in wanted or ():
        if name not in dataset.manifest.splits:
            raise OptionError(
                f"--source {name!r} is not in {parsed.data}{nearest(name, dataset.manifest.splits)}; it "
                f"holds {', '.join(dataset.manifest.splits)}"
            )
    for source, splits in dataset.manifest.splits.items():
        for split in splits:
            if (wanted is None or source in wanted) and parsed.split in (None, split):
                for record in first_records(dataset, source, split, parsed.rows):
                    console.print(record_view(record))
                    shown += 1
    if not shown:
        held = {s: names for s, names in dataset.manifest.splits.items() if s in (wanted or [s])}
        places = [f"{source}/{name}" for source, names in held.items() for name in names]
        raise OptionError(
            f"no split {parsed.split!r} in {parsed.data}; it holds {', '.join(places)}"
        )
    return 0
