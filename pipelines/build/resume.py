"""Resume: parts of an earlier run that are still valid are kept, the others are made again.

A build resumes the staging folder of a stopped one (`forget_stale`), and reuses the splits of a finished
dataset that its update names (`reuse_splits`). Images and videos are compared by size and time of last
change.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence

import msgspec
import pyarrow.parquet as pq

from datagen.build.digests import write_digests
from datagen.build.media_states import saved_states, stale_ranges
from datagen.build.options import BuildOptions
from datagen.build.plan import BuildPlan, RangePlan, SplitPlan
from datagen.build.staging import Place, RangeReport, ShardReport, Staging
from datagen.files import is_url
from datagen.media.media import MediaRoots
from datagen.raw.json_index import Window
from datagen.schema.manifest import CandidatesEntry, Manifest, SplitEntry
from datagen.stores.any_files import AnyFiles
from pipelines.build.fingerprint import Key
from pipelines.build.update import Chosen, Update


def planned_splits(
    update: Update, held: Manifest | None, chosen: Chosen, plan: BuildPlan
) -> BuildPlan:
    """Return the plan of the whole dataset: `plan` of the splits to build, and the reused ones between them.

    A reused split is planned as one range that holds all of its rows and is staged already.
    """
    made = {(each.source, each.split): each for each in plan.splits}
    for source, split in update.reused:
        assert held is not None
        made[source, split] = _reused_plan(source, split, held.split(source, split))
    order = [(source.id, layout.split) for source, layout in chosen]
    splits = tuple(made[key] for key in order if key in made)
    return BuildPlan(splits, (*plan.missing, *update.empty))


def _reused_plan(source: str, split: str, entry: SplitEntry) -> SplitPlan:
    names = [shard.path.rpartition("-of-")[2] for shard in entry.shards]
    return SplitPlan(
        source=source,
        split=split,
        layout_name=entry.layout,
        path="",
        kind="array",
        ranges=(RangePlan(0, Window(0, 0, entry.rows), 0, entry.rows),),
        lookups={},
        tables={},
        num_shards=int(names[0].removesuffix(".parquet")) if names else 1,
        rejected={},
    )


def reuse_splits(
    update: Update,
    held: Manifest | None,
    plan: BuildPlan,
    out: str,
    staging: Staging,
    files: AnyFiles,
) -> None:
    """Link the reused splits of the dataset at `out` into the staging folder, as if this build had staged them.

    A split that an earlier run reused and that is now built is removed from the staging folder.
    """
    left = []
    for split in plan.splits:
        key = (split.source, split.split)
        marker = _marker(split, staging)
        is_marked = files.exists(marker)
        if key in update.reused and not is_marked:
            left.append(split)
        elif key not in update.reused and is_marked:
            _forget_split(split, staging, files)
            files.remove([marker])
    if held is None or not left:
        return
    states: dict[Key, dict[str, str]] = {}
    for key, found in saved_states(out, files) or ():
        states.setdefault(key, {}).update(found)
    lines = {source: _rejected_lines(held, source, out, files) for source in held.splits}
    for split in left:
        key = (split.source, split.split)
        _forget_split(split, staging, files)
        mine = [line for line in lines[split.source] if json.loads(line)["split"] == split.split]
        _reuse_split(split, held.split(*key), states.get(key, {}), mine, out, staging, files)
        with files.create(_marker(split, staging)) as file:
            file.write(b"")


def reuse_candidates(
    update: Update,
    held: Manifest | None,
    options: BuildOptions,
    staging: Staging,
    files: AnyFiles,
) -> dict[str, CandidatesEntry]:
    """Link the vocabularies of declared sources of which nothing is built, and return their entries.

    Their rows are not made again, of which a vocabulary is counted.
    """
    kept: dict[str, CandidatesEntry] = {}
    built = {source for source, _ in update.built}
    for source in dict.fromkeys(source for source, _ in update.reused):
        if held is None or source in built or not options.source(source).in_staging:
            continue
        entry = held.candidates.get(source)
        if entry is not None:
            kept[source] = entry
            if entry.path is not None:
                files.remove([f"{staging.output}/{entry.path}"])
                _link(f"{options.out}/{entry.path}", f"{staging.output}/{entry.path}", files)
    return kept


def _marker(split: SplitPlan, staging: Staging) -> str:
    return f"{staging.root}/ranges/{split.source}/{split.split}/reused"


def _rejected_lines(manifest: Manifest, source: str, out: str, files: AnyFiles) -> list[bytes]:
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
    files: AnyFiles,
) -> None:
    """Stage a finished split: its one range gets all rows and rejections."""
    key = (split.source, split.split)
    with files.create(staging.plan_rejections(*key)) as file:
        file.write(b"")
    numbers = []
    for shard in entry.shards:
        number = int(shard.path.rpartition("-of-")[0].rpartition("-")[2])
        numbers.append((number, shard))
        path = f"{staging.output}/{shard.path}"
        files.remove([path])  # an earlier run may have made another one
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
    staged = {
        "rejected.jsonl": b"".join(rejected_lines),
        "media.json": msgspec.json.encode(media),
    }
    for what, content in staged.items():
        with files.create(staging.range(*key, 0, what), durable=False) as file:
            file.write(content)
    range_report = RangeReport(
        source=split.source,
        split=split.split,
        number=0,
        read=entry.read,
        staged=entry.written,
        rejected=dict(entry.rejected),
        filtered=dict(entry.filtered),
        reencoded=entry.reencoded,
        files={what: len(content) for what, content in staged.items()},
        places=[Place(number, 0, 0, 0, shard.rows) for number, shard in numbers],
    )
    with files.create(staging.range(*key, 0, "report.json"), durable=False) as file:
        file.write(msgspec.json.encode(range_report))


def _link(path: str, new: str, files: AnyFiles) -> None:
    """Hard-link a finished file; copy it where links are not possible."""
    if is_url(new):
        files.copy(path, new)
        return
    os.makedirs(os.path.dirname(new), exist_ok=True)
    try:
        os.link(path, new)
    except OSError:
        shutil.copyfile(path, f"{new}.copy")
        os.replace(f"{new}.copy", new)


def forget_stale(
    splits_built: Sequence[SplitPlan], staging: Staging, roots: MediaRoots, files: AnyFiles
) -> int:
    """Forget staged ranges whose media changed, and all shards of their sources.

    Reused splits are not looked at: their media were compared when they were chosen.
    Returns the number of forgotten ranges. Shards go first: if the run is stopped in between, the next
    one finds the same ranges stale.
    """
    forgotten = 0
    for source in dict.fromkeys(each.source for each in splits_built):
        splits = [each for each in splits_built if each.source == source]
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


def drop_leftovers(manifest: Manifest, staging: Staging, files: AnyFiles) -> None:
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


def _forget_split(split: SplitPlan, staging: Staging, files: AnyFiles) -> None:
    key = (split.source, split.split)
    files.remove(files.match(staging.reports_of_shards(*key)))
    files.remove(files.match(staging.reports_of_ranges(*key)))
