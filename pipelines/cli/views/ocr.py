"""The table of what became of the images that were read for words."""

from rich.console import Console
from rich.text import Text

from pipelines.cli.views.tables import plain_table
from pipelines.console import output
from pipelines.ocr.run import OcrReport


def print_ocr(report: OcrReport, out: str, console: Console | None = None) -> None:
    """Print the number of images by result, and where the rejected ones are listed."""
    console = console or output()
    table = plain_table("result", ">images", ">share")
    counts = {
        "words read": report.num_read - report.num_without_words,
        "no words in it": report.num_without_words,
        "read before": report.num_held,
        **{f"rejected: {reason}": n for reason, n in report.rejected.most_common()},
    }
    total = sum(counts.values())
    for name, count in counts.items():
        table.add_row(name, f"{count:,}", f"{count / max(total, 1):.1%}")
    console.print(table)
    if report.num_others:
        console.print(Text(f"- {report.num_others:,} files are no images by their names"))
    if report.rejected:
        console.print(Text(f"- rejected images are listed in {report.rejected_path}"))
    console.print(Text(f"{report.num_words:,} words of {report.num_read:,} images added to {out}"))
