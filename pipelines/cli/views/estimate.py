"""The estimate of a build, as a table and as JSON."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from pipelines.build.estimate.bounds import Bounds
from pipelines.build.estimate.cluster import ClusterEstimate
from pipelines.build.estimate.combine import BuildEstimate
from pipelines.build.estimate.extrapolate import SplitEstimate
from pipelines.cli.views.tables import plain_table
from pipelines.console import output

_LEFT_OUT = ("range_work", "shard_work", "setup")
_OVERALL = (
    "rows",
    "sampled_rows",
    "records",
    "files",
    "output_bytes",
    "staging_bytes",
    "disk_bytes",
    "staging_files",
    "memory_bytes",
    "launcher_bytes",
    "cpu_seconds",
    "seconds",
    "traffic",
    "was_busy",
    "failure",
    "took_seconds",
)


def as_json(estimate: BuildEstimate) -> dict[str, Any]:
    """Return the estimate as JSON values; each uncertain number has a value, a low and a high bound."""
    found = {name: _plain(getattr(estimate, name)) for name in _OVERALL}
    cluster = estimate.cluster
    return found | {
        "phases": [asdict(each) for each in estimate.phases],
        "splits": [
            {k: v for k, v in vars(each).items() if k not in _LEFT_OUT}
            | {k: _plain(v) for k, v in vars(each).items() if k not in _LEFT_OUT}
            for each in estimate.splits
        ],
        "missing": [asdict(each) for each in estimate.missing],
        "cluster": None
        if cluster is None
        else {
            "workers": cluster.cluster.workers,
            "seconds": cluster.seconds,
            "useful_workers": cluster.useful_workers,
            "bottleneck": asdict(cluster.bottleneck),
            "phases": [asdict(each) for each in cluster.phases],
        },
    }


def _plain(value: Any) -> Any:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value


def print_estimate(estimate: BuildEstimate, console: Console | None = None) -> None:
    """Print the splits, the phases, the totals with their bounds, and the cluster if there is one."""
    console = console or output()
    splits = plain_table(
        "source", "split", ">rows", ">built", ">records", ">files", ">MB", ">CPU s"
    )
    for each in estimate.splits:
        splits.add_row(each.source, each.split, *_numbers(each))
    phases = plain_table("phase", ">CPU s", ">waiting s", ">requests", ">MB read", ">MB written")
    for phase in estimate.phases:
        phases.add_row(
            phase.name,
            f"{phase.cpu.value:.1f}",
            f"{phase.waiting_seconds:.1f}",
            f"{phase.traffic.requests:,.0f}",
            f"{phase.traffic.read_bytes / 1e6:,.1f}",
            f"{phase.traffic.written_bytes / 1e6:,.1f}",
        )
    console.print(splits, "", phases, "")
    for line in _totals(estimate):
        console.print(Text(line))
    if estimate.cluster is not None:
        _print_cluster(estimate.cluster, estimate, console)


def _numbers(each: SplitEstimate) -> tuple[str, ...]:
    return (
        f"{each.rows:,}",
        f"{each.sampled_rows:,}",
        f"{each.records.value:,.0f}",
        f"{each.shards:,}",
        f"{each.output_bytes.value / 1e6:,.1f}",
        f"{each.cpu.value:.1f}",
    )


def _totals(estimate: BuildEstimate) -> list[str]:
    lines = [
        f"rows: {estimate.rows:,}, of which {estimate.sampled_rows:,} were built in "
        f"{estimate.took_seconds:.0f} s",
        f"records: {_bounds(estimate.records)}, in {estimate.files:,} files",
        f"disk: {_bounds(estimate.disk_bytes, 1e6)} MB free: output {_bounds(estimate.output_bytes, 1e6)} MB, and "
        f"until the end staging {_bounds(estimate.staging_bytes, 1e6)} MB in {estimate.staging_files:,} files",
        f"memory: {_bounds(estimate.memory_bytes, 1e6)} MB",
        f"CPU seconds, one process: {_bounds(estimate.cpu_seconds)}",
        f"seconds, one process: {_bounds(estimate.seconds)}",
    ]
    if estimate.was_busy:
        lines.append(
            "other programs use this machine: seconds are uncertain, and they may hold a build up"
        )
    if estimate.failure is not None:
        lines.append(f"such a build would be refused: {estimate.failure}")
    if estimate.missing:
        lines.append(f"{len(estimate.missing)} splits are not built: their files are missing")
    return lines


def _bounds(bounds: Bounds, unit: float = 1) -> str:
    value, low, high = (each / unit for each in (bounds.value, bounds.low, bounds.high))
    digits = 0 if value >= 100 else 1
    shown = f"{value:,.{digits}f}" if unit != 1 or value % 1 else f"{value:,.0f}"
    if f"{low:.{digits}f}" == f"{high:.{digits}f}":
        return shown
    return f"{shown} ({low:,.{digits}f} to {high:,.{digits}f})"


def _print_cluster(cluster: ClusterEstimate, estimate: BuildEstimate, console: Console) -> None:
    phases = plain_table("phase", ">seconds", ">workers busy", "held up by")
    for each in cluster.phases:
        busy = "" if each.busy is None else f"{each.busy:.0%}"
        phases.add_row(each.name, f"{each.seconds:.1f}", busy, each.limit)
    console.print("", phases, "")
    worst = cluster.bottleneck
    console.print(
        Text(
            f"{cluster.cluster.workers:,} workers: {cluster.seconds:.0f} s; first bottleneck: {worst.name}, "
            f"{worst.seconds:.0f} s, held up by: {worst.limit}"
        )
    )
    console.print(
        Text(
            f"more than {cluster.useful_workers:,} workers save less than a tenth for twice as many; the process that "
            f"starts the build needs {estimate.launcher_bytes / 1e6:,.0f} MB for the places of rows"
        )
    )
