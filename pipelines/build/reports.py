"""The reports that workers leave: read in order, once the engine says that it is done."""

import time
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from datagen.build.plan import BuildPlan, SplitPlan
from datagen.build.staging import RangeReport, ShardReport, Staging
from datagen.build.totals import SplitWork
from datagen.files import Files
from pipelines.build.watch import KEPT, EngineError

DELAYS_SECONDS = (0.5, 1.0, 2.0, 4.0)
"""A network file system may say for a while that a file is not there which another host has written."""

Report = TypeVar("Report", RangeReport, ShardReport)


def read_reports(plan: BuildPlan, staging: Staging, files: Files) -> list[SplitWork]:
    """Return the reports of all ranges and shards, in order.

    Raises:
        EngineError: some are missing: the engine ended before the work did, whatever it says.
    """
    delays = list(DELAYS_SECONDS)
    while True:
        found = [_read_split(split, staging, files) for split in plan.splits]
        work = [each for each, _ in found]
        missing = sum(number for _, number in found)
        if not missing:
            return work
        if not delays:
            break
        time.sleep(delays.pop(0))
        for split in plan.splits:  # a listing refreshes what the system remembers of the folder
            files.match(staging.reports_of_ranges(split.source, split.split))
            files.match(staging.reports_of_shards(split.source, split.split))
    done = sum(len(each.ranges) + len(each.shards) for each in work)
    raise EngineError(
        f"the engine stopped after {done:,} of {done + missing:,} parts, without an error of its own: "
        f"were its scheduler or workers ended? {KEPT}"
    )


def _read_split(split: SplitPlan, staging: Staging, files: Files) -> tuple[SplitWork, int]:
    """Return the reports of a split that are there, and the number of those that are missing."""
    key = (split.source, split.split)
    paths = [staging.range(*key, planned.number, "report.json") for planned in split.ranges]
    ranges = _read_those_there(paths, RangeReport, files)
    shards: Sequence[int] = range(split.num_shards)
    if len(ranges) == len(paths):  # else it is not known which shards are empty
        shards = sorted({place.shard for report in ranges for place in report.places})
    shard_paths = [staging.shard(*key, shard, "report.json") for shard in shards]
    written = _read_those_there(shard_paths, ShardReport, files)
    missing = len(paths) + len(shard_paths) - len(ranges) - len(written)
    return SplitWork(split, ranges, written), missing


def _read_those_there(paths: Sequence[str], kind: type[Report], files: Files) -> list[Report]:
    found = []
    for path in paths:
        try:
            with files.open_binary(path) as file:
                found.append(msgspec.json.decode(file.read(), type=kind))
        except FileNotFoundError:
            continue
    return found
