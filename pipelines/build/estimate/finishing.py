"""The end of a build, made for the slice and extrapolated: reports, leakage, states of media, manifest."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from datagen.build.digests import WORKING_BYTES, DigestFile
from datagen.build.finish import finish, trained_splits
from datagen.build.leakage import ShardDigests, find_leaks
from datagen.build.media_states import STATES_NAME, write_states
from datagen.build.options import BuildOptions
from datagen.build.plan import BuildPlan
from datagen.build.planner import raw_path
from datagen.build.staging import RangeReport, Staging
from datagen.build.totals import RejectLimitError, SplitWork, check_limits
from datagen.schema.manifest import CandidatesEntry
from datagen.sources.shared.vocabulary import count_answers
from pipelines.build.estimate.bounds import Bounds
from pipelines.build.estimate.counted_files import CountedFiles, Traffic
from pipelines.build.estimate.extrapolate import SplitEstimate
from pipelines.build.estimate.meter import Measured, measure
from pipelines.build.estimate.slice import SplitSample


@dataclass(frozen=True)
class Finishing:
    """The end of a build. `files` are those of the dataset beside its shards, of `other_bytes` together.

    `failure` is why a build like the slice would be refused, or None.
    """

    cpu: Bounds
    waiting_seconds: float
    traffic: Traffic
    peak_bytes: float
    files: int
    other_bytes: float
    failure: str | None


def measure_finish(
    options: BuildOptions,
    samples: Sequence[SplitSample],
    estimates: Sequence[SplitEstimate],
    files: CountedFiles,
    staging: Staging,
) -> Finishing:
    """Finish the slice as a build would be finished, and extrapolate each step by what it grows with."""
    plan = BuildPlan(tuple(each.staged_plan for each in samples))
    work = [
        SplitWork(
            each.staged_plan,
            [sample.report for sample in each.ranges],
            [sample.report for sample in each.shards],
        )
        for each in samples
    ]
    lenient = options.model_copy(update={"max_reject_fraction": 1.0, "max_missing_fraction": 1.0})
    candidates, vocabularies = _count_vocabularies(plan, options, samples, files, staging)
    leaks, leaking = _leaks(plan, work, options, files, staging)
    with measure(files) as whole:
        finish(
            plan,
            work,
            lenient,
            files,
            staging,
            inputs={},
            fingerprint="0" * 16,
            versions={},
            candidates=candidates,
        )
    states = [
        _states(each, sample, staging, files)
        for each, sample in zip(estimates, samples, strict=True)
    ]
    leaks_times = _ratio(estimates, samples, leaking)
    parts = sum(each.ranges + each.shards for each in estimates)
    sampled = sum(len(each.ranges) + len(each.shards) for each in samples)
    rest = max(0.0, whole.cost.cpu_seconds - leaks.cost.cpu_seconds)
    reports = _decoding_seconds(samples, sum(each.report_bytes for each in estimates))
    cpu = (
        vocabularies
        + rest
        + reports
        + leaks.cost.cpu_seconds * leaks_times
        + sum(each.cpu_seconds for each in states)
    )
    digests = sum(each.digests for each in estimates)
    traffic = whole.cost.staging.times(parts / max(1, sampled))
    ranges = sum(each.ranges for each in estimates)
    reading = Traffic(
        reads=parts + ranges,  # reports, and the states of media of each range
        read_bytes=sum(each.report_bytes + each.state_bytes for each in estimates),
    )
    written = _written(staging, files)
    counted = sum(each.reason == "" for each in candidates.values())
    return Finishing(
        cpu=Bounds.exact(cpu),
        waiting_seconds=whole.cost.waiting_seconds,
        traffic=traffic + reading,
        peak_bytes=whole.cost.base_bytes + min(digests * WORKING_BYTES, options.comparison_bytes()),
        files=len(written) + counted + 2,  # states of media and the report of the run
        other_bytes=sum(written.values()) + sum(each.num_bytes for each in states),
        failure=_failure(plan, work, options),
    )


def _count_vocabularies(
    plan: BuildPlan,
    options: BuildOptions,
    samples: Sequence[SplitSample],
    files: CountedFiles,
    staging: Staging,
) -> tuple[dict[str, CandidatesEntry], float]:
    """Return an entry for every vocabulary, without a file, and the CPU seconds of counting all.

    They are counted from whole files, of which only those of own data were cut.
    """
    entries, seconds = {}, 0.0
    for name in dict.fromkeys(each.source for each in plan.splits):
        source = options.source(name)
        if source.vocabulary is None:
            continue
        file = source.vocabulary.rows.file
        folder = raw_path(options, staging, source, file).removesuffix(f"/{file}")
        begin = time.process_time()
        counts = count_answers(source.vocabulary, folder, files)
        times = max(each.rows_times for each in samples if each.plan.source == name)
        seconds += (time.process_time() - begin) * times
        reason = "not counted" if counts is None else ""
        entries[name] = CandidatesEntry(path=None, rows=0, sha256=None, reason=reason)
    return entries, seconds


def _leaks(
    plan: BuildPlan,
    work: Sequence[SplitWork],
    options: BuildOptions,
    files: CountedFiles,
    staging: Staging,
) -> tuple[Measured, set[str]]:
    """Compare the groups of the slice's splits; return the cost, and the splits that share some."""
    splits = {}
    for each in work:
        key, number = (each.plan.source, each.plan.split), each.plan.num_shards
        splits[each.name] = [
            ShardDigests(
                f"{staging.output}/{staging.shard_name(*key, shard.shard, number)}",
                DigestFile(staging.shard(*key, shard.shard, "groups"), shard.groups),
                staging.shard(*key, shard.shard, "texts"),
            )
            for shard in each.shards
        ]
    trained = {
        f"{s}/{split}" for s, found in trained_splits(plan, options).items() for split in found
    }
    others = [n for n in splits if n not in trained and not n.endswith("/train")]
    with measure(files) as measured:
        _, found = find_leaks(
            splits, [n for n in splits if n in trained], others, files, options.comparison_bytes()
        )
    return measured, {name for leak in found.leaks for name in (leak.training, leak.evaluation)}


