"""Sources and shards of a run: probabilities, trained rows, and rows reserved for validation."""

from collections.abc import Mapping
from typing import NamedTuple

from datagen.errors import nearest
from datagen.mixture import MixtureOptions, mix
from datagen.schema.manifest import Manifest, ShardEntry
from trainer.config.data import DataOptions
from trainer.errors import DataError

VALIDATION_SPLIT = "val"
LARGEST_RESERVED_PART = 10
"""At most a tenth of a source's rows is reserved."""


class Part(NamedTuple):
    """A source's part in a run: its records, of which the last `reserved` are never trained on."""

    size: int
    probability: float
    reserved: int


def mixture_options(manifest: Manifest, options: DataOptions) -> MixtureOptions:
    """Return the run's mixture options, or those that the dataset was built with."""
    if options.mixture is not None:
        return options.mixture
    return MixtureOptions.model_validate(manifest.options["mixture"])


def trained_sources(manifest: Manifest, options: DataOptions) -> tuple[str, ...]:
    """Return the sources that may be drawn from.

    Raises:
        DataError: the dataset lacks a source that `data.sources` names, or has no held-in training set.
    """
    if options.sources is None:
        if not manifest.mixture:
            raise DataError(
                f"{options.dataset} holds no held-in training set; name what to train on in "
                f"data.sources, of {', '.join(manifest.splits)}"
            )
        return tuple(manifest.mixture)
    for source in options.sources:
        if source not in manifest.splits:
            raise DataError(
                f"data.sources names {source!r}, which {options.dataset} does not hold"
                f"{nearest(source, manifest.splits)}"
            )
    return options.sources


def parts(manifest: Manifest, options: DataOptions) -> dict[str, Part]:
    """Return the sources that are drawn from, as `visinstruct mixture` computes them.

    Raises:
        DataError: nothing is left to draw from.
        OptionError: the factors cannot be used.
    """
    mixture = mixture_options(manifest, options)
    sizes = {
        source: sum(shard.rows for shard in trained_shards(manifest, mixture, source))
        for source in trained_sources(manifest, options)
    }
    if not any(sizes.values()):
        raise DataError(f"{options.dataset} holds no record of {', '.join(sizes)} to train on")
    return {
        source: Part(
            size=part.size,
            probability=part.probability,
            reserved=_reserved(manifest, mixture, source, part.size, options.reserve_rows),
        )
        for source, part in mix(sizes, mixture).items()
        if part.probability > 0
    }


def trained_splits(manifest: Manifest, mixture: MixtureOptions, source: str) -> tuple[str, ...]:
    """Return the splits of a source that are trained on and that the dataset has."""
    return tuple(n for n in mixture.trained_splits(source) if n in manifest.splits[source])


def trained_shards(
    manifest: Manifest, mixture: MixtureOptions, source: str
) -> tuple[ShardEntry, ...]:
    """Return the shards of a source's trained splits, in order."""
    splits = manifest.splits[source]
    names = trained_splits(manifest, mixture, source)
    return tuple(shard for name in names for shard in splits[name].shards)


def validation_shards(
    manifest: Manifest, mixture: MixtureOptions, source: str
) -> tuple[ShardEntry, ...]:
    """Return the shards of a source's validation split; none if it has none or is trained on it."""
    if VALIDATION_SPLIT in mixture.trained_splits(source):
        return ()
    splits: Mapping[str, object] = manifest.splits[source]
    return manifest.splits[source][VALIDATION_SPLIT].shards if VALIDATION_SPLIT in splits else ()


def _reserved(
    manifest: Manifest, mixture: MixtureOptions, source: str, size: int, wanted: int
) -> int:
    shards = validation_shards(manifest, mixture, source)
    if any(shard.rows for shard in shards):
        return 0
    return min(wanted, size // LARGEST_RESERVED_PART)
