"""Checks of a training run: its configuration, its dataset, the images that the dataset refers to, the disk of its cache."""

import os
import shutil
from collections.abc import Iterator
from itertools import islice

from datagen.dataset import BuiltDataset, open_dataset
from datagen.errors import RowRejectedError, UserError
from datagen.files import is_url
from datagen.media.media import MediaRoots, inspect_image
from datagen.stores.any_files import AnyFiles
from pipelines.doctor.finding import Finding, Status, size
from pipelines.doctor.machine import existing_parent
from trainer.config.load import load_config
from trainer.config.run import RunConfig

SHOWN = 3
"""Names that a finding gives of many."""


def read_config(path: str) -> tuple[RunConfig | None, Finding]:
    """Return a run's configuration, None if it cannot be used, and the finding about it."""
    try:
        config = load_config(path)
    except (UserError, ValueError) as error:
        remedy = "correct it; docs/reference/configuration.md has all keys"
        return None, Finding("config", path, "problem", str(error), remedy)
    return config, Finding(
        "config", path, "ok", f"run {config.name}, {config.optimizer.steps:,} steps"
    )


def check_cache(config: RunConfig) -> Finding:
    """Compare the cache of decoded row groups with its disk."""
    folder = existing_parent(str(config.data.cache_dir or os.environ.get("TMPDIR", "/tmp")))  # noqa: S108
    free, need = shutil.disk_usage(folder).free, int(config.data.cache_bytes)
    found = f"{size(free)} free on the disk of {folder}, the cache may take {size(need)}"
    if free >= need:
        return Finding("disk", "data cache", "ok", found)
    remedy = "set data.cache_dir to a larger disk, or lower data.cache_bytes"
    return Finding("disk", "data cache", "warning", found, remedy)


def check_dataset(
    folder: str, config: RunConfig | None, files: AnyFiles, num_images: int | None
) -> Iterator[Finding]:
    """Yield findings about a built dataset: its files, and `num_images` images a split (None: all) that lie elsewhere."""
    try:
        dataset = open_dataset(folder, files)
    except UserError as error:
        remedy = "build it: visinstruct build --raw RAW --out " + folder
        yield Finding("dataset", folder, "problem", str(error), remedy)
        return
    yield _shards(dataset, files)
    yield from _images(dataset, config, files, num_images)


def _shards(dataset: BuiltDataset, files: AnyFiles) -> Finding:
    wrong, number = [], 0
    for splits in dataset.manifest.splits.values():
        for shard in (shard for entry in splits.values() for shard in entry.shards):
            number += 1
            try:
                num_bytes = files.size(f"{dataset.directory}/{shard.path}")
            except FileNotFoundError:
                wrong.append(f"{shard.path} is missing")
                continue
            if num_bytes != shard.num_bytes:
                wrong.append(f"{shard.path} has {num_bytes:,} of {shard.num_bytes:,} bytes")
    if not wrong:
        found = f"{number:,} files, each as large as the manifest says"
        return Finding("dataset", dataset.directory, "ok", found)
    found = f"{len(wrong):,} of {number:,} files: {', '.join(wrong[:SHOWN])}"
    remedy = "copy the folder again, or build it again into an empty one"
    return Finding("dataset", dataset.directory, "problem", found, remedy)


def _images(
    dataset: BuiltDataset, config: RunConfig | None, files: AnyFiles, num_images: int | None
) -> Iterator[Finding]:
    """Yield a finding for each source whose images are kept by reference."""
    roots = dict(config.data.image_roots) if config is not None else {}
    for source, splits in dataset.manifest.splits.items():
        seen, faults, unknown = 0, [], set()
        for split in splits:
            try:
                records = islice(dataset.records(source, split), num_images)
                paths = [
                    image.path
                    for record in records
                    for image in record.images or ()
                    if image.bytes is None
                ]
            except (UserError, OSError):
                continue  # the finding about the files says so
            for path in dict.fromkeys(paths):
                collection = path.partition("/")[0]
                if collection not in roots and "*" in roots:
                    roots[collection] = f"{roots['*']}/{collection}"
                if collection not in roots:
                    unknown.add(collection)
                    continue
                seen += 1
                try:
                    inspect_image(MediaRoots(roots, files, follow_links=True), path)
                except RowRejectedError as error:
                    faults.append(error.message)
        if unknown:
            names = ", ".join(sorted(unknown))
            remedy = f"set data.image_roots.{min(unknown)} to its folder in --config"
            status: Status = "warning" if config is None else "problem"
            found = f"kept by reference, and the folder of {names} is not given"
            yield Finding("images", source, status, found, remedy)
        elif faults:
            found = f"{len(faults):,} of {seen:,} cannot be used; first: {faults[0]}"
            remedy = "copy the images to this machine, or correct data.image_roots"
            fraction = 0.0 if config is None else config.data.max_replaced_fraction
            status = "problem" if len(faults) > fraction * seen else "warning"
            yield Finding("images", source, status, found, remedy)
        elif seen:
            yield Finding("images", source, "ok", f"{seen:,} looked at: all are there and whole")


def urls_of(config: RunConfig | None) -> tuple[list[str], list[str]]:
    """Return the URLs that a run reads and those that it writes."""
    if config is None:
        return [], []
    read = [config.data.dataset, *config.data.image_roots.values()]
    return [each for each in read if is_url(each)], [
        each for each in [config.output] if is_url(each)
    ]
