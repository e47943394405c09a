"""`visinstruct mixture`: sizes, probabilities and epochs of a built dataset, or of the published sizes."""

import argparse
import json
from collections.abc import Sequence

from datagen.errors import OptionError
from datagen.files import LocalFiles
from datagen.manifest import read_manifest
from datagen.mixture import MixtureOptions, mix
from datagen.sources import all_sources, load_source
from pipelines.mixture_options import read_mixture_options
from pipelines.tables import mixture_table

PAPER_STEPS, PAPER_BATCH_SIZE = 60_000, 192  # FlanT5-XL, section 2.6 of the paper


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", nargs="?", metavar="OUT", help="a built dataset; without it, the published sizes")
    add("--config", metavar="FILE", help="YAML of mixture options")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="sets",
        help="rule=sqrt|proportional|uniform|temperature, temperature=T, cap=N, "
        "factors.SOURCE=F, splits.SOURCE=train,val",
    )
    add("--samples", type=int, metavar="N", help="length of the run, in samples")
    add("--steps", type=int, default=PAPER_STEPS, metavar="N")
    add("--batch-size", type=int, default=PAPER_BATCH_SIZE, metavar="N", help="over all processes")
    add("--json", action="store_true")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    samples = parsed.samples or parsed.steps * parsed.batch_size
    if samples < 1:
        raise OptionError("--samples, --steps and --batch-size are 1 or more")
    options = read_mixture_options(parsed.config, parsed.sets)
    sizes, title = _built(parsed.data, options) if parsed.data else _published(options)
    if not any(sizes.values()):
        raise OptionError(f"{title} holds no split that is trained on")
    parts = mix(sizes, options)
    if parsed.json:
        print(
            json.dumps(
                {s: {**p.model_dump(), "epochs": p.epochs(samples)} for s, p in parts.items()}
            )
        )
    else:
        mixture_table(parts, samples, f"{title}, rule {options.rule}")
    return 0


def _built(data: str, options: MixtureOptions) -> tuple[dict[str, int], str]:
    splits = read_manifest(data, LocalFiles()).splits
    sizes = {}
    for source, entries in splits.items():
        if load_source(source).card.held_in:
            wanted = options.trained_splits(source)
            sizes[source] = sum(entries[s].written for s in wanted if s in entries)
    return sizes, data


def _published(options: MixtureOptions) -> tuple[dict[str, int], str]:
    sizes = {}
    for source in all_sources():
        if source.card.held_in:
            counts = [source.card.splits[s].counts for s in options.trained_splits(source.id)]
            known = [next((f.value for f in c.values() if f.value), 0) for c in counts]
            sizes[source.id] = sum(number or 0 for number in known)
    return sizes, "published sizes"
