"""`visinstruct mixture`: sizes, probabilities and epochs of a built dataset, or of the published sizes."""

import argparse
import json
from collections.abc import Sequence

from datagen.errors import OptionError
from datagen.mixture import MixtureOptions, mix
from datagen.schema.manifest import Manifest, read_manifest
from datagen.sources import all_sources, load_source, source_ids
from datagen.stores.any_files import AnyFiles
from pipelines.build.mixture_options import read_mixture_options
from pipelines.cli.views.tables import mixture_table

PAPER_STEPS, PAPER_BATCH_SIZE = 60_000, 192  # FlanT5-XL, section 2.6 of the paper

ROUNDED_SIZES = {"llava_conversation": 58_000, "llava_reasoning": 77_000}
"""The paper's numbers of dialogs, for sources whose records (turns of dialogs) no publication counts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", nargs="?", metavar="OUT", help="a built dataset (default: the published sizes)")
    add(
        "--config",
        metavar="FILE",
        help="YAML of mixture options (default: the dataset's own, or the paper's rule)",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="sets",
        help="rule=sqrt|proportional|uniform|temperature, temperature=T, cap=N, "
        "factors.SOURCE=F, splits.SOURCE=train,val; may be repeated",
    )
    add(
        "--samples",
        type=int,
        metavar="N",
        help="length of the run, in samples (default: steps times batch size)",
    )
    add("--steps", type=int, default=PAPER_STEPS, metavar="N", help="optimizer steps")
    add(
        "--batch-size",
        type=int,
        default=PAPER_BATCH_SIZE,
        metavar="N",
        help="samples of a step, over all processes",
    )
    add("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    for option in ("samples", "steps", "batch_size"):
        value = getattr(parsed, option)
        if value is not None and value < 1:
            raise OptionError(f"--{option.replace('_', '-')} is {value}, give 1 or more")
    samples = parsed.steps * parsed.batch_size if parsed.samples is None else parsed.samples
    manifest = None if parsed.data is None else read_manifest(parsed.data, AnyFiles())
    base = None if manifest is None else manifest.options["mixture"]
    built = None if manifest is None else manifest.splits
    own = [] if manifest is None else _own(manifest)
    options = read_mixture_options(parsed.config, parsed.sets, base, built, own)
    sizes = _published(options) if manifest is None else _built(manifest, options)
    title = parsed.data or "published sizes"
    if not any(sizes.values()):
        raise OptionError(f"{title} holds no split that is trained on")
    empty = [source for source, size in sizes.items() if not size]
    parts = mix(sizes, options)
    if parsed.json:
        print(
            json.dumps(
                {s: {**p.model_dump(), "epochs": p.epochs(samples)} for s, p in parts.items()}
            )
        )
    else:
        mixture_table(parts, samples, f"{title}, rule {options.rule}")
        if empty:
            why = "their published size is unknown" if manifest is None else "they are empty"
            print(f"left out, since {why}: {', '.join(empty)}")
        rounded = [source for source in ROUNDED_SIZES if manifest is None and sizes.get(source)]
        if rounded:
            print(f"rounded, in dialogs, as the paper counts them: {', '.join(rounded)}")
    return 0


def _own(manifest: Manifest) -> list[str]:
    """Return the sources of a dataset that are trained on and come from no adapter."""
    return [s for s, entry in manifest.sources.items() if entry.held_in and s not in source_ids()]


def _built(manifest: Manifest, options: MixtureOptions) -> dict[str, int]:
    sizes = {}
    for source, entries in manifest.splits.items():
        entry = manifest.sources.get(source)
        if load_source(source).card.held_in if entry is None else entry.held_in:
            wanted = options.trained_splits(source)
            sizes[source] = sum(entries[s].written for s in wanted if s in entries)
    return sizes


def _published(options: MixtureOptions) -> dict[str, int]:
    sizes = {}
    for source in all_sources():
        if source.card.held_in:
            counts = [source.card.splits[s].counts for s in options.trained_splits(source.id)]
            known = [next((f.value for f in c.values() if f.value), 0) for c in counts]
            sizes[source.id] = sum(number or 0 for number in known)
            if not sizes[source.id]:
                sizes[source.id] = ROUNDED_SIZES.get(source.id, 0)
    return sizes
