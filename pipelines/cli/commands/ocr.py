"""`visinstruct ocr`: our options here, all others to Beam."""

import argparse
from collections.abc import Sequence

from datagen.errors import OptionError
from pipelines.cli.commands.build import quiet_engines
from pipelines.cli.paths import absolute
from trainer.launch.shadow import children_find_ours

PASSES_OPTIONS_ON = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "OUT has a line {image_id, ocr_tokens} for each image; rejected images are listed beside it, with the reason. The "
        "same command resumes a run that was stopped, and reads images that are new. Any option of Apache Beam may follow, "
        "such as --runner=... for another engine."
    )
    add = parser.add_argument
    add(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="folder of images, those in its folders too (default: that of --raw)",
    )
    add("--out", metavar="FILE", help="file of tokens (default: FOLDER/../ocr_tokens.jsonl)")
    add(
        "--raw",
        metavar="DIR",
        help="instead of FOLDER: read DIR/ocr_vqa/images into DIR/ocr_vqa/ocr_tokens.jsonl, as OCR-VQA's "
        "adapter expects them (default: FOLDER is read)",
    )
    add(
        "--image-id",
        choices=("path", "stem"),
        help="name images by their path below FOLDER, or by file name without suffix (default: path; stem "
        "with --raw)",
    )
    add(
        "--min-side",
        type=int,
        default=736,
        metavar="PX",
        help="enlarge images whose shorter side is less; fewer are faster and miss small words",
    )
    add("--min-score", type=float, default=0.5, metavar="F", help="leave out less certain lines")
    add("--again", action="store_true", help="read images that are in FILE already too")
    add(
        "--max-reject-fraction",
        type=float,
        default=0.05,
        metavar="F",
        help="exit with status 1 if more of the images cannot be read",
    )
    add(
        "--workers",
        type=int,
        metavar="N",
        help="processes on this machine (default: one for every 100 images, as far as processors and "
        "memory reach)",
    )


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    quiet_engines()
    if (parsed.folder is None) == (parsed.raw is None):
        raise OptionError("give FOLDER, or --raw DIR for the covers of OCR-VQA")
    if parsed.min_side < 32:
        raise OptionError(f"--min-side {parsed.min_side} is less than 32")
    if not 0 <= parsed.min_score <= 1:
        raise OptionError(f"--min-score {parsed.min_score} is not between 0 and 1")
    if parsed.workers is not None and parsed.workers < 1:
        raise OptionError(f"--workers {parsed.workers} is less than 1")
    from pipelines.build.beam_options import beam_options
    from pipelines.cli.views.ocr import print_ocr
    from pipelines.ocr.reader import OcrOptions
    from pipelines.ocr.run import read_words

    folder = absolute(parsed.folder or f"{parsed.raw}/ocr_vqa/images").rstrip("/")
    out = absolute(parsed.out or f"{folder.rpartition('/')[0]}/ocr_tokens.jsonl")
    own = [option for action in parser._actions for option in action.option_strings]
    passed_on = beam_options(rest, own)
    with children_find_ours():  # the worker processes of Beam
        report = read_words(
            folder,
            out,
            OcrOptions(parsed.min_side, parsed.min_score),
            passed_on,
            naming=parsed.image_id or ("path" if parsed.raw is None else "stem"),
            again=parsed.again,
            workers=parsed.workers,
        )
    print_ocr(report, out)
    return int(report.rejected_fraction > parsed.max_reject_fraction)
