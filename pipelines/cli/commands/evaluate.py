"""`visinstruct evaluate`: evaluates a model on a dataset's splits and prints the paper's table."""

import argparse
from collections.abc import Sequence

from pipelines.cli.launch import launch, num_processes
from trainer.evaluate import add_arguments as add_evaluation_arguments

MIXES_ARGUMENTS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_evaluation_arguments(parser)
    add = parser.add_argument
    add("--processes", type=int, metavar="N", help="processes (default: one a GPU, at least one)")
    add(
        "--list",
        action=_List,
        nargs=0,
        default=False,
        help="list the protocols, with those of --template-dir, and exit",
    )
    parser.epilog = (
        "Several machines: deepspeed --hostfile hosts --module trainer.evaluate --model M ..."
    )


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    if parsed.list:
        return _list_protocols(parsed.template_dir)
    from trainer.evaluate import main, options_of

    options_of(parsed)  # invalid options are reported once, before processes start
    processes = num_processes(parsed.processes)
    arguments = arguments_of(parsed)
    if processes == 1:
        return main(arguments)
    return launch("trainer.evaluate", processes, arguments)


_FLAGS = ("resume", "submission", "skip_unreadable", "no_report", "brief")
_VALUES = (
    *("model", "data", "tasks", "output", "limit", "batch_size", "template_dir", "device", "dtype"),
    *("attention", "backbone", "captions", "verify"),
)


def arguments_of(parsed: argparse.Namespace) -> list[str]:
    """The arguments of `trainer.evaluate` that give the same options."""
    arguments = list(parsed.overrides)
    for name in _VALUES:
        if (value := getattr(parsed, name)) is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value)]
    for text in parsed.image_root:
        arguments += ["--image-root", text]
    return arguments + [f"--{n.replace('_', '-')}" for n in _FLAGS if getattr(parsed, n)]


class _List(argparse.Action):
    """Lists protocols without the options that an evaluation requires."""

    def __call__(self, parser: argparse.ArgumentParser, parsed: object, *_: object) -> None:
        setattr(parsed, self.dest, True)
        for action in parser._actions:
            action.required = False


def _list_protocols(template_dir: str | None) -> int:
    from pipelines.cli.views.evaluation_tables import protocol_table
    from pipelines.console import output

    output().print(protocol_table(template_dir))
    return 0