def _ratio(
    estimates: Sequence[SplitEstimate], samples: Sequence[SplitSample], leaking: set[str]
) -> float:
    """Return how many times as much there is to compare: groups, or texts of splits that share groups."""
    pairs = [
        (each.records.value, sample.records)
        for each, sample in zip(estimates, samples, strict=True)
        if each.name in leaking
    ] or [
        (each.digests, sum(shard.report.groups for shard in sample.shards))
        for each, sample in zip(estimates, samples, strict=True)
    ]
    return sum(whole for whole, _ in pairs) / max(1, sum(part for _, part in pairs))


def _decoding_seconds(samples: Sequence[SplitSample], num_bytes: float) -> float:
    """Return the CPU seconds of decoding all reports."""
    encoded = [msgspec.json.encode(r.report) for each in samples for r in each.ranges]
    begin = time.process_time()
    for each in encoded:
        msgspec.json.decode(each, type=RangeReport)
    return (time.process_time() - begin) * num_bytes / max(1, sum(map(len, encoded)))


class _States(NamedTuple):
    cpu_seconds: float
    num_bytes: float


def _states(
    estimate: SplitEstimate, sample: SplitSample, staging: Staging, files: CountedFiles
) -> _States:
    """Write the states of one split's media, and extrapolate them."""
    with measure(files) as measured:
        write_states(BuildPlan((sample.staged_plan,)), staging, files)
    state_bytes = sum(each.report.files["media.json"] for each in sample.ranges)
    times = estimate.state_bytes / max(1, state_bytes)
    return _States(measured.cost.cpu_seconds * times, measured.cost.staging.written_bytes * times)


def _written(staging: Staging, files: CountedFiles) -> Mapping[str, int]:
    """Return the size of each file of the dataset beside its shards."""
    sizes = {}
    for pattern in ("*", "rejected/*"):
        for path in files.match(f"{staging.output}/{pattern}"):
            try:
                with files.open_binary(path) as file:
                    if not path.endswith(STATES_NAME):
                        sizes[path] = file.seek(0, 2)
            except IsADirectoryError:
                continue
    return sizes


def _failure(plan: BuildPlan, work: Sequence[SplitWork], options: BuildOptions) -> str | None:
    reasons = {reason for each in work for reason in each.rejected}
    unknown = {(each.plan.source, reason): "" for each in work for reason in reasons}
    try:
        check_limits(plan, work, options, unknown)
    except RejectLimitError as error:
        return str(error).removeprefix("nothing was published:\n")
    return None
