"""Beam's own options: passed through, but never unknown ones, of which Beam only warns."""

import argparse
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.runner import PipelineRunner, create_runner

from datagen.errors import OptionError, nearest

DEFAULT_RUNNER = "FnApiRunner"  # by its own name: DirectRunner first tries to download another one
DASK_RUNNER = "apache_beam.runners.dask.dask_runner.DaskRunner"
SHORT_NAMES = {"DaskRunner": DASK_RUNNER, "dask": DASK_RUNNER}
"""Runners that Beam knows by their dotted path only."""
DEFAULTS = (
    f"--runner={DEFAULT_RUNNER}",
    "--default_sdk_harness_log_level=WARNING",
)


def beam_options(arguments: Sequence[str], own_options: Sequence[str]) -> PipelineOptions:
    """Return the options for Beam in `arguments`; `own_options` are ours, for the nearest name.

    Raises:
        OptionError: an argument is neither, or its value or the runner cannot be used.
    """
    arguments = _with_long_names(arguments)
    runner = _runner(arguments)  # first, since it may bring options of its own
    parser = _parser()
    try:
        _, unknown = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise OptionError(str(error)) from None
    known = [*own_options, *(option for a in parser._actions for option in a.option_strings)]
    for argument in unknown:
        if argument.startswith("-"):
            name = argument.split("=")[0]
            raise OptionError(f"unknown option {name}{nearest(name, known)}")
        raise OptionError(f"unexpected argument {argument!r}; options begin with --")
    defaults = [
        default for default in DEFAULTS if not _is_given(default.partition("=")[0], arguments)
    ]
    options = PipelineOptions([*defaults, *arguments])
    errors = PipelineOptionsValidator(options, runner).validate()
    if errors:  # Beam itself would refuse them too, but only after the files have been indexed
        raise OptionError("; ".join(errors))
    return options


def _with_long_names(arguments: Sequence[str]) -> list[str]:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--runner")
    try:
        parsed, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise OptionError(str(error)) from None
    long = SHORT_NAMES.get(parsed.runner)
    return list(arguments) if long is None else [f"--runner={long}", *rest]


def _runner(arguments: Sequence[str]) -> PipelineRunner:
    """Return the runner that the arguments name; imports its module."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--runner", default=DEFAULT_RUNNER)
    try:
        name = parser.parse_known_args(list(arguments))[0].runner
        return create_runner(name)
    except argparse.ArgumentError as error:
        raise OptionError(str(error)) from None
    except (ValueError, ImportError, AttributeError) as error:
        raise OptionError(f"--runner={name}: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, conflict_handler="resolve", exit_on_error=False
    )
    pending = [PipelineOptions]
    while pending:
        options = pending.pop()
        pending.extend(options.__subclasses__())
        if "_add_argparse_args" in vars(options):
            options._add_argparse_args(parser)
    return parser


def _is_given(option: str, arguments: Sequence[str]) -> bool:
    return any(a == option or a.startswith(f"{option}=") for a in arguments)
