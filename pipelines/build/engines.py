"""The engines that a build can run on: which are installed, which answer, and the command for each."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    SparkRunnerOptions,
)
from apache_beam.runners.runner import create_runner

from datagen.errors import OptionError
from pipelines.build.beam_options import DASK_RUNNER
from pipelines.build.dask_cluster import DaskCluster
from pipelines.build.needs import BUILD_PRISM, CHECKS, find_prism

BUILD = "visinstruct build --raw RAW --out OUT"
CONTAINER = "--environment_type=DOCKER --environment_config=IMAGE"


@dataclass(frozen=True)
class Engine:
    """One engine as it is found here.

    `installed` is a version or path, None if a part is missing, which `problem` then names. `reachable` is
    None if no service has to be reached, or no option says where it is.
    """

    name: str
    installed: str | None
    reachable: bool | None
    problem: str | None
    command: str
    is_tested: bool = True

    @property
    def is_usable(self) -> bool:
        """True if nothing is known to be missing."""
        return self.installed is not None and self.reachable is not False


def known_options() -> None:
    """Let Beam know the options of engines that bring their own, where they are installed."""
    if _version("distributed") is not None:
        create_runner(DASK_RUNNER)


def find_engines(options: PipelineOptions) -> list[Engine]:
    """Return all engines; a service is tried if `options` say where it is, and a program where they name it."""
    beam = f"Beam {_version('apache-beam')}"
    java = shutil.which("java")
    portable = options.view_as(PortableOptions)
    flink, spark = options.view_as(FlinkRunnerOptions), options.view_as(SparkRunnerOptions)
    endpoint = portable.job_endpoint
    jar_needed = "Java is missing, which Beam's job server needs"
    processors = len(os.sched_getaffinity(0))
    return [
        Engine("this process", beam, None, None, BUILD),
        Engine("worker processes", beam, None, None, f"{BUILD} --workers {max(2, processors)}"),
        _prism(options),
        _service(
            "portable job service",
            "portable",
            options,
            beam,
            endpoint is not None,
            None,
            f"{BUILD} --runner=PortableRunner --job_endpoint={endpoint or 'HOST:8099'} "
            "--environment_type=EXTERNAL --environment_config=HOST:50000",
        ),
        _dask(options),
        _slurm(),
        _service(
            "Flink",
            "flink",
            options,
            java,
            not _is_local(flink.flink_master) or bool(flink.flink_job_server_jar),
            jar_needed,
            f"{BUILD} --runner=FlinkRunner --flink_master={_given(flink.flink_master, 'HOST:8081')} "
            f"{CONTAINER}",
            is_tested=False,
        ),
        _service(
            "Spark",
            "spark",
            options,
            java,
            not _is_local(spark.spark_master_url) or bool(spark.spark_job_server_jar),
            jar_needed,
            f"{BUILD} --runner=SparkRunner "
            f"--spark_master_url={_given(spark.spark_master_url, 'spark://HOST:7077')} {CONTAINER}",
            is_tested=False,
        ),
        _dataflow(),
    ]


def _is_local(master: str | None) -> bool:
    return master is None or "[" in master


def _given(master: str | None, otherwise: str) -> str:
    return otherwise if master is None or _is_local(master) else master


def _service(
    name: str,
    key: str,
    options: PipelineOptions,
    installed: str | None,
    is_named: bool,
    missing: str | None,
    command: str,
    *,
    is_tested: bool = True,
) -> Engine:
    """Return an engine whose needs `CHECKS[key]` knows; it is tried if the options name it."""
    if installed is None:
        return Engine(name, None, None, missing, command, is_tested)
    problem = _problem(lambda: CHECKS[key](options)) if is_named else None
    return Engine(
        name, installed, (problem is None) if is_named else None, problem, command, is_tested
    )


def _problem(check: Callable[[], object]) -> str | None:
    try:
        check()
    except OptionError as error:
        return str(error)
    return None


def _prism(options: PipelineOptions) -> Engine:
    given = options.view_as(PrismRunnerOptions).prism_location
    path = given or find_prism()
    where = path or "$(go env GOPATH)/bin/prism"
    command = f"{BUILD} --runner=PrismRunner --prism_location={where}"
    if path is None:
        return Engine("Prism", None, None, f"not installed: {BUILD_PRISM}", command)
    problem = _problem(lambda: CHECKS["prism"](options))
    pool = options.view_as(PortableOptions).environment_type == "EXTERNAL"
    if problem is not None and not pool:
        return Engine("Prism", None, None, problem, command)
    return Engine("Prism", path, (problem is None) if pool else None, problem, command)


def _dask(options: PipelineOptions) -> Engine:
    cluster = DaskCluster.of(options)
    is_named = cluster.address is not None or cluster.scheduler_file is not None
    option = cluster.option if is_named else "--dask_client_address=tcp://HOST:8786"
    command = f"{BUILD} --runner=DaskRunner {option}"
    installed = _version("distributed")
    if installed is None:
        return Engine("Dask", None, None, "not installed: pip install 'visinstruct[dask]'", command)
    problem = _problem(lambda: cluster.check(print, patient=False)) if is_named else None
    return Engine("Dask", installed, (problem is None) if is_named else None, problem, command)


def _slurm() -> Engine:
    missing = [name for name in ("sbatch", "srun") if shutil.which(name) is None]
    command = f"visinstruct engines --sbatch > build.sbatch; sbatch build.sbatch {BUILD}"
    if missing:
        return Engine("Slurm", None, None, f"{' and '.join(missing)} are not on PATH", command)
    if _version("distributed") is None:
        problem = "Dask is missing: pip install 'visinstruct[dask]'"
        return Engine("Slurm", None, None, problem, command)
    return Engine("Slurm", shutil.which("sbatch"), None, None, command)


def _dataflow() -> Engine:
    command = (
        f"{BUILD} --runner=DataflowRunner --project=PROJECT --region=REGION "
        "--temp_location=gs://BUCKET/tmp --sdk_container_image=IMAGE"
    )
    installed = _version("google-apitools")
    problem = None if installed else "not installed: pip install 'apache-beam[gcp]'"
    return Engine("Dataflow", installed, None, problem, command, is_tested=False)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def asked_for(options: PipelineOptions, engines: Sequence[Engine]) -> list[Engine]:
    """Return the engines whose program or service the options name."""
    prism = options.view_as(PrismRunnerOptions).prism_location
    return [
        each
        for each in engines
        if each.reachable is not None or (each.name == "Prism" and prism is not None)
    ]
