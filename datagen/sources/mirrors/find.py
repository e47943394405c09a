"""Finds mirrors on this machine: a local copy, the Hub's cache, or a download into it."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from datagen.errors import OptionError, RawDataError
from datagen.files import Files
from datagen.schema.manifest import MirrorEntry
from datagen.sources.declared.definition import Definition, Hub, joined_definition, joins_of
from datagen.sources.declared.join import join_name
from datagen.sources.declared.readers.data_file import split_name
from datagen.sources.declared.readers.files import DataFile, find_files
from datagen.sources.declared.readers.hub import wanted_files
from datagen.sources.declared.readers.hub_cache import (
    Snapshot,
    UnreachableError,
    cached,
    copied_commit,
    lacking,
    snapshot,
)
from datagen.sources.mirrors.columns import differences, num_rows
from datagen.sources.mirrors.mirror import Mirror, Mirrored, mirror_ids, read_mirror

Say = Callable[[str], None]


def find_mirrors(
    sources: Sequence[str] | None,
    splits: Sequence[str] | None,
    raw: str | None,
    files: Files,
    say: Say = lambda sentence: None,
    *,
    download: bool = True,
) -> tuple[Mirrored, ...]:
    """Return the mirrors of `sources`, downloaded where they are not on this machine.

    Without `sources`, those are taken that are here: as `RAW/<owner>/<name>`, or in the Hub's cache. `splits`
    limits what is read and downloaded. Without `download`, nothing is.

    Raises:
        OptionError: a source has no mirror, none of the splits, or no mirror is here.
        RawDataError: a mirror cannot be downloaded, or its columns changed.
    """
    if sources is not None:
        named = [read_mirror(each) for each in sources]
        return tuple(find_mirror(each, splits, raw, files, say, download) for each in named)
    here = [read_mirror(each) for each in mirror_ids()]
    here = [each for each in here if _splits_of(each, splits) and _is_here(each, splits, raw)]
    if not here:
        where = "" if raw is None else f" as {raw}/<owner>/<name>,"
        raise OptionError(
            f"no mirror is on this machine,{where} nor in the Hub's cache; name the sources to download: "
            f"--sources {','.join(mirror_ids()[:2])}"
        )
    return tuple(find_mirror(each, splits, raw, files, say, download) for each in here)


def find_mirror(
    mirror: Mirror,
    splits: Sequence[str] | None,
    raw: str | None,
    files: Files,
    say: Say,
    download: bool,
) -> Mirrored:
    """Return a mirror with the places of its files on this machine.

    Raises:
        OptionError: it has none of the `splits`.
        RawDataError: it cannot be downloaded, or its columns changed.
    """
    wanted = _splits_of(mirror, splits)
    if not wanted:
        raise OptionError(
            f"the mirror {mirror.repository} of {mirror.source} has none of the splits "
            f"{', '.join(splits or ())}; it has {', '.join(mirror.splits)}"
        )
    definition, found = _located(mirror, wanted, raw, download)
    commit = found.commit or "an unknown revision"
    if found.offline is not None:
        say(
            f"{mirror.source}: the Hub cannot be reached ({found.offline}); what the cache has of "
            f"{_repo(definition)} at {commit} is used"
        )
    _check_columns(mirror, definition, wanted, commit, files)
    for sentence in _other_counts(mirror, definition, wanted, files):
        say(f"{mirror.source}: {sentence}")
    seen = mirror.revision or mirror.seen
    if seen and found.commit and not found.commit.startswith(seen):
        say(f"{mirror.source}: this is commit {found.commit}, {seen} was looked at")
    lacks = f"; lacks {'; '.join(mirror.lacks)}" if mirror.lacks else ""
    say(f"{mirror.source}: {_repo(definition)} at {commit}{lacks}")
    return Mirrored(
        definition=definition,
        publisher=mirror.publisher,
        splits=wanted,
        revision=found.commit,
        lacks=mirror.lacks,
    )


def entry_of(mirrored: Mirrored) -> MirrorEntry:
    """Return what a dataset's manifest says of a mirror."""
    hub = mirrored.definition.hub
    assert hub is not None
    configs = hub.config if isinstance(hub.config, str) or hub.config is None else [
        hub.config[split] for split in mirrored.splits if split in hub.config
    ]  # fmt: skip
    return MirrorEntry(
        repository=hub.repo,
        config=", ".join(configs) if isinstance(configs, list) else configs,
        revision=mirrored.revision,
        lacks=mirrored.lacks,
    )


