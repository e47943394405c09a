"""A Dask cluster, looked at before a build starts: its scheduler, its workers and their versions."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from datagen.errors import OptionError
from pipelines.build.fingerprint import different_versions, worker_versions

CONNECT_SECONDS = 10
WORKER_SECONDS = 60
"""Time for the first worker to connect; a queue of jobs may start the scheduler before it."""

START_WORKER = "dask worker {address} --nthreads 1"


@dataclass(frozen=True)
class DaskCluster:
    """The cluster that a build's options name; without an address, Beam starts one on this machine."""

    address: str | None
    scheduler_file: str | None

    @classmethod
    def of(cls, options: PipelineOptions) -> "DaskCluster":
        known = options.get_all_options()
        return cls(known.get("address"), known.get("scheduler_file"))

    @property
    def option(self) -> str:
        """The option that names the cluster, as the user gave it."""
        if self.scheduler_file is not None:
            return f"--dask_scheduler_file={self.scheduler_file}"
        return f"--dask_client_address={self.address}"

    def check(self, say: Callable[[str], None], *, patient: bool = True) -> int:
        """Return the number of workers, once one has connected: 0 if Beam starts the cluster.

        `say` gets a line for the user if there is no worker yet, which is then waited for if `patient`.

        Raises:
            OptionError: Dask is not installed, no scheduler or worker is there, or a worker differs.
        """
        if self.address is None and self.scheduler_file is None:
            return 0
        with self._client() as client:
            address = client.scheduler.address
            if not client.scheduler_info()["workers"]:
                if patient:
                    say(f"waiting for a worker to connect to the Dask scheduler at {address}")
                try:
                    client.wait_for_workers(1, timeout=WORKER_SECONDS if patient else 0)
                except TimeoutError:
                    raise OptionError(
                        f"{self.option}: no worker is connected to the scheduler; start one by "
                        f"{START_WORKER.format(address=address)}"
                    ) from None
            found = client.run(worker_versions, on_error="return")
        check_workers(found)
        return len(found)

    def _client(self) -> Any:
        import distributed

        if self.scheduler_file is not None:
            _check_scheduler_file(self.scheduler_file)
        try:
            return distributed.Client(  # type: ignore[no-untyped-call]
                address=self.address,
                scheduler_file=self.scheduler_file,
                timeout=CONNECT_SECONDS,
                set_as_default=False,
            )
        except (OSError, ValueError) as error:
            raise OptionError(
                f"{self.option}: no Dask scheduler answers there ({error}); start one by "
                "dask scheduler --host HOST --port 8786"
            ) from None


def _check_scheduler_file(path: str) -> None:
    if not os.path.isfile(path):
        raise OptionError(
            f"--dask_scheduler_file={path}: no such file; start the scheduler by "
            f"dask scheduler --scheduler-file {path}"
        )
    try:
        with open(path, encoding="utf-8") as file:
            json.load(file)["address"]
    except (ValueError, KeyError, TypeError):
        raise OptionError(
            f"--dask_scheduler_file={path} is not a file that a Dask scheduler wrote"
        ) from None


def check_workers(found: Mapping[str, Any]) -> None:
    """Refuse workers that would not write the same bytes: `found` has the versions of each, or an exception.

    Raises:
        OptionError: names the worker and what differs.
    """
    ours = worker_versions()
    for address, theirs in found.items():
        if isinstance(theirs, BaseException):
            raise OptionError(
                f"the Dask worker {address} cannot load visinstruct ({type(theirs).__name__}: {theirs}); "
                "install the same versions on all machines"
            )
        if different := different_versions(ours, theirs):
            raise OptionError(
                f"the Dask worker {address} has {different}; install the same versions on all machines"
            )
