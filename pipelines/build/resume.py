"""Resume: parts of an earlier run that are still valid are kept, the others are made again.

A build resumes the staging folder of a stopped one (`forget_stale`), and reuses the sources of a finished
dataset whose inputs did not change (`changes_since`, `reuse_sources`). Raw files are compared by digest,
images and videos by size and time of last change.
"""

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping

import msgspec
import pyarrow.parquet as pq

from datagen.build.digests import write_digests
from datagen.build.media_states import MediaChange, changed_since, saved_states, stale_ranges
from datagen.build.options import BuildOptions
from datagen.build.plan import BuildPlan, SplitPlan
from datagen.build.staging import Place, RangeReport, ShardReport, Staging
from datagen.errors import OutputError
from datagen.media.media import MediaRoots
from datagen.schema.manifest import Manifest, SplitEntry
from pipelines.build.beam_files import BeamFiles
from pipelines.build.fingerprint import Identity
from pipelines.build.publish import REPORT_NAME


def changes_since(
    manifest: Manifest,
    options: BuildOptions,
    identity: Identity,
    roots: MediaRoots,
    files: BeamFiles,
) -> dict[str, str]:
    """Return a description of the changes of each changed source since the dataset was built.

    Raises:
        OutputError: the dataset at `options.out` was built with other options, templates, versions or
            from another raw folder, or raw files that it was built from are missing.
    """
    differences = [*_other_differences(manifest, options, identity)]
    files_changed, removed = _changed_files(manifest, identity)
    if differences or removed or (files_changed and _raw_of(options.out, files) != options.raw):
        every = [*differences, *removed, *(t for ts in files_changed.values() for t in ts)]
        raise OutputError(
            f"{options.out} holds another build ({'; '.join(every)}); pass another folder as --out, "
            "or remove this one"
        )
    found = {source: ", ".join(texts) for source, texts in files_changed.items()}
    for source, media in (changed_since(options.out, roots, files) or {}).items():
        found[source] = ", ".join([*files_changed.get(source, ()), _media_text(media)])
    return found


def _media_text(media: list[MediaChange]) -> str:
    return f"{len(media):,} images or videos changed, first: {media[0]}"


def _other_differences(
    manifest: Manifest, options: BuildOptions, identity: Identity
) -> Iterator[str]:
    yield from _changed("", manifest.options, options.identity())
    if manifest.template_hash != identity.template_hash:
        yield "the template set differs"
    yield from _changed("version of ", manifest.versions, identity.versions)


