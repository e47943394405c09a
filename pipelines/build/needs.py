"""What an engine needs: looked for before a build starts, so that what is missing is one sentence.

Left to itself Beam finds out in the middle of a pipeline, with a long traceback, or waits.
"""

import os
import re
import shutil
import socket
import subprocess
import zipfile
from collections.abc import Callable, Mapping

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    SparkRunnerOptions,
    StandardOptions,
)

from datagen.errors import OptionError
from pipelines.build.dask_cluster import DaskCluster

CONNECT_SECONDS = 5.0
RUN_SECONDS = 20.0
BUILD_PRISM = (
    f"go install github.com/apache/beam/sdks/v2/go/cmd/prism@v{beam.__version__} and then "
    "--prism_location=$(go env GOPATH)/bin/prism"
)
START_POOL = "PATH=$VIRTUAL_ENV/bin:$PATH python -m apache_beam.runners.worker.worker_pool_main --service_port "
START_JOBS = "python -m apache_beam.runners.portability.local_job_service_main --port "


def check_engine(options: PipelineOptions, say: Callable[[str], None]) -> None:
    """Refuse an engine that cannot run a build: a program or package is missing, or a service does not answer.

    `say` gets a line for the user where something has to be waited for.

    Raises:
        OptionError: says what is missing, and the command that brings it.
    """
    name = engine_name(options)
    if name == "dask":
        DaskCluster.of(options).check(say)
    elif name in CHECKS:
        CHECKS[name](options)


def engine_name(options: PipelineOptions) -> str:
    """Return the name of the engine that `--runner` gives, such as `dask` of a dotted path to `DaskRunner`."""
    runner = str(options.view_as(StandardOptions).runner)
    return runner.rpartition(".")[2].removesuffix("Runner").lower()


def _check_prism(options: PipelineOptions) -> None:
    prism = options.view_as(PrismRunnerOptions)
    if not prism.prism_location:
        prism.prism_location = find_prism()
    location = prism.prism_location
    if location is None:
        raise OptionError(
            f"--runner=PrismRunner needs Prism, which is not installed: {BUILD_PRISM}"
        )
    if "://" not in location:
        check_prism_program(location)
    _check_pool(options)


def find_prism() -> str | None:
    """Return the path of an installed Prism: on PATH, or where Go puts it."""
    gopath = os.environ.get("GOPATH") or os.path.expanduser("~/go")
    found = (shutil.which("prism"), f"{gopath.partition(os.pathsep)[0]}/bin/prism")
    return next((path for path in found if path and os.access(path, os.X_OK)), None)


def check_prism_program(path: str) -> None:
    """Refuse a `--prism_location` that is no program, or another one.

    Raises:
        OptionError: says why.
    """
    where = f"--prism_location={path}"
    if not os.path.isfile(path):
        raise OptionError(f"{where}: no such file; {BUILD_PRISM}")
    if zipfile.is_zipfile(path):  # Beam unpacks it
        return
    try:
        command = [os.path.abspath(path), "-help"]
        shown = subprocess.run(command, capture_output=True, timeout=RUN_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else "it does not answer to -help"
        raise OptionError(f"{where} cannot be run ({reason}); {BUILD_PRISM}") from None
    if b"job_port" not in shown.stdout + shown.stderr:
        raise OptionError(f"{where} is another program than Prism; {BUILD_PRISM}")


def _check_pool(options: PipelineOptions) -> None:
    """Refuse a pool of workers that does not listen, where this machine would connect to it."""
    portable = options.view_as(PortableOptions)
    if portable.environment_type != "EXTERNAL":
        return
    place = str(portable.environment_config or "")
    port = place.rpartition(":")[2]
    if not can_connect(place):
        raise OptionError(
            f"--environment_config={place}: no pool of workers answers there; start one by {START_POOL}{port}"
        )


def _check_portable(options: PipelineOptions) -> None:
    endpoint = options.view_as(PortableOptions).job_endpoint
    if not endpoint or endpoint == "embed":  # Beam says what to give
        return
    if not can_connect(endpoint):
        raise OptionError(
            f"--job_endpoint={endpoint}: no job service answers there; start one by "
            f"{START_JOBS}{endpoint.rpartition(':')[2]}"
        )
    if endpoint.partition(":")[0] in ("localhost", "127.0.0.1"):
        _check_pool(options)


def _check_flink(options: PipelineOptions) -> None:
    flink = options.view_as(FlinkRunnerOptions)
    if not options.view_as(PortableOptions).job_endpoint:
        _check_jar("--flink_job_server_jar", flink.flink_job_server_jar)
    _check_master("--flink_master", flink.flink_master, "Flink")


def _check_spark(options: PipelineOptions) -> None:
    spark = options.view_as(SparkRunnerOptions)
    if not options.view_as(PortableOptions).job_endpoint:
        _check_jar("--spark_job_server_jar", spark.spark_job_server_jar)
    _check_master("--spark_master_url", spark.spark_master_url, "Spark")


def _check_jar(option: str, jar: str | None) -> None:
    if jar and "://" not in jar and not os.path.isfile(jar):
        raise OptionError(
            f"{option}={jar}: no such file; leave it out to have Beam fetch it from Maven"
        )
    if shutil.which("java") is None:
        raise OptionError(
            "Beam's job server needs Java, which is not installed; install it, or give the address of a "
            "running job server by --job_endpoint"
        )


def _check_master(option: str, master: str | None, name: str) -> None:
    place = re.sub(r"^\w+://|/.*$", "", str(master))  # without a port: "[auto]", "local[4]", "yarn"
    if ":" in place and not can_connect(place):
        raise OptionError(f"{option}={master}: no {name} master answers there")


CHECKS: Mapping[str, Callable[[PipelineOptions], None]] = {
    "prism": _check_prism,
    "portable": _check_portable,
    "flink": _check_flink,
    "spark": _check_spark,
}
"""By the name of the engine; those in this process need nothing but Beam."""


def can_connect(place: str) -> bool:
    """Return True if something listens at `host:port`."""
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
            return True
    except (OSError, ValueError, OverflowError):
        return False
