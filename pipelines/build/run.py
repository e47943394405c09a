"""The build: from the publishers' files to a dataset, on any Beam runner.

`visinstruct build` and `python -m pipelines.build` are the same program. The process that starts it
indexes the files and plans; Beam stages and writes; then the process checks, completes and publishes.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from datagen.build.declared import digests, files_read, mirror_files, normal_rows, resolve_all
from datagen.build.finish import finish
from datagen.build.layouts import found_instead
from datagen.build.media_states import write_states
from datagen.build.mirrors import with_mirrors
from datagen.build.options import BuildOptions
from datagen.build.plan import BuildPlan, check_image_roots, choose_splits, media_roots
from datagen.build.planner import index_files, input_files, make_plan
from datagen.build.staging import Staging
from datagen.build.totals import SplitWork
from datagen.errors import RawDataError
from datagen.files import Files, is_url
from datagen.media.media import MISSING, MediaRoots
from datagen.schema.manifest import CandidatesEntry, Manifest
from datagen.sources import load_source
from datagen.sources.declared.readers.data_file import paths_of
from datagen.stores.any_files import AnyFiles
from datagen.stores.connect import StoreSettings
from pipelines.build.execute import execute
from pipelines.build.fingerprint import (
    Fingerprints,
    Identity,
    identify,
    split_fingerprints,
    worker_versions,
)
from pipelines.build.mixture_options import check_mixture
from pipelines.build.needs import check_engine
from pipelines.build.progress import Part, Reporter
from pipelines.build.publish import (
    REPORT_NAME,
    drop_unfinished,
    held_by,
    locked,
    output_held,
    publish,
    recover,
    staging_of,
)
from pipelines.build.reports import read_reports
from pipelines.build.resume import (
    drop_leftovers,
    forget_stale,
    planned_splits,
    reuse_candidates,
    reuse_splits,
)
from pipelines.build.update import compare, first_build, print_changes, print_update
from pipelines.build.work import Work
from pipelines.build.workers import set_workers
from pipelines.console import messages
from pipelines.interrupt import check_stopped, remembering_ctrl_c
from templates.library import load_templates
from templates.lint import check_sources

LOG_SUFFIX = ".error.log"


def build(
    options: BuildOptions, beam_options: PipelineOptions, console: Console | None = None
) -> Manifest:
    """Build the dataset that `options` describe; if it is there already, only read its manifest.

    A build that was stopped, at whatever moment, resumes when it is started again. Of a dataset that is
    there, the splits that did not change are reused, and those that the options no longer name removed.

    Raises:
        UserError: raw files, options or output are not usable; nothing is published.
    """
    manifest = _build(options, beam_options, console, dry_run=False)
    assert manifest is not None
    return manifest


def dry_run(
    options: BuildOptions, beam_options: PipelineOptions, console: Console | None = None
) -> None:
    """Print what `build` would do with each split, and why; raw files are read, nothing is written.

    Raises:
        UserError: as `build`, as far as it is found before the first row is rendered.
    """
    _build(options, beam_options, console, dry_run=True)


def _build(
    options: BuildOptions,
    beam_options: PipelineOptions,
    console: Console | None,
    *,
    dry_run: bool,
) -> Manifest | None:
    console = console or messages()
    reporter = Reporter(console)
    files = AnyFiles()
    check_stores(options, files, writes=not dry_run)
    say = partial(console.print, highlight=False, markup=False)
    if not dry_run:
        check_engine(beam_options, say)
    with nullcontext(_nothing) if dry_run else output_held(options.out, say) as check_held:
        return _build_held(options, beam_options, console, reporter, files, check_held, dry_run)


def _nothing() -> None:
    """Stands for the check of a lock that is not needed."""


def check_stores(options: BuildOptions, files: AnyFiles, *, writes: bool) -> None:
    """Try the stores that a build reads and writes, before any work.

    Raises:
        StoreError: one does not answer, or refuses.
        OptionError: a package is missing.
    """
    read = {*filter(None, [options.raw]), *options.image_roots.values()}
    for path in sorted({*read, options.out}):
        if is_url(path):
            files.store.check_reachable(path, writes=writes and path == options.out)


def _build_held(
    options: BuildOptions,
    beam_options: PipelineOptions,
    console: Console,
    reporter: Reporter,
    files: AnyFiles,
    check_held: Callable[[], None],
    dry_run: bool,
) -> Manifest | None:
    say = partial(console.print, highlight=False, markup=False)
    definitions, own_files = resolve_all(options.declared, files)
    if options.origin == "hub":
        options = with_mirrors(options, files, say, download=not dry_run)
    options = options.model_copy(update={"declared": definitions})
    own_files |= mirror_files(options.mirrors, files)
    templates = load_templates(options.template_dir)
    options = options.with_own_mixture()
    check_mixture(options.mixture, options.own_sources)
    media_roots(options)  # refuses unknown collections
    check_image_roots(options)
    if not (dry_run and is_url(options.out)):
        recover(options.out, files)
    held = held_by(options.out, files)
    chosen, missing = choose_splits(options, files)
    for source_id in dict.fromkeys(each.source for each in missing):
        for sentence in found_instead(load_source(source_id), options.raw or "", files):
            console.print(f"{source_id}: {sentence}", highlight=False)
    specs = tuple(dict.fromkeys(source.card.prompts for source, _ in chosen))
    check_sources(templates, specs)
    roots = media_roots(options)
    with reporter.stage("index", f"{len(chosen)} splits"):
        indexes = index_files(options, files, chosen)
        own_read = files_read(options.readings, own_files, files)
        own_inputs = digests(own_read, files)
    own_paths = (path for mine in own_read.values() for each in mine for path in paths_of(each))
    raw_paths = [*indexes, *own_paths]
    states = _states(raw_paths, files)
    identity = identify(options, input_files(options, chosen, indexes) | own_inputs, specs)
    packs = {each.name: "" for each in options.readings}  # slices never change: none is opened here
    media = MediaRoots(roots, files, options.follow_links, packs=packs)
    fingerprints = split_fingerprints(options, chosen, identity.inputs)
    update = first_build(chosen)
    if held is not None:
        update = compare(held, options, chosen, missing, identity, fingerprints, media, files)
    if dry_run:
        print_update(update, options.out, console)
        return held
    if held is not None:
        if update.is_same:
            drop_unfinished(options.out, files)
            console.print(f"{options.out} is built already, nothing to do", highlight=False)
            return held
        print_changes(update, held, console)
    basis = [identity.work, options.raw, sorted(roots.items()), options.max_memory]
    staging = staging_of(options.out, basis)
    with locked(staging), remembering_ctrl_c():
        with reporter.stage("plan", f"template set {templates.name}"):
            to_build = [each for each in chosen if (each[0].id, each[1].split) in update.built]
            own = normal_rows(options, own_files, own_inputs, to_build, staging, files, say)
            built = make_plan(options, files, staging, to_build, indexes | own)
            plan = planned_splits(update, held, chosen, built)
            plan = BuildPlan(plan.splits, (*missing, *plan.missing))
            reuse_splits(update, held, plan, options.out, staging, files)
            candidates = reuse_candidates(update, held, options, staging, files)
            if stale := forget_stale(built.splits, staging, media, files):
                console.print(
                    f"images or videos changed since the build was stopped: {stale} of its parts are "
                    "made again",
                    highlight=False,
                )
        settings = StoreSettings.of_this_process([options.out, *roots.values(), *raw_paths])
        work = Work(plan, options, roots, staging, templates.hash, worker_versions(), settings)
        rows = sum(split.rows for split in built.splits)
        number = set_workers(beam_options, options.workers, rows, options.max_memory)
        if number > 1:
            console.print(f"{number} processes", highlight=False)
        with reporter.watch("records", _steps(plan, staging), rows):
            engine = execute(work, beam_options, f"{options.out.rstrip('/')}{LOG_SUFFIX}", files)
            check_stopped()
            done = read_reports(plan, staging, files)
        _check_unchanged(states, raw_paths, files)
        with reporter.stage("finish", "check, hash, describe"):
            manifest = _finish(
                plan, done, options, identity, fingerprints, candidates, files, staging
            )
            write_states(plan, staging, files)
            drop_leftovers(manifest, staging, files)
            _write_report(options, beam_options, engine, reporter, files, staging)
        check_held()
        publish(staging, options.out, files, replaces=held is not None)
        files.remove([f"{options.out.rstrip('/')}{LOG_SUFFIX}"])
    return manifest


def _states(paths: Iterable[str], files: Files) -> dict[str, str]:
    """Return the states of raw files, those that a pattern matches each for itself."""
    found = [each for path in paths for each in (files.match(path) if "*" in path else [path])]
    return {path: files.state(path) if files.exists(path) else MISSING for path in found}


def _check_unchanged(states: Mapping[str, str], paths: Iterable[str], files: Files) -> None:
    """Refuse to publish what was read from other files than those that were hashed.

    Raises:
        RawDataError: names them.
    """
    now = _states(paths, files)
    changed = sorted(path for path, _ in states.items() ^ now.items())
    if changed:
        raise RawDataError(
            f"{', '.join(changed)} changed during the build; nothing was published, start it again"
        )


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


def _finish(
    plan: BuildPlan,
    work: Sequence[SplitWork],
    options: BuildOptions,
    identity: Identity,
    fingerprints: Fingerprints,
    candidates: Mapping[str, CandidatesEntry],
    files: AnyFiles,
    staging: Staging,
) -> Manifest:
    return finish(
        plan,
        work,
        options,
        files,
        staging,
        inputs=identity.inputs,
        fingerprint=identity.fingerprint,
        fingerprints=fingerprints,
        candidates=candidates,
        versions=identity.versions,
    )


def _write_report(
    options: BuildOptions,
    beam_options: PipelineOptions,
    engine: str,
    reporter: Reporter,
    files: Files,
    staging: Staging,
) -> None:
    """Write the report: facts of this run alone, and therefore not in the manifest."""
    report = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "raw": options.raw,
        "runner": str(beam_options.get_all_options().get("runner")),
        "engine": engine,
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "versions": worker_versions(),
        "seconds": {name: round(value, 3) for name, value in reporter.seconds.items()},
    }
    with files.create(f"{staging.output}/{REPORT_NAME}") as file:
        file.write(json.dumps(report, indent=1).encode())
