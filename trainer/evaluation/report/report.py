"""`report.html`: the table, and the records that went wrong with their images, in one file.

The page needs no network and nothing beside it. Its texts are data: Jinja escapes them, control
characters are drawn, and the page's own policy lets the browser load nothing and run only the one script
that is written into it.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from datagen.files import write_atomically
from trainer.evaluation.predictions.prediction import Prediction, read_predictions
from trainer.evaluation.report.cards import Card, make_card
from trainer.evaluation.report.choosing import Choice, Verdict, choose
from trainer.evaluation.report.summary import summarise
from trainer.evaluation.report.thumbnails import Thumbnails
from trainer.evaluation.report.visible import visible

REPORT_FILE = "report.html"
MOST_TAG_VALUES = 60
"""Of tags with more values than these, such as names, a record's own are offered only."""

ImageReader = Callable[[str, Prediction], Sequence[bytes]]
_PAGE = Path(__file__).parent
_VERDICTS = (("", "all"), ("wrong", "wrong"), ("partly", "partly right"), ("right", "right"))
_UNSCORED = ("unscored", "unscored")


@dataclass(frozen=True)
class ShownTask:
    """The records of one task on the page, worst first, and how many there are of each kind."""

    name: str
    counts: str
    cards: tuple[Card, ...]


def write_report(
    folder: Path,
    results: Mapping[str, Any],
    samples: Mapping[str, Path],
    images: ImageReader,
    *,
    most_wrong: int = 48,
    most_right: int = 12,
    out: Path | None = None,
) -> Path:
    """Write the report of an evaluation into `folder`, or to `out`; returns where it is.

    `results` is `results.json`, `samples` the predictions of each task. `images` gives the encoded
    images of a prediction, none where they are not available; it is called for the records shown, in
    the order of the samples. Which records those are: `trainer.evaluation.report.choosing`.

    Raises:
        EvaluationError: samples are missing or damaged.
    """
    thumbnails = Thumbnails()
    metrics = {name: str(task.get("metric")) for name, task in results.get("tasks", {}).items()}
    tasks = []
    for name, path in samples.items():
        choice = choose(read_predictions(path), metrics.get(name, ""), most_wrong, most_right)
        tasks.append(_shown(name, path, choice, images, thumbnails))
    page = _page(results, tasks, thumbnails, most_wrong, most_right)
    path = folder / REPORT_FILE if out is None else out
    with write_atomically(path) as file:
        file.write(page.encode())
    return path


def _shown(
    name: str, path: Path, choice: Choice, images: ImageReader, thumbnails: Thumbnails
) -> ShownTask:
    """The chosen records, read in the order of the file and put in the order of the choice."""
    cards = {}
    for place, prediction in enumerate(read_predictions(path)):
        if (verdict := choice.shown.get(place)) is not None:
            cards[place] = make_card(prediction, verdict, images(name, prediction), thumbnails)
    ordered = tuple(cards[place] for place in choice.shown)
    return ShownTask(visible(name), _counts(choice), ordered)


def _counts(choice: Choice) -> str:
    """`48 of 1,203 wrong, 0 of 310 partly right, 12 of 3,687 right`."""
    shown = list(choice.shown.values())
    parts = []
    for verdict, total in sorted(choice.counts.items(), key=lambda pair: _ORDER[pair[0]]):
        if verdict is Verdict.SKIPPED:
            parts.append(f"{total:,} left out")
        elif verdict is Verdict.LOWEST:
            low, high = shown.count(Verdict.LOWEST), shown.count(Verdict.HIGHEST)
            parts.append(f"the {low} lowest and {high} highest of {total:,}")
        else:
            parts.append(f"{shown.count(verdict):,} of {total:,} {verdict}")
    return ", ".join(parts) or "no records"


_ORDER = {verdict: number for number, verdict in enumerate(Verdict)}


def _page(
    results: Mapping[str, Any],
    tasks: Sequence[ShownTask],
    thumbnails: Thumbnails,
    most_wrong: int,
    most_right: int,
) -> str:
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    unscored = any(card.filtered_as == "unscored" for task in tasks for card in task.cards)
    return _template().render(
        summary=summarise(results),
        tasks=tasks,
        shown={task.name for task in tasks},
        tags=_tags(tasks),
        verdicts=(*_VERDICTS, _UNSCORED) if unscored else _VERDICTS,
        most_wrong=most_wrong,
        most_right=most_right,
        images=Markup(json.dumps(thumbnails.data).replace("<", "\\u003c")),  # noqa: S704
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        policy=_policy(style, script),
    )


def _asset(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, and no style or script but these."""
    digests = [base64.b64encode(hashlib.sha256(t.encode()).digest()) for t in (style, script)]
    allowed = [f"'sha256-{digest.decode()}'" for digest in digests]
    return (
        f"default-src 'none'; img-src data:; style-src {allowed[0]}; script-src {allowed[1]}; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_PAGE), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("page.html")


def _tags(tasks: Sequence[ShownTask]) -> list[tuple[str, list[str]]]:
    """The values of each tag among the records shown, as far as they are few enough for a list."""
    found: dict[str, set[str]] = {}
    for task in tasks:
        for card in task.cards:
            for name, value in card.tags:
                found.setdefault(name, set()).add(value)
    few = {name: sorted(values) for name, values in found.items() if len(values) <= MOST_TAG_VALUES}
    return sorted(few.items())
