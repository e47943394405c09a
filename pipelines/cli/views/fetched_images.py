"""The table of a download of images."""

from rich.console import Console
from rich.text import Text

from pipelines.cli.views.tables import plain_table
from pipelines.console import output, visible
from pipelines.fetch_images.results import FETCHED, RESULTS_NAME
from pipelines.fetch_images.run import Fetched


def print_fetched(fetched: Fetched, out: str, console: Console | None = None) -> float:
    """Print what became of the URLs by reason, and return the fraction of them that has no image."""
    console = console or output()
    total = fetched.counts.total()
    failed = total - fetched.counts[FETCHED]
    table = plain_table("result", ">URLs", ">share")
    reasons = [each for each in fetched.counts.most_common() if each[0] != FETCHED and each[1]]
    for reason, count in [(FETCHED, fetched.counts[FETCHED]), *reasons]:
        table.add_row(reason, f"{count:,}", f"{count / max(total, 1):.1%}")
    console.print(table)
    for problem in fetched.problems:
        console.print(Text(f"- {visible(problem)}"))
    console.print(
        Text(
            f"{fetched.counts[FETCHED]:,} images in {out}, {failed:,} URLs without one; each is in "
            f"{out.rstrip('/')}/{RESULTS_NAME}"
        )
    )
    return failed / max(total, 1)
