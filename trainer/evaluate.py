"""Evaluation: `deepspeed --module trainer.evaluate --model M --data OUT --tasks heldout --output DIR`.

Also torchrun, srun, or plain python. Every process runs this, with the whole model; the records are
divided. Exit status: 0 done, 1 a task has no score, 2 an error that the message names, 75 stopped by a signal, 76
another process has ended, 130 interrupted.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.launch.arguments import ShowDefaults
from trainer.launch.imports import importing
from trainer.launch.shadow import shadowed_package

if (
    TYPE_CHECKING
):  # imported when a process starts: not for `--help`, and after the check of packages
    from trainer.evaluation.tasks.options import EvaluationOptions
    from trainer.launch.distributed import World
    from trainer.launch.process import Plan


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "trainer.evaluate",
        description="evaluate a model on the splits of a dataset",
        formatter_class=ShowDefaults,
    )
    add_arguments(parser)
    parser.add_argument("--local_rank", type=int, default=0, help=argparse.SUPPRESS)  # DeepSpeed's
    return parser.parse_intermixed_args(arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("overrides", nargs="*", metavar="key=value", help="of a run's configuration")
    add(
        "--model",
        required=True,
        metavar="M",
        help="nano; a run's folder, checkpoint or YAML; a Hugging Face folder, or its name on the Hub",
    )
    add("--data", required=True, metavar="OUT", help="a built dataset")
    add(
        "--tasks",
        default="heldout",
        metavar="A,B",
        help="heldout, heldin, protocols such as gqa or gqa.lmms_eval, gqa@val, or patterns",
    )
    add(
        "--output", required=True, metavar="DIR", help="results, samples, report: a folder or a URL"
    )
    add(
        "--limit",
        type=int,
        metavar="N",
        help="only the first N records of each split (default: all)",
    )
    add("--batch-size", type=int, default=16, metavar="N", help="records of a batch")
    add("--resume", action="store_true", help="resume the evaluation in DIR")
    add(
        "--submission",
        action="store_true",
        help="evaluate splits with hidden answers too, and write the files for their servers",
    )
    add(
        "--template-dir",
        metavar="DIR",
        help="a template set with protocols of your own (default: the shipped ones)",
    )
    add(
        "--image-root",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="as in building; may be repeated",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the model is")
    add(
        "--dtype",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: float32 on a CPU, else bfloat16",
    )
    add(
        "--attention",
        choices=("eager", "sdpa", "flash_attention_2"),
        default="sdpa",
        help="its implementation",
    )
    add(
        "--backbone",
        metavar="NAME",
        help="the paper's model to compare with (default: by the size of the language model)",
    )
    add(
        "--captions",
        choices=("own", "pycocoevalcap"),
        help="the code that computes CIDEr (default: pycocoevalcap where it and Java are installed, else own)",
    )
    add(
        "--skip-unreadable",
        action="store_true",
        help="leave out records whose images cannot be read",
    )
    add("--verify", choices=("full", "size"), default="full", help="shards against the manifest")
    add("--brief", action="store_true", help="print the table without its notes")
    add("--no-report", action="store_true", help="write no report.html")


def options_of(parsed: argparse.Namespace) -> "EvaluationOptions":
    """Return the options of a parsed command line.

    Raises:
        EvaluationError, OptionError: one of them makes no sense.
    """
    from trainer.evaluation.tasks.options import EvaluationOptions

    return EvaluationOptions(
        model=parsed.model,
        overrides=tuple(parsed.overrides),
        data=parsed.data,
        tasks=tuple(name for name in parsed.tasks.split(",") if name),
        output=Path(parsed.output),
        limit=parsed.limit,
        batch_size=parsed.batch_size,
        resume=parsed.resume,
        submission=parsed.submission,
        report=not parsed.no_report,
        device=parsed.device,
        dtype=parsed.dtype,
        attention=parsed.attention,
        template_dir=parsed.template_dir,
        image_roots=image_roots(parsed.image_root),
        backbone=parsed.backbone,
        captions=parsed.captions,
        skip_unreadable=parsed.skip_unreadable,
        verify=parsed.verify,
        brief=parsed.brief,
    )


def image_roots(texts: Sequence[str]) -> dict[str, str]:
    """Parse `NAME=DIR` arguments into folders by collection."""
    from datagen.errors import OptionError

    roots = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise OptionError(f"--image-root {text!r} is not NAME=DIR, such as coco=/data/coco")
        roots[name] = folder
    return roots


def main(arguments: Sequence[str] | None = None) -> int:
    """One process of an evaluation; returns its exit status."""
    parsed = parse(arguments)
    if (shadow := shadowed_package()) is not None:
        print(f"visinstruct: {shadow}", file=sys.stderr)
        return 2
    with importing():
        from trainer.launch.process import Plan, run_process
        from trainer.launch.stop import StopSignal

    stop = StopSignal()

    def read_plan() -> "Plan":
        options = options_of(parsed)
        return Plan(
            options.device,
            lambda world: _work(options, str(parsed.output), world),
            _connect,
            alone_connects=False,
        )

    return run_process(
        read_plan, stop, "finished windows are kept: start the same command again with --resume"
    )


def _work(options: "EvaluationOptions", output: str, world: "World") -> int:
    with importing():
        from datagen.files import is_url
        from trainer.data.reading.node_cache import default_folder
        from trainer.evaluation.report.output import report_results
        from trainer.evaluation.run import run_evaluation
        from trainer.launch.stored_output import fetched, stored_output

    cache = default_folder()
    if is_url(options.model):
        options = replace(options, model=str(fetched(options.model, world, cache)))
    with stored_output(output, world, "evaluation", cache) as stored:
        if stored is not None:
            options = replace(options, output=stored.folder)
        results = run_evaluation(options, world)
        if results is None:
            return 0
        report_results(options, results)
    if stored is not None:
        print(f"brought to {stored.url}")
    return 1 if results.failed else 0


def _connect(world: "World") -> Callable[[], None]:
    with importing():
        from trainer.run.engine import connect  # imports deepspeed

    return connect(world)


if __name__ == "__main__":
    sys.exit(main())
