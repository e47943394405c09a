"""What `visinstruct fetch` prints: its plan, licences, results, and what is left for a person."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from rich import filesize
from rich.table import Table
from rich.text import Text

from datagen.schema.card import SourceCard
from datagen.schema.download import Access, Download
from pipelines.cli.views.tables import plain_table
from pipelines.fetch.fetch import Outcome, State
from pipelines.fetch.record import licences

_WAYS = {
    Access.FORM: "needs a form",
    Access.LOGIN: "needs an account",
    Access.PASSWORD: "needs a registration and a password",
    Access.DRIVE: "is at Google Drive or Mega",
    Access.EACH_ADDRESS: "has an address for each image",
}


def size_text(download: Download) -> str:
    """Return a size as far as it is known."""
    num_bytes = download.num_bytes or download.about_bytes
    if num_bytes is None:
        return "unknown"
    about = "" if download.num_bytes else "about "
    return f"{about}{filesize.decimal(num_bytes)}"


def plan_table(outcomes: Sequence[Outcome], raw: str) -> Table:
    """Return what would be downloaded, from where, and what is there."""
    table = plain_table(f"download into {raw}", ">size", "checked by", "state", "from")
    for each in outcomes:
        known = each.download
        check = "sha256" if known.sha256 else "size" if known.num_bytes else "nothing known"
        table.add_row(
            Text(known.path, overflow="fold"),
            size_text(known),
            "" if known.by_hand else check,
            Text(each.state.value, _style(each.state)),
            Text(urlsplit(known.url or known.page or "").hostname or "", overflow="fold"),
        )
    return table


def licence_table(cards: Sequence[SourceCard], accepted: Sequence[bool] = ()) -> Table:
    """Return the terms of sources; whether they were accepted, if that is given."""
    table = plain_table(
        "source", "licence", "licence of the images", *(["accepted"] * bool(accepted))
    )
    for number, card in enumerate(cards):
        terms = licences(card)
        note = "" if card.licence.verified else " ?" if card.licence.value else ""
        row = [card.id, terms["licence"] + note, terms["images"]]
        if accepted:
            row.append("yes" if accepted[number] else "no")
        table.add_row(*map(Text, row))
    return table


def totals(outcomes: Sequence[Outcome]) -> str:
    """Return how much is to be downloaded, in one line."""
    absent = [each.download for each in outcomes if each.state is State.ABSENT]
    known = sum(each.num_bytes or each.about_bytes or 0 for each in absent)
    unknown = sum(not (each.num_bytes or each.about_bytes) for each in absent)
    there = sum(each.state in (State.COMPLETE, State.FOUND) for each in outcomes)
    return (
        f"{len(absent)} downloads, {known / 1e9:.1f} GB and {unknown} of unknown size; {there} are there. "
        "A licence with ? was not verified."
    )


def result_lines(outcomes: Sequence[Outcome], raw: str) -> Iterator[Text]:
    """Yield what became of downloads, and what could not be checked."""
    new = [each for each in outcomes if each.is_new]
    there = [each for each in outcomes if each.state is State.COMPLETE and not each.is_new]
    found = [each for each in outcomes if each.state is State.FOUND]
    failed = [each for each in outcomes if each.state in (State.FAILED, State.MISMATCH)]
    yield Text(
        f"{raw}: {len(new)} downloaded, {len(there)} were complete, {len(found)} found, {len(failed)} failed"
    )
    unchecked = [each.download.path for each in new if each.checked == "nothing"]
    if unchecked:
        yield Text(
            f"- not checked, no size or hash is known: {', '.join(unchecked)}", style="yellow"
        )
    if found:
        names = ", ".join(each.download.path for each in found)
        yield Text(f"- left as they are, not downloaded by this command: {names}")
    for each in found:
        if each.message:
            yield Text(f"- {each.download.path} {each.message}", style="yellow")
    for each in failed:
        yield Text(f"- {each.download.path}: {each.message}", style="red")


def by_hand_lines(outcomes: Sequence[Outcome], own: Sequence[str], raw: str) -> Iterator[Text]:
    """Yield what a person has to get: where it is, and where it must go."""
    for each in outcomes:
        known = each.download
        if each.state is State.BY_HAND:
            yield Text(
                f"by hand: {known.path} {_WAYS[known.access]}: {known.page}; {_where(known, raw)}"
            )
        elif each.state in (State.FAILED, State.MISMATCH) and known.page:
            yield Text(f"- the page of {known.path}: {known.page}")
    for path in own:
        yield Text(f"by hand: {raw}/{path} is yours to make; see the card of its source")


def _where(download: Download, raw: str) -> str:
    """Return where the files of a download must go."""
    place = f"{raw}/{download.folder}"
    parts = [f"{', '.join(download.brings)} into {place}"] if download.brings else []
    if download.fills is not None:
        into = place if download.fills == "." else f"{place}/{download.fills}"
        what = "videos" if download.folder.startswith("videos/") else "images"
        parts.append(f"the {what} into {into}")
    note = f" ({download.note})" if download.note else ""
    return f"put {', '.join(parts)}{note}"


def as_json(outcomes: Sequence[Outcome], cards: Sequence[SourceCard], raw: str) -> dict[str, Any]:
    """Return the plan for programs."""
    downloads = [
        {**each.download.model_dump(mode="json", exclude_defaults=True), "state": each.state.value}
        for each in outcomes
    ]
    return {
        "raw": raw,
        "licences": {card.id: licences(card) for card in cards},
        "downloads": downloads,
    }


def _style(state: State) -> str:
    return {State.COMPLETE: "green", State.FOUND: "green", State.BY_HAND: "yellow"}.get(state, "")
