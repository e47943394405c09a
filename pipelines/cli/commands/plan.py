"""`visinstruct plan`: time, memory, disk and requests of a build, estimated from a slice of the data."""

import argparse
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from datagen.errors import OptionError
from pipelines.cli.commands.build import add_options, read_options

if TYPE_CHECKING:
    from pipelines.build.estimate.simulate import Cluster

WORKER_START_SECONDS = 2.5
"""Of starting Python and importing Beam."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "The files are indexed in full and a slice of each split is built in a temporary folder; nothing else is "
        "written. With --store-latency the workers are other machines at an object store, without it "
        "processes of this machine."
    )
    add_options(parser)
    add = parser.add_argument
    add("--workers", type=int, metavar="N", help="simulate so many workers (default: none)")
    add(
        "--store-latency",
        type=float,
        metavar="MS",
        help="simulate workers of other machines and an object store whose requests take MS milliseconds (default: none)",
    )
    add(
        "--store-requests",
        type=float,
        default=3500,
        metavar="N",
        help="requests a second that the store serves; S3 documents 3,500 writes or 5,500 reads a prefix",
    )
    add(
        "--worker-bandwidth",
        type=float,
        default=100,
        metavar="MB",
        help="megabytes a second between a worker and the store",
    )
    add(
        "--dispatch",
        type=float,
        default=1,
        metavar="MS",
        help="milliseconds in which the engine hands out a part of the work; Dask documents up to 1",
    )
    add(
        "--slice-rows",
        type=int,
        metavar="N",
        help="rows of each split to build (default: 20,000, and 4,000 with --images embed)",
    )
    add(
        "--scratch",
        metavar="DIR",
        help="folder for the slice (default: the system's for temporary files)",
    )
    add("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    for option in ("workers", "slice_rows"):
        value = getattr(parsed, option)
        if value is not None and value < 1:
            raise OptionError(f"--{option.replace('_', '-')} is {value}, give 1 or more")
    for option in ("store_requests", "worker_bandwidth"):
        if getattr(parsed, option) <= 0:
            raise OptionError(f"--{option.replace('_', '-')} must be above 0")
    for option in ("store_latency", "dispatch"):
        if (getattr(parsed, option) or 0) < 0:
            raise OptionError(f"--{option.replace('_', '-')} must be 0 or more")
    if parsed.store_latency is not None and parsed.workers is None:
        raise OptionError("--store-latency needs --workers N, the machines to simulate")
    if parsed.scratch is not None and not os.path.isdir(parsed.scratch):
        raise OptionError(f"--scratch {parsed.scratch}: no such folder")
    from pipelines.build.engine_cost import measure_engine
    from pipelines.build.estimate.estimate import estimate_build
    from pipelines.cli.views.estimate import as_json, print_estimate
    from pipelines.console import messages

    console = messages()
    estimate = estimate_build(
        read_options(parsed, out="planned"),
        scratch=parsed.scratch,
        slice_rows=parsed.slice_rows,
        engine=measure_engine(),
        cluster=_cluster(parsed),
        say=lambda line: console.print(line, highlight=False, markup=False),
    )
    if parsed.json:
        print(json.dumps(as_json(estimate), indent=1))
    else:
        print_estimate(estimate)
    return 0


def _cluster(parsed: argparse.Namespace) -> "Cluster | None":
    """Return the workers to simulate."""
    from pipelines.build.estimate.simulate import Cluster

    if parsed.workers is None:
        return None
    if parsed.store_latency is None:
        processors = os.cpu_count() or 1
        return Cluster(
            parsed.workers,
            start_seconds=WORKER_START_SECONDS,
            is_static=True,
            cpu_times=max(1.0, parsed.workers / processors),
        )
    return Cluster(
        parsed.workers,
        store_latency_seconds=parsed.store_latency / 1e3,
        bytes_per_second=parsed.worker_bandwidth * 1e6,
        start_seconds=WORKER_START_SECONDS,
        dispatch_seconds=parsed.dispatch / 1e3,
        store_requests_per_second=parsed.store_requests,
    )
