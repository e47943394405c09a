"""Outcomes of a split's rows, and the limits on rejections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datagen.build.options import BuildOptions
from datagen.build.plan import BuildPlan, SplitPlan, media_roots
from datagen.build.staging import RangeReport, ShardReport
from datagen.errors import Reason, UserError
from datagen.schema.rejects import add_counts

MISSING = Reason.MEDIA_MISSING.value


class RejectLimitError(UserError):
    """More rows were rejected than the options allow; nothing is published."""


@dataclass(frozen=True)
class SplitWork:
    """One split and the reports of its work, in order."""

    plan: SplitPlan
    ranges: Sequence[RangeReport]
    shards: Sequence[ShardReport]

    @property
    def name(self) -> str:
        return f"{self.plan.source}/{self.plan.split}"

    @property
    def read(self) -> int:
        """Examples-to-be: one for a row that makes none."""
        return sum(report.read for report in self.ranges) + sum(self.plan.rejected.values())

    @property
    def written(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def rejected(self) -> dict[str, int]:
        duplicates = sum(shard.duplicates for shard in self.shards)
        counts = [self.plan.rejected, *(report.rejected for report in self.ranges)]
        return add_counts(*counts, {Reason.DUPLICATE_ID.value: duplicates} if duplicates else {})

    @property
    def filtered(self) -> dict[str, int]:
        return add_counts(*(report.filtered for report in self.ranges))

    @property
    def reencoded(self) -> int:
        return sum(report.reencoded for report in self.ranges)

    def is_balanced(self) -> bool:
        lost = sum(self.rejected.values()) + sum(self.filtered.values())
        return self.read == self.written + lost


def check_limits(
    plan: BuildPlan,
    work: Sequence[SplitWork],
    options: BuildOptions,
    first_message: Mapping[tuple[str, str], str],
) -> None:
    """Refuse a build that rejected more than the options, or the sources' cards, allow.

    `first_message` has, by source and reason, the message of the first row that was rejected.

    Raises:
        RejectLimitError: for all sources that are past a limit.
    """
    errors = []
    roots = media_roots(options)
    for source in dict.fromkeys(each.source for each in plan.splits):
        mine = [each for each in work if each.plan.source == source]
        read = sum(each.read for each in mine)
        rejected = add_counts(*(each.rejected for each in mine))
        absent = rejected.pop(MISSING, 0)
        card = options.source(source).card
        allowed = options.max_missing_fraction
        if allowed is None:
            allowed = card.max_missing_media
        if absent > allowed * read:
            folders = ", ".join(roots[media.collection] for media in card.media)
            errors.append(
                f"{source}: {absent:,} of {read:,} records lack their image or clip in {folders}, more "
                f"than {allowed:.1%}; download them, say where they are with --image-root, or keep the "
                f"references with --missing-images keep; first: {first_message[source, MISSING]}"
            )
        total = sum(rejected.values())
        if total > options.max_reject_fraction * read:
            reason = max(rejected, key=lambda name: rejected[name])
            counts = ", ".join(f"{number:,} {name}" for name, number in rejected.items())
            errors.append(
                f"{source}: {total:,} of {read:,} rows rejected ({counts}), more than "
                f"--max-reject-fraction {options.max_reject_fraction}; first {reason}: "
                f"{first_message[source, reason]}"
            )
    if errors:
        raise RejectLimitError("\n".join(["nothing was published:", *errors]))
