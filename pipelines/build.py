"""The build: from the publishers' files to a dataset, on any Beam runner.

`visinstruct build` and `python -m pipelines.build` are the same program. The process that starts it
indexes the files and plans; Beam stages and writes; then the process checks, completes and publishes.
"""

import hashlib
import json
import os
import platform
import re
import sys
import time
from typing import TypeVar

import apache_beam as beam
import msgspec
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from datagen.errors import UserError
from datagen.files import Files
from datagen.finish import finish
from datagen.manifest import Manifest
from datagen.mixture import check_sources
from datagen.options import BuildOptions
from datagen.plan import BuildPlan, choose_splits, media_roots
from datagen.planner import index_files, input_files, make_plan
from datagen.staging import RangeReport, ShardReport, Staging
from datagen.totals import SplitWork
from pipelines.beam_files import BeamFiles
from pipelines.fingerprint import identify, versions
from pipelines.progress import Part, Reporter
from pipelines.publish import check_same_build, held_by, locked, publish
from pipelines.work import Work, build_graph
from templates.catalog import SOURCES
from templates.library import load_templates

REPORT_NAME = "report.json"
Report = TypeVar("Report", RangeReport, ShardReport)


def build(
    options: BuildOptions, beam_options: PipelineOptions, console: Console | None = None
) -> Manifest:
    """Build the dataset that `options` describe; if it is there already, only read its manifest.

    A build that was stopped, at whatever moment, goes on where it was when it is started again.

    Raises:
        UserError: of the raw files, options or output; nothing is published then.
    """
    console = console or Console(stderr=True)
    reporter = Reporter(console)
    files = BeamFiles()
    templates = load_templates(options.template_dir)
    check_sources(options.mixture, SOURCES)
    held = held_by(options.out, files)
    chosen, missing = choose_splits(options, files)
    roots = media_roots(options)
    with reporter.stage("index", f"{len(chosen)} splits"):
        indexes = index_files(options, files, chosen)
    inputs = input_files(options, chosen, indexes)
    identity = identify(options, inputs)
    if held is not None:
        check_same_build(held, options, identity)
        console.print(f"{options.out} is built already, nothing to do", highlight=False)
        return held
    staging = Staging(_staging_root(options, identity.fingerprint, roots))
    with locked(staging):
        with reporter.stage("plan", f"template set {templates.name}"):
            plan = make_plan(options, files, staging, chosen, indexes)
            plan = BuildPlan(plan.splits, (*missing, *plan.missing))
        work = Work(plan, options, roots, staging)
        rows = sum(split.rows for split in plan.splits)
        with reporter.watch("records", _steps(plan, staging), rows):
            _run(work, beam_options)
        with reporter.stage("finish", "check, hash, describe"):
            manifest = finish(
                plan,
                _read_reports(plan, staging, files),
                options,
                files,
                staging,
                inputs=inputs,
                fingerprint=identity.fingerprint,
                versions=identity.versions,
            )
            _write_report(options, beam_options, reporter, files, staging)
        publish(staging, options.out)
    return manifest


def _staging_root(options: BuildOptions, fingerprint: str, roots: dict[str, str]) -> str:
    """Beside the output; another one for whatever intermediate files depend on."""
    parts = [fingerprint, options.raw, sorted(roots.items()), options.max_memory]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    return f"{options.out.rstrip('/')}.staging-{digest}"


def _steps(plan: BuildPlan, staging: Staging) -> dict[str, list[Part]]:
    steps: dict[str, list[Part]] = {"render": [], "write": []}
    for each in plan.splits:
        key = (each.source, each.split)
        for planned in each.ranges:
            report = staging.range(*key, planned.number, "report.json")
            steps["render"].append(Part(report, planned.rows))
        for shard in range(each.num_shards):
            report = staging.shard(*key, shard, "report.json")
            steps["write"].append(Part(report, each.rows // each.num_shards))
    return steps


def _run(work: Work, beam_options: PipelineOptions) -> None:
    pipeline = beam.Pipeline(options=beam_options)
    build_graph(pipeline, work)
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:
        cause = user_error(error)
        if cause is None:
            raise
        raise cause from error


_OURS = re.compile(r"^datagen\.(?:errors|totals)\.\w+: (.*)$", re.MULTILINE)
_WHERE = re.compile(r" \[while running '[^']*'\]")


def user_error(error: BaseException) -> UserError | None:
    """The error of ours that a worker raised, of which runners hand on no more than the text."""
    told = [str(error)] if isinstance(error, UserError) else _OURS.findall(str(error))
    return UserError(_WHERE.sub("", told[-1])) if told else None


def _read_reports(plan: BuildPlan, staging: Staging, files: Files) -> list[SplitWork]:
    """The reports that the workers left, in order."""
    work = []
    for each in plan.splits:
        key = (each.source, each.split)
        ranges = [
            _read(staging.range(*key, planned.number, "report.json"), RangeReport, files)
            for planned in each.ranges
        ]
        filled = sorted({place.shard for report in ranges for place in report.places})
        shards = [
            _read(staging.shard(*key, shard, "report.json"), ShardReport, files) for shard in filled
        ]
        work.append(SplitWork(each, ranges, shards))
    return work


def _read(path: str, kind: type[Report], files: Files) -> Report:
    with files.open_binary(path) as file:
        return msgspec.json.decode(file.read(), type=kind)


def _write_report(
    options: BuildOptions,
    beam_options: PipelineOptions,
    reporter: Reporter,
    files: Files,
    staging: Staging,
) -> None:
    """What is true of this run only, and therefore not in the manifest."""
    report = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "raw": options.raw,
        "runner": str(beam_options.get_all_options().get("runner")),
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "versions": {**versions(), "apache-beam": beam.__version__},
        "seconds": {name: round(value, 3) for name, value in reporter.seconds.items()},
    }
    with files.create(f"{staging.output}/{REPORT_NAME}") as file:
        file.write(json.dumps(report, indent=1).encode())


if __name__ == "__main__":
    from pipelines.cli import main

    sys.exit(main(["build", *sys.argv[1:]]))
