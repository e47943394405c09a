"""Checks of the publishers' files: which splits are complete, and files that are nearly expected ones."""

from collections.abc import Iterator

from datagen.build.layouts import alternatives, found_instead
from datagen.build.options import BuildOptions
from datagen.build.plan import complete_layout
from datagen.schema.adapter import Source, SplitFiles
from datagen.stores.any_files import AnyFiles
from pipelines.doctor.finding import Finding, Status


def check_raw_files(options: BuildOptions, files: AnyFiles) -> list[Finding]:
    """Return a finding for each source of which files are there, and one for all others."""
    findings: list[Finding] = []
    absent: list[str] = []
    for source_id in options.source_ids:
        source = options.source(source_id)
        if source.in_staging:
            continue  # users' own files: they are found when they are read
        found = list(_of_source(source, options, files))
        if found:
            findings += found
        else:
            absent.append(source_id)
    if absent:
        findings.append(
            Finding(
                "files",
                "other sources",
                "ok" if findings else "problem",
                f"{len(absent)} have no file in {options.raw}: {', '.join(absent)}",
                "visinstruct fetch SOURCE downloads; visinstruct sources SOURCE lists what is expected",
            )
        )
    return findings


def _of_source(source: Source, options: BuildOptions, files: AnyFiles) -> Iterator[Finding]:
    raw, named = options.raw or "", source.id in (options.sources or ())
    complete, lacking = [], []
    splits = [s for s in source.split_names() if options.splits is None or s in options.splits]
    for split in splits:
        found = complete_layout(source, split, raw, files)
        if isinstance(found, SplitFiles):
            complete.append(f"{split} ({found.layout_name})")
        else:
            lacking.append(f"{split} lacks {alternatives(found)}")
    for sentence in found_instead(source, raw, files):
        remedy = f"visinstruct sources {source.id} lists the expected names"
        yield Finding("files", source.id, "warning", sentence, remedy)
    remedy = f"visinstruct fetch {source.id}, or leave what is missing out"
    if complete:
        found_text = f"complete: {', '.join(complete)}"
        if lacking:
            text = f"{found_text}; {'; '.join(lacking)}"
            yield Finding("files", source.id, "warning", text, remedy)
        else:
            yield Finding("files", source.id, "ok", found_text)
    elif named or files.match(f"{raw}/{source.card.folder}/*"):
        status: Status = "problem" if named else "warning"
        yield Finding("files", source.id, status, "; ".join(lacking) or "no such split", remedy)
