"""Command-line arguments that all programs share: help that shows defaults, options that were renamed."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast


class ShowDefaults(argparse.HelpFormatter):
    """Appends the default of each option to its help, where the help does not name it itself."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help
        if text is None or text == argparse.SUPPRESS or action.required or "default" in text:
            return text
        none = (None, False, argparse.SUPPRESS)
        if action.default == [] or any(action.default is each for each in none):
            return text
        return f"{text} (default: %(default)s)"


class _Renamed(argparse.Action):
    """Does what the option under its new name does, and warns."""

    def __init__(self, option_strings: Sequence[str], *, option: argparse.Action) -> None:
        super().__init__(
            option_strings,
            option.dest,
            nargs=option.nargs,
            default=argparse.SUPPRESS,
            type=cast(Callable[[str], Any], option.type),
            choices=option.choices,
            help=argparse.SUPPRESS,
        )
        self._option = option

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        new = self._option.option_strings[-1]
        warning = (
            f"{option_string} is deprecated and will be removed in the next release; use {new}"
        )
        print(f"visinstruct: {warning}", file=sys.stderr)
        self._option(parser, namespace, values, new)
        self._option.required = False  # argparse checks this last: the old name counts as well


def keep_old_name(parser: argparse.ArgumentParser, old: str, option: argparse.Action) -> None:
    """Accept `old` for `option` as well, for one release: it is hidden from help, and using it warns."""
    parser._add_action(_Renamed([old], option=option))
