"""Update: a build compares a finished dataset with what it would build, split by split.

A split is reused if everything that its shards depend on is as it was: raw files, definition, templates,
weight (`fingerprint.split_fingerprints`), and the images and videos that were read. A build that could
reuse nothing, since an option, a library or the code differs that all splits depend on, is refused: it is
another dataset, and the finished one may have taken days.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datagen.build.media_states import MediaChange, changed_since
from datagen.build.options import BuildOptions
from datagen.build.plan import MissingSplit
from datagen.errors import OutputError
from datagen.media.media import MediaRoots
from datagen.raw.gather import raw_exists
from datagen.schema.adapter import Source, SplitFiles
from datagen.schema.manifest import Manifest
from datagen.stores.any_files import AnyFiles
from pipelines.build.fingerprint import LIMITS, Fingerprints, Identity, Key
from pipelines.build.publish import raw_of

Chosen = Sequence[tuple[Source, SplitFiles]]

MAY_CHANGE = {"sources", "splits", "declared", "mirrors", "mixture", *LIMITS}
"""Options that may differ between two builds of one dataset: fingerprints of splits cover the first five, and
the limits only decide whether a build is published."""

_CAUSES = {
    "files": "its files changed",
    "definition": "its definition changed",
    "templates": "its templates changed",
    "weight": "its weight in the mixture changed",
}


@dataclass(frozen=True)
class Update:
    """What a build makes of a dataset: splits to reuse, to build and to remove, each with the reason.

    `empty` are splits without rows, which are not built. `is_same` is True if the dataset is there already.
    """

    reused: tuple[Key, ...]
    built: Mapping[Key, str]
    removed: Mapping[Key, str]
    empty: tuple[MissingSplit, ...] = ()
    is_same: bool = False


def first_build(chosen: Chosen) -> Update:
    """Return the update of nothing: all splits are built."""
    return Update((), {(source.id, layout.split): "new" for source, layout in chosen}, {})


def compare(
    held: Manifest,
    options: BuildOptions,
    chosen: Chosen,
    missing: Collection[MissingSplit],
    identity: Identity,
    fingerprints: Fingerprints,
    roots: MediaRoots,
    files: AnyFiles,
) -> Update:
    """Return what the build makes of the dataset `held` at `options.out`.

    Raises:
        OutputError: it is another dataset: of other options, versions or another raw folder, or raw files
            that it was built from are missing.
    """
    _refuse_others(held, options, identity, files)
    empty = _empty(held, chosen)
    keys = [(source.id, layout.split) for source, layout in chosen]
    media = changed_since(options.out, roots, files)
    built: dict[Key, str] = {}
    for source, layout in chosen:
        key = (source.id, layout.split)
        if key not in empty:
            changed = (media or {}).get(key, [])
            why = [*_causes(held, source, layout, identity, fingerprints[key], changed)]
            if why:
                built[key] = ", ".join(why)
    _together(chosen, built, empty)
    reused = tuple(key for key in keys if key not in built and key not in empty)
    removed = _removed(held, options, keys)
    still_empty = tuple(each for key, each in empty.items() if key not in built)
    now = {(each.source, each.split): each.lacks for each in (*missing, *still_empty)}
    before = {
        (s, split): lacks for s, splits in held.missing.items() for split, lacks in splits.items()
    }
    is_same = not built and not removed and held.fingerprint == identity.fingerprint
    if is_same and now == before:
        return Update(reused, {}, {}, still_empty, is_same=True)
    if media is None and reused:  # what its images were is not known
        built = dict.fromkeys(reused, "the state of its images is not known") | built
        reused = ()
    return Update(reused, built, removed, still_empty)


def _causes(
    held: Manifest,
    source: Source,
    layout: SplitFiles,
    identity: Identity,
    now: Mapping[str, str],
    media: Sequence[MediaChange],
) -> Iterator[str]:
    """Yield the reasons to build a split; none if it can be reused."""
    changed = _changed_files(held, identity, source.id)
    if not source.in_staging:
        names = {*layout.files(), *layout.optional_files()}
        changed = {name: how for name, how in changed.items() if name in names}
    entry = held.splits.get(source.id, {}).get(layout.split)
    if entry is None:
        yield from changed.values() if source.id in held.splits and changed else ["new"]
        return
    causes = [name for name in _CAUSES if entry.fingerprints.get(name) != now.get(name)]
    if causes[1:] and causes[-1] == "weight":
        del causes[-1]  # it follows from the others
    for name in causes:
        yield from changed.values() if name == "files" and changed else [_CAUSES[name]]
    if media:
        yield f"{len(media):,} images or videos changed, first: {media[0]}"


def _together(chosen: Chosen, built: dict[Key, str], empty: Collection[Key]) -> None:
    """Add the splits that share a file with one that is built, whose rows the plan divides anew."""
    for source, layout in chosen:
        key = (source.id, layout.split)
        sharing = [
            (source.id, other.split)
            for each, other in chosen
            if each.id == source.id
            and (other.rows.file == layout.rows.file or (source.in_staging and key in empty))
        ]
        first = next((each for each in built if each in sharing), None)
        if key not in built and first is not None:
            built[key] = f"it shares its file with {first[1]}"


def _empty(held: Manifest, chosen: Chosen) -> dict[Key, MissingSplit]:
    """Return the splits whose files are there and had no rows of them when the dataset was built."""
    found = {}
    for source, layout in chosen:
        lacks = held.missing.get(source.id, {}).get(layout.split)
        if lacks and lacks[0].startswith("rows "):
            found[source.id, layout.split] = MissingSplit(source.id, layout.split, lacks)
    return found


def _removed(held: Manifest, options: BuildOptions, keys: Collection[Key]) -> dict[Key, str]:
    found = {}
    for source, splits in held.splits.items():
        for split in splits:
            if (source, split) not in keys:
                is_asked = source in options.source_ids
                found[source, split] = "not among --splits" if is_asked else "not among the sources"
    return found


def _refuse_others(
    held: Manifest, options: BuildOptions, identity: Identity, files: AnyFiles
) -> None:
    shared = {n: v for n, v in options.identity().items() if n not in MAY_CHANGE}
    differences = [
        *_differences("", held.options, shared),
        *_differences("version of ", held.versions, identity.versions),
        *_left(held, options, identity, files),
    ]
    changed = {
        source: _changed_files(held, identity, source)
        for source in held.inputs
        if source in identity.inputs and not options.source(source).in_staging
    }
    texts = [f"{source}/{text}" for source, found in changed.items() for text in found.values()]
    if differences or (texts and raw_of(options.out, files) != options.raw):
        raise OutputError(
            f"{options.out} holds another build ({'; '.join([*differences, *texts])}); pass another "
            "folder as --out, or remove this one"
        )


def _differences(
    what: str, before: Mapping[str, object], now: Mapping[str, object]
) -> Iterator[str]:
    for name, value in now.items():
        if before.get(name) != value:
            yield f"{what}{name} was {before.get(name)!r}, is {value!r}"


def _changed_files(held: Manifest, identity: Identity, source: str) -> dict[str, str]:
    """Return how each file of a source differs that is read now: it changed, or is new."""
    before = {name: file["sha256"] for name, file in held.inputs.get(source, {}).items()}
    now = {name: file.sha256 for name, file in identity.inputs.get(source, {}).items()}
    return {
        name: f"{name} {'changed' if name in before else 'is new'}"
        for name in sorted(now)
        if before.get(name) != now[name]
    }


def _left(
    held: Manifest, options: BuildOptions, identity: Identity, files: AnyFiles
) -> Iterator[str]:
    """Yield the missing raw files of splits that the dataset holds and the build is to hold."""
    for source_id, inputs in held.inputs.items():
        if source_id not in options.source_ids or options.source(source_id).in_staging:
            continue
        source = options.source(source_id)
        asked = [s for s in source.splits if options.splits is None or s.split in options.splits]
        names = {name for layout in asked for name in (*layout.files(), *layout.optional_files())}
        if source.vocabulary is not None:
            names.add(source.vocabulary.rows.file)
        now = identity.inputs.get(source_id, {})
        for name in sorted(names & inputs.keys() - now.keys()):
            if not raw_exists(files, f"{options.raw}/{source.card.folder}/{name}"):
                yield f"{source_id}/{name} is missing"


def print_changes(update: Update, held: Manifest, console: Console) -> None:
    """Print what becomes of the dataset that is there, one line for splits of a source with one reason."""
    for verb, found in (("built", update.built), ("removed", update.removed)):
        for (source, why), splits in _by_reason(found).items():
            name = f"{source}/{', '.join(splits)}"
            again = " again" if verb == "built" and splits[0] in held.splits.get(source, {}) else ""
            console.print(f"{name} is {verb}{again}: {why}", highlight=False)
    if not update.built and not update.removed:
        console.print("all splits are reused, the manifest is written again", highlight=False)
    elif update.reused:
        console.print(f"{len(update.reused)} splits are reused", highlight=False)


def print_update(update: Update, out: str, console: Console) -> None:
    """Print per source and split what a build into `out` would do, and why."""
    table = Table("source", "split", "action", "why", box=None, header_style="bold")
    rows = [(*key, "reused", "") for key in update.reused]
    rows += [(*key, "built", why) for key, why in update.built.items()]
    rows += [(*key, "removed", why) for key, why in update.removed.items()]
    for row in sorted(rows):
        table.add_row(*map(Text, row))
    console.print(table)
    counts = (len(update.reused), len(update.built), len(update.removed))
    console.print(
        "{}: {} splits reused, {} built, {} removed; nothing was written".format(out, *counts),
        highlight=False,
    )


def _by_reason(found: Mapping[Key, str]) -> dict[tuple[str, str], list[str]]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for (source, split), why in found.items():
        grouped.setdefault((source, why), []).append(split)
    return grouped
