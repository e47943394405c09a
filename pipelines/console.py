"""The console that commands print to."""

from rich.console import Console

WIDTH_OFF_TERMINAL = 120
"""Where there is no terminal to measure: wide enough that tables keep their words."""


def output() -> Console:
    """Standard output; lines are wrapped to the terminal, and to nothing in files and pipes."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH_OFF_TERMINAL, soft_wrap=True)
    return console
