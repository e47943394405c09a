"""Checks of what is elsewhere: stores, and engines of Apache Beam."""

from collections.abc import Callable, Collection
from typing import Any

from datagen.build.options import BuildOptions
from datagen.errors import UserError
from datagen.files import is_url
from datagen.stores.any_files import AnyFiles
from pipelines.doctor.finding import Finding


def check_stores(read: Collection[str], written: Collection[str], files: AnyFiles) -> list[Finding]:
    """Try each URL: those that are `read` can be listed, to those that are `written` a small object is put."""
    findings = []
    for path in dict.fromkeys([*written, *read]):
        if not is_url(path):
            continue
        writes = path in written
        try:
            files.store.check_reachable(path, writes=writes)
        except UserError as error:
            remedy = "see docs/how_to/build.md on credentials, endpoints and extras"
            findings.append(Finding("store", path, "problem", str(error), remedy))
        else:
            found = "can be read and written" if writes else "can be read"
            findings.append(Finding("store", path, "ok", found))
    return findings


def check_engine(options: Any, say: Callable[[str], None]) -> Finding:
    """Look at the engine that Beam's `PipelineOptions` name, as a build does before it starts."""
    from pipelines.build.needs import check_engine as check_needs
    from pipelines.build.needs import engine_name

    name = engine_name(options)
    try:
        check_needs(options, say)
    except UserError as error:
        return Finding("engine", name, "problem", str(error), "see docs/how_to/engines.md")
    return Finding("engine", name, "ok", "what it needs is there")


def urls_read(options: BuildOptions) -> list[str]:
    """Return the folders and URLs that a build reads."""
    return [*filter(None, [options.raw]), *options.image_roots.values()]
