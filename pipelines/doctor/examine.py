"""The examination: all checks that a job asks for, in the order of the table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datagen.build.options import BuildOptions
from datagen.errors import UserError
from datagen.stores.any_files import AnyFiles
from pipelines.build.estimate.combine import BuildEstimate
from pipelines.build.estimate.estimate import estimate_build
from pipelines.doctor import machine, training
from pipelines.doctor.finding import Finding, size
from pipelines.doctor.packages import check_packages
from pipelines.doctor.places import check_engine, check_stores, urls_read
from pipelines.doctor.raw_files import check_raw_files
from pipelines.doctor.rows import check_rows
from pipelines.doctor.survey import bytes_to_read, survey
from trainer.config.run import RunConfig

ESTIMATE_ROWS = 1_000
"""Rows of each split that are built for the estimate; `visinstruct plan` takes more."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """The job that is examined.

    Args:
        build: The build, if there is to be one; `out` is its output if that is known.
        out: The output of the build.
        config: Path of a training configuration.
        dataset: Folder of a built dataset; by default that of the configuration.
        num_images: Rows of each split whose images are looked at; None for all.
        max_read: Bytes of the files of rows that are read; past it, they are neither counted nor estimated.
        engine: Beam's `PipelineOptions`, if an engine was named.
    """

    build: BuildOptions | None = None
    out: str | None = None
    config: str | None = None
    dataset: str | None = None
    num_images: int | None = 300
    max_read: int = 8 << 30
    engine: Any = None


def examine(job: Job, say: Callable[[str], None] = lambda sentence: None) -> list[Finding]:
    """Return the findings about a job and this machine; `say` receives a line for each long step."""
    files = AnyFiles()
    config, findings = None, []
    if job.config is not None:
        config, finding = training.read_config(job.config)
        findings.append(finding)
    findings += _places(job, config, files, say)
    unreachable = any(each.check == "store" and each.status == "problem" for each in findings)
    estimate = None
    if job.build is not None and not unreachable:
        found, estimate = _build(job, job.build, files, say)
        findings += found
    dataset = job.dataset or (config.data.dataset if config is not None else None)
    if dataset is not None and not unreachable:
        say(f"dataset: {dataset}")
        findings += training.check_dataset(dataset, config, files, job.num_images)
    if job.build is not None:
        findings += _room(job, estimate)
    findings.append(machine.check_shared_memory(config))
    if config is not None:
        findings.append(training.check_cache(config))
    findings += [machine.check_open_files(), machine.check_processors()]
    gpu = machine.check_gpu(config)
    findings += [gpu] if gpu is not None else []
    findings += check_packages(["train"] if config is not None else [])
    if estimate is not None:
        findings.append(machine.check_time(estimate))
    return findings


def _places(
    job: Job, config: RunConfig | None, files: AnyFiles, say: Callable[[str], None]
) -> list[Finding]:
    read, written = training.urls_of(config)
    if job.build is not None:
        read += urls_read(job.build)
    if job.dataset is not None:
        read.append(job.dataset)
    findings = []
    if job.out is not None:
        written.append(job.out)
        output = machine.check_writable(job.out)
        findings += [output] if output is not None else []
    findings += check_stores(read, written, files)
    if job.engine is not None:
        findings.append(check_engine(job.engine, say))
    return findings


def _room(job: Job, estimate: BuildEstimate | None) -> list[Finding]:
    findings = [machine.check_memory(estimate)]
    out = job.out or "."
    if "://" not in out:
        findings.insert(0, machine.check_disk(out, estimate))
    return findings


def _build(
    job: Job, options: BuildOptions, files: AnyFiles, say: Callable[[str], None]
) -> tuple[list[Finding], BuildEstimate | None]:
    """Return the findings about what a build reads, and its estimate if it can be made."""
    findings = check_raw_files(options, files) if options.raw is not None else []
    try:
        num_bytes = bytes_to_read(options, files)
        if num_bytes > job.max_read:
            found = f"{size(num_bytes)} of rows are more than {size(job.max_read)}: neither counted nor estimated"
            remedy = "raise --max-read, or see visinstruct plan"
            return [*findings, Finding("rows", "files", "warning", found, remedy)], None
        say(f"rows: {size(num_bytes)} of files, and images")
        found_rows = list(check_rows(survey(options, files, job.num_images), options))
    except UserError as error:
        remedy = "visinstruct sources and visinstruct source check show what is expected"
        return [*findings, Finding("rows", "build", "problem", str(error), remedy)], None
    findings += found_rows
    if any(each.check == "rows" and each.status == "problem" for each in found_rows):
        return findings, None
    say("estimate")
    try:
        return findings, estimate_build(options, files=files, slice_rows=ESTIMATE_ROWS)
    except UserError as error:
        remedy = "visinstruct plan says more"
        return [*findings, Finding("rows", "estimate", "problem", str(error), remedy)], None
