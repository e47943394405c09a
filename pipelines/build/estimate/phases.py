"""A phase of a build, estimated."""

from dataclasses import dataclass

from pipelines.build.estimate.bounds import Bounds
from pipelines.build.estimate.counted_files import NO_TRAFFIC, Traffic


@dataclass(frozen=True)
class Phase:
    """A phase of a build in one process.

    `in_workers` is false for what only the starting process does; of a store, it asks for `at_once` objects at once.
    """

    name: str
    cpu: Bounds
    waiting_seconds: float = 0
    traffic: Traffic = NO_TRAFFIC
    in_workers: bool = False
    at_once: int = 1

    @staticmethod
    def known(name: str, cpu_seconds: float) -> "Phase":
        return Phase(name, Bounds.exact(cpu_seconds))