def _splits_of(mirror: Mirror, splits: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(each for each in mirror.splits if splits is None or each in splits)


def _repo(definition: Definition) -> str:
    assert definition.hub is not None
    return definition.hub.repo


def _located(
    mirror: Mirror, splits: tuple[str, ...], raw: str | None, download: bool
) -> tuple[Definition, Snapshot]:
    """Return the definition that knows the folders of its repositories, and where the first was found.

    Raises:
        RawDataError: one is not here and cannot be downloaded.
    """
    errors: dict[str, str] = {}
    places = [each for each in (mirror.repository, mirror.also_at) if each is not None]
    # What is here under the second name goes before a download under the first.
    places.sort(key=lambda repo: (not _is_copied(repo, raw), cached(repo, mirror.revision) is None))
    for repo in places:
        definition = mirror.read_as(splits, repo)
        found: list[tuple[Hub, Snapshot]] = []
        for hub in _hubs(definition):
            try:
                found.append((hub, _find(definition, hub, raw, download)))
            except UnreachableError as error:
                errors[hub.repo] = str(error).rstrip(".")
        if len(found) == len(list(_hubs(definition))):
            folders = {f"{hub.repo}@{hub.revision or ''}": place.folder for hub, place in found}
            update = {"folders": folders, "base": raw or ".", "split_names": splits}
            return definition.model_copy(update=update), found[0][1]
    where = "" if raw is None else f"no folder in {raw}, "
    copied = next(iter(errors))
    raise RawDataError(
        f"the mirror of {mirror.source} is {where}not in the Hub's cache, and cannot be downloaded: "
        f"{'; '.join(f'{repo}: {error}' for repo, error in errors.items())}. Copy it to RAW/{copied} (`hf "
        f"download --repo-type dataset {copied} --local-dir RAW/{copied}`) and pass --raw RAW"
    )


def _hubs(definition: Definition) -> Iterator[Hub]:
    assert definition.hub is not None
    yield definition.hub
    yield from (join.hub for join in joins_of(definition) if join.hub is not None)


def _find(definition: Definition, hub: Hub, raw: str | None, download: bool) -> Snapshot:
    """Return where a repository is.

    Raises:
        UnreachableError: it is not here, and cannot be downloaded.
        RawDataError: a local copy lacks files.
    """
    if _is_copied(hub.repo, raw):
        folder = os.path.join(raw or "", hub.repo)
        absent = lacking(folder, wanted_files(definition, hub)(folder))
        if absent:
            named = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
            raise RawDataError(
                f"source {definition.name}: the copy {folder} lacks {named}; copy them too, or build other "
                "splits"
            )
        return Snapshot(folder, copied_commit(folder))
    return snapshot(hub.repo, hub.revision, wanted_files(definition, hub), download=download)


def _is_copied(repo: str, raw: str | None) -> bool:
    return raw is not None and "://" not in raw and os.path.isdir(os.path.join(raw, repo))


def _is_here(mirror: Mirror, splits: Sequence[str] | None, raw: str | None) -> bool:
    """Return True if everything that is needed of a mirror is on this machine."""
    for repo in filter(None, (mirror.repository, mirror.also_at)):
        definition = mirror.read_as(_splits_of(mirror, splits), repo)
        if all(_is_hub_here(definition, hub, raw) for hub in _hubs(definition)):
            return True
    return False


def _is_hub_here(definition: Definition, hub: Hub, raw: str | None) -> bool:
    if _is_copied(hub.repo, raw):
        # Several mirrors are one repository, of which a copy may hold a part.
        folder = os.path.join(raw or "", hub.repo)
    else:
        folder = cached(hub.repo, hub.revision) or ""
    if not folder:
        return False
    try:
        return not lacking(folder, wanted_files(definition, hub)(folder))
    except RawDataError:
        return False


def _other_counts(
    mirror: Mirror, definition: Definition, splits: tuple[str, ...], files: Files
) -> Iterator[str]:
    """Yield a sentence for each split whose Parquet files have another number of rows than was seen."""
    found: Counter[str] = Counter()
    for data_file in find_files(definition, files):
        if data_file.format == "parquet" and data_file.split is not None:
            found[data_file.split] += num_rows(files, data_file)
    seen = {mirror.splits[split].name: mirror.splits[split].rows for split in splits}
    for name, expected in seen.items():
        rows = found[split_name(name)]
        if rows and isinstance(expected, int) and rows != expected:
            yield f"{name} has {rows:,} rows, {expected:,} were seen"


def _check_columns(
    mirror: Mirror, definition: Definition, splits: tuple[str, ...], commit: str, files: Files
) -> None:
    """Refuse a mirror whose columns are not those that were seen.

    Raises:
        RawDataError: names the columns, and the file.
    """
    checks: list[tuple[Definition, DataFile, dict[str, str | None], bool]] = []
    for data_file in find_files(definition, files):
        own = next(
            (ours for ours in splits if data_file.split in (ours, mirror.splits[ours].name)), ""
        )
        expected = {**mirror.columns, **mirror.columns_of.get(own, {})}
        checks.append((definition, data_file, expected, mirror.all_columns))
    for join in joins_of(definition):
        other = joined_definition(definition, join)
        expected = dict(mirror.joined_columns.get(join_name(join), {}))
        checks += [(other, each, expected, False) for each in find_files(other, files)]
    for read_as, data_file, expected, all_columns in checks:
        found = list(differences(read_as, data_file, files, expected, all_columns=all_columns))
        if found:
            seen = mirror.revision or mirror.seen
            at = f" at {seen}" if seen else ""
            raise RawDataError(
                f"the mirror of {mirror.source} has other columns than those that were seen{at}: {data_file.name} "
                f"at {commit}: {'; '.join(sorted(found))}. It is not read, since its rows may mean something "
                "else; build the source from the publisher's files, without --from hub"
            )
