"""`visinstruct score`: scores an evaluation's saved samples again, without the model."""

import argparse
from collections.abc import Sequence

from pipelines.cli.paths import local_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", type=local_path, metavar="DIR", help="the --output of an evaluation")
    add(
        "--captions",
        choices=("own", "pycocoevalcap"),
        help="the code that computes CIDEr (default: as in the evaluation)",
    )
    add(
        "--data",
        metavar="OUT",
        help="the dataset; then the report is written again (default: it stays)",
    )
    add(
        "--image-root",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="as in building; may be repeated",
    )


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    from trainer.evaluate import image_roots
    from trainer.evaluation.report.output import make_report
    from trainer.evaluation.scoring.scoring import score_folder
    from trainer.evaluation.scoring.table import print_results

    results = score_folder(parsed.folder, parsed.captions)
    print_results(results)
    if parsed.data:
        roots = image_roots(parsed.image_root)
        print(f"\nreport: {make_report(parsed.folder, results, parsed.data, roots)}")
    return 1 if results.failed else 0
