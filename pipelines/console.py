"""The console that commands print to."""

from unicodedata import category

from rich.console import Console

WIDTH_OFF_TERMINAL = 120
"""Columns of a table in a file or pipe."""


def visible(text: str) -> str:
    """Return the text with control characters escaped, so that data cannot control the terminal."""
    if text.isprintable():
        return text
    shown = (c.isprintable() or c == "\n" or category(c) == "Zs" for c in text)
    return "".join(c if show else repr(c)[1:-1] for c, show in zip(text, shown, strict=True))


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Raise, so that the command line ends with status 0; rich would end with 1."""
        raise BrokenPipeError


def messages() -> Console:
    """Return a console on standard error; lines are not wrapped in files and pipes."""
    console = Console(stderr=True)
    return console if console.is_terminal else Console(stderr=True, soft_wrap=True)


def output() -> Console:
    """Return a console on standard output; lines are not wrapped in files and pipes."""
    console = _Output(highlight=False)
    if not console.is_terminal:
        console = _Output(highlight=False, width=WIDTH_OFF_TERMINAL, soft_wrap=True)
    return console
