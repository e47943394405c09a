"""The estimate of the build of all sources, and of the same with many workers and a bucket."""

from dataclasses import asdict
from typing import Any

from benchmarks.planning.whole import options
from pipelines.build.engine_cost import measure_engine
from pipelines.build.estimate.estimate import estimate_build
from pipelines.build.estimate.simulate import Cluster

STORE = Cluster(
    workers=1,
    store_latency_seconds=0.02,
    bytes_per_second=100e6,
    start_seconds=2.5,
    dispatch_seconds=1e-3,
    store_requests_per_second=3_500,
)
"""Requests of 20 ms, 100 MB/s a worker, 1 ms to hand out a part, 3,500 requests a second."""


def run(source: str, output: str, share: str, workers: str) -> dict[str, Any]:
    """Estimate the build of the raw folder `<source>/<share>`, in one process and on `workers` machines."""
    cluster = Cluster(**(asdict(STORE) | {"workers": int(workers)}))
    found = estimate_build(
        options(f"{source}/{share}", f"{output}/dataset"),
        scratch=output,
        engine=measure_engine(),
        cluster=cluster,
    )
    simulated = found.cluster
    assert simulated is not None
    names = ("records", "output_bytes", "disk_bytes", "memory_bytes", "cpu_seconds", "seconds")
    bounds = {name: asdict(getattr(found, name)) for name in names}
    return {
        "rows": found.rows,
        "sampled_rows": found.sampled_rows,
        "files": found.files,
        **{name: each["value"] for name, each in bounds.items()},
        "bounds": bounds,
        "phases": {phase.name: phase.cpu.value for phase in found.phases},
        "requests": found.traffic.requests,
        "launcher_bytes": found.launcher_bytes,
        "cluster": {
            "workers": int(workers),
            "seconds": simulated.seconds,
            "useful_workers": simulated.useful_workers,
            "phases": [asdict(phase) for phase in simulated.phases],
        },
    }
