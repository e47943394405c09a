"""Checks of rows and images, from a survey of them: counts against the cards, images missing or broken."""

from collections.abc import Iterator, Mapping, Sequence

from datagen.build.options import BuildOptions
from datagen.errors import Reason
from datagen.schema.card import Fact, SourceCard
from pipelines.doctor.finding import Finding, Status
from pipelines.doctor.survey import SplitSurvey, Survey

NEAR = 0.02
"""Counts that were extrapolated from some rows match a published one within this fraction."""

BROKEN = (
    Reason.MEDIA_EMPTY,
    Reason.MEDIA_TRUNCATED,
    Reason.MEDIA_UNREADABLE,
    Reason.MEDIA_TOO_LARGE,
    Reason.UNSAFE_PATH,
)


def check_rows(found: Survey, options: BuildOptions) -> Iterator[Finding]:
    """Yield findings about rows and images of each source that was looked at, and about files that cannot be used."""
    for subject, message in found.errors:
        remedy = "download the file again, or leave the source out with --sources"
        yield Finding("rows", subject, "problem", message, remedy)
    for empty in found.empty:
        remedy = "leave the split out with --splits, or download the file again"
        subject = f"{empty.source}/{empty.split}"
        yield Finding("rows", subject, "warning", f"no {empty.lacks[0]}", remedy)
    for source in dict.fromkeys(each.source for each in found.splits):
        mine = [each for each in found.splits if each.source == source]
        card = options.source(source).card
        yield _counts(card, mine, options)
        yield _images(card, mine, options)
        rows = _rejections(card, mine, options)
        if rows is not None:
            yield rows


def _counts(card: SourceCard, splits: Sequence[SplitSurvey], options: BuildOptions) -> Finding:
    texts, differs = [], False
    for each in splits:
        number = round(each.records)
        is_exact = each.is_whole or each.seen == each.read - each.filtered
        shown = f"{each.split} {'' if is_exact else 'about '}{number:,}"
        releases = card.splits[each.split].counts if each.split in card.splits else {}
        published = {name: fact.value for name, fact in releases.items() if fact.value}
        if options.limit is None and published:
            within = 0.0 if is_exact else NEAR
            same = [n for n, count in published.items() if abs(count - number) <= within * count]
            if same:
                shown += f" (release {same[0]})"
            else:
                differs = True
                shown += f" ({_nearest_release(releases, number)})"
        texts.append(shown)
    found = f"records: {', '.join(texts)}"
    if not differs:
        return Finding("counts", card.id, "ok", found)
    remedy = f"a part or another release is built as it is; visinstruct fetch {card.id} brings the published files"
    return Finding("counts", card.id, "warning", found, remedy)


def _nearest_release(releases: Mapping[str, Fact[int]], number: int) -> str:
    """Say how many records the release has that is nearest to `number`."""
    known = {name: fact for name, fact in releases.items() if fact.value}
    name, fact = min(known.items(), key=lambda each: abs((each[1].value or 0) - number))
    return f"release {name} has {fact.value:,}{'' if fact.verified else ', not verified'}"


def _images(card: SourceCard, splits: Sequence[SplitSurvey], options: BuildOptions) -> Finding:
    read = max(1, sum(each.read for each in splits))
    missing = sum(each.rejected[Reason.MEDIA_MISSING] for each in splits)
    broken = sum(each.rejected[reason] for each in splits for reason in BROKEN)
    seen, rows = sum(each.seen for each in splits), sum(each.rows for each in splits)
    of = f"{seen:,} rows" if seen == rows else f"{seen:,} of {rows:,} rows"
    if not missing and not broken:
        return Finding("images", card.id, "ok", f"of {of}: all are there and whole")
    allowed = options.max_missing_fraction
    if allowed is None:
        allowed = card.max_missing_media
    status: Status = "warning"
    if options.missing_images == "reject" and missing > allowed * read:
        status = "problem"
    if broken > options.max_reject_fraction * read:
        status = "problem"
    reasons = [reason for reason in (Reason.MEDIA_MISSING, *BROKEN)]
    first = next(e.first[reason] for reason in reasons for e in splits if reason in e.first)
    found = f"of {of}: missing in {missing:,} records, broken in {broken:,}; first: {first}"
    names = " ".join(f"--image-root {media.collection}=DIR" for media in card.media)
    remedies = []
    if missing:
        remedies.append(
            f"download them (visinstruct fetch {card.id}), or say where they are: {names}"
        )
    if broken:
        remedies.append("download the broken ones again; a build rejects their rows")
    return Finding("images", card.id, status, found, "; ".join(remedies))


def _rejections(
    card: SourceCard, splits: Sequence[SplitSurvey], options: BuildOptions
) -> Finding | None:
    """Return a finding about rows that a build would reject for other reasons than their image."""
    about_images = {reason.value for reason in (Reason.MEDIA_MISSING, *BROKEN)}
    counts = {
        reason: number
        for each in splits
        for reason, number in each.rejected.items()
        if reason not in about_images
    }
    if not counts:
        return None
    read = max(1, sum(each.read for each in splits))
    total = sum(counts.values())
    reason = max(counts, key=lambda name: counts[name])
    first = next((each.first[reason] for each in splits if reason in each.first), reason)
    status: Status = "problem" if total > options.max_reject_fraction * read else "warning"
    return Finding(
        "rows",
        card.id,
        status,
        f"{total:,} of {read:,} would be rejected, most as {reason}; first: {first}",
        "download the file again; --max-reject-fraction sets how many a build may reject",
    )