def _changed(what: str, before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    for name, value in now.items():
        if before.get(name) != value:
            yield f"{what}{name} was {before.get(name)!r}, is {value!r}"


def _changed_files(
    manifest: Manifest, identity: Identity
) -> tuple[dict[str, list[str]], list[str]]:
    """Return descriptions of the changed and new raw files, by source, and of the missing ones."""
    changed: dict[str, list[str]] = {}
    removed = []
    for source in sorted(manifest.inputs.keys() | identity.inputs.keys()):
        before = {n: file["sha256"] for n, file in manifest.inputs.get(source, {}).items()}
        now = {n: file.sha256 for n, file in identity.inputs.get(source, {}).items()}
        for name in sorted(before.keys() | now.keys()):
            if name not in now:
                removed.append(f"{source}/{name} is missing")
            elif before.get(name) != now[name]:
                text = "changed" if name in before else "is new"
                changed.setdefault(source, []).append(f"{source}/{name} {text}")
    return changed, removed


def _raw_of(out: str, files: BeamFiles) -> str | None:
    """Return the raw folder that the report of the dataset at `out` names, or None."""
    try:
        with files.open_binary(f"{out}/{REPORT_NAME}") as file:
            raw = json.loads(file.read()).get("raw")
    except (OSError, ValueError, AttributeError):
        return None
    return raw if isinstance(raw, str) else None


def reuse_sources(
    manifest: Manifest | None,
    changed: Collection[str],
    plan: BuildPlan,
    out: str,
    staging: Staging,
    files: BeamFiles,
) -> None:
    """Copy the unchanged sources of the dataset at `out` to the staging folder, as if staged by this build.

    A source that an earlier run reused and that changed since is removed from the staging folder.
    """
    kept: list[str] = []
    for source in dict.fromkeys(each.source for each in plan.splits):
        splits = [each for each in plan.splits if each.source == source]
        marker = f"{staging.root}/ranges/{source}/taken_over"
        whole = manifest is not None and set(manifest.splits.get(source, ())) == {
            each.split for each in splits
        }
        if whole and source not in changed:
            if not files.exists(marker):
                kept.append(source)
        elif files.exists(marker):
            for split in splits:
                _forget_split(split, staging, files)
            files.remove([marker])
    if manifest is None or not kept:
        return
    saved = saved_states(out, files)
    if saved is None:
        return
    states: dict[tuple[str, str], dict[str, str]] = {}
    for key, found in saved:
        if key[0] in kept:
            states.setdefault(key, {}).update(found)
    for source in kept:
        lines = _rejected_lines(manifest, source, out, files)
        for split in (each for each in plan.splits if each.source == source):
            _forget_split(split, staging, files)
            entry = manifest.splits[source][split.split]
            media = states.get((source, split.split), {})
            mine = [line for line in lines if json.loads(line)["split"] == split.split]
            _reuse_split(split, entry, media, mine, out, staging, files)
        with files.create(f"{staging.root}/ranges/{source}/taken_over") as file:
            file.write(b"")


def _rejected_lines(manifest: Manifest, source: str, out: str, files: BeamFiles) -> list[bytes]:
    if source not in manifest.rejected_files:
        return []
    with files.open_binary(f"{out}/rejected/{source}.jsonl") as file:
        return file.read().splitlines(keepends=True)


def _reuse_split(
    split: SplitPlan,
    entry: SplitEntry,
    media: Mapping[str, str],
    rejected_lines: list[bytes],
    out: str,
    staging: Staging,
    files: BeamFiles,
) -> None:
    """Stage a finished split: its first range gets all rows, the others none."""
    key = (split.source, split.split)
    planned = sum(split.rejected.values())  # the plan writes and counts these itself
    staged = {
        "rejected.jsonl": b"".join(rejected_lines[planned:]),
        "media.json": msgspec.json.encode(media),
    }
    numbers = []
    for shard in entry.shards:
        number = int(shard.path.rpartition("-of-")[0].rpartition("-")[2])
        numbers.append((number, shard))
        path = f"{staging.output}/{shard.path}"
        if not files.exists(path):
            _link(f"{out}/{shard.path}", path, files)
        with files.open_binary(path) as file:
            ids = pq.read_table(file, columns=["group_id"])["group_id"].unique().to_pylist()
        report = ShardReport(
            source=split.source,
            split=split.split,
            shard=number,
            rows=shard.rows,
            num_bytes=shard.num_bytes,
            sha256=shard.sha256,
            duplicates=0,
            groups=write_digests(ids, staging.shard(*key, number, "groups"), files).num_digests,
        )
        with files.create(staging.shard(*key, number, "report.json")) as file:
            file.write(msgspec.json.encode(report))
    for number in (each.number for each in split.ranges):
        first = number == split.ranges[0].number
        data = staged if first else {"rejected.jsonl": b"", "media.json": b"{}"}
        for what, content in data.items():
            with files.create(staging.range(*key, number, what), durable=False) as file:
                file.write(content)
        rejected = {r: n - split.rejected.get(r, 0) for r, n in entry.rejected.items()}
        range_report = RangeReport(
            source=split.source,
            split=split.split,
            number=number,
            read=entry.read - planned if first else 0,
            staged=entry.written if first else 0,
            rejected={r: n for r, n in rejected.items() if n} if first else {},
            filtered=dict(entry.filtered) if first else {},
            reencoded=entry.reencoded if first else 0,
            files={what: len(content) for what, content in data.items()},
            places=[Place(n, 0, 0, 0, shard.rows) for n, shard in numbers] if first else [],
        )
        with files.create(staging.range(*key, number, "report.json"), durable=False) as file:
            file.write(msgspec.json.encode(range_report))


def _link(path: str, new: str, files: BeamFiles) -> None:
    """Hard-link a finished file; copy it where links are not possible."""
    if "://" in new:
        files.copy(path, new)
        return
    os.makedirs(os.path.dirname(new), exist_ok=True)
    try:
        os.link(path, new)
    except OSError:
        shutil.copyfile(path, f"{new}.copy")
        os.replace(f"{new}.copy", new)


def forget_stale(plan: BuildPlan, staging: Staging, roots: MediaRoots, files: BeamFiles) -> int:
    """Forget staged ranges whose media changed, and all shards of their sources.

    Returns the number of forgotten ranges. Shards go first: if the run is stopped in between, the next
    one finds the same ranges stale.
    """
    forgotten = 0
    for source in dict.fromkeys(each.source for each in plan.splits):
        splits = [each for each in plan.splits if each.source == source]
        stale: list[str] = []
        whole = True
        for split in splits:
            key = (source, split.split)
            there = set(files.match(staging.reports_of_ranges(*key)))
            done = [
                each.number
                for each in split.ranges
                if staging.range(*key, each.number, "report.json") in there
            ]
            numbers = stale_ranges(split, done, staging, roots, files)
            stale += [staging.range(*key, number, "report.json") for number in numbers]
            whole = whole and len(done) == len(split.ranges)
        if stale or not whole:
            for split in splits:
                files.remove(files.match(staging.reports_of_shards(source, split.split)))
            files.remove(stale)
        forgotten += len(stale)
    return forgotten


def drop_leftovers(manifest: Manifest, staging: Staging, files: BeamFiles) -> None:
    """Remove files that stopped runs wrote into the output and that are no part of this dataset."""
    shards = [s for splits in manifest.splits.values() for e in splits.values() for s in e.shards]
    names = {
        *(shard.path for shard in shards),
        *(f"rejected/{source}.jsonl" for source in manifest.rejected_files),
        *(each.path for each in manifest.candidates.values() if each.path is not None),
    }
    kept = {f"{staging.output}/{name}" for name in names}
    found = (
        path
        for folder in ("data/*/*", "rejected/*", "candidates/*")
        for path in files.match(f"{staging.output}/{folder}")
    )
    files.remove([path for path in found if path not in kept])


def _forget_split(split: SplitPlan, staging: Staging, files: BeamFiles) -> None:
    key = (split.source, split.split)
    files.remove(files.match(staging.reports_of_shards(*key)))
    files.remove(files.match(staging.reports_of_ranges(*key)))
