"""The console that commands print to."""

from unicodedata import category

from rich.console import Console

WIDTH_OFF_TERMINAL = 120
"""Where there is no terminal to measure: wide enough that tables keep their words."""


def visible(text: str) -> str:
    """The text with control characters spelt out: data must not steer a reader's terminal."""
    if text.isprintable():
        return text
    shown = (c.isprintable() or c == "\n" or category(c) == "Zs" for c in text)
    return "".join(c if show else repr(c)[1:-1] for c, show in zip(text, shown, strict=True))


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line, which ends well then; rich ends with status 1."""
        raise BrokenPipeError


def messages() -> Console:
    """Standard error; lines are not wrapped in files and pipes."""
    console = Console(stderr=True)
    return console if console.is_terminal else Console(stderr=True, soft_wrap=True)


def output() -> Console:
    """Standard output; lines are wrapped to the terminal, and to nothing in files and pipes."""
    console = _Output(highlight=False)
    if not console.is_terminal:
        console = _Output(highlight=False, width=WIDTH_OFF_TERMINAL, soft_wrap=True)
    return console
