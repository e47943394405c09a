"""`visinstruct explain`: sample k of a run, and the step that takes it."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import asdict
from rich.table import Table
from rich.text import Text

from datagen.errors import OptionError
from pipelines.console import output, visible
from trainer.config.data import DataOptions
from trainer.config.run import RunConfig
from trainer.data.explain import Explanation, explain
from trainer.data.stream import Stream
from trainer.launch.arguments import keep_old_name

CONFIG_SUFFIXES = (".yaml", ".yml")
MIXES_ARGUMENTS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", metavar="DATA|CONFIG", help="a built dataset, or the YAML of a run")
    add("changes", nargs="*", metavar="KEY=VALUE", help="of the YAML, as in training")
    sample = add(
        "--sample", type=int, required=True, metavar="K", help="number of the sample, from 0"
    )
    keep_old_name(parser, "--draw", sample)
    add("--seed", type=int, metavar="N", help="of the run (default: the YAML's, or 0)")
    add(
        "--image-root",
        action="append",
        default=[],
        metavar="COLLECTION=DIR",
        help="folder of a collection's images, where they are kept by reference; *=DIR has one for each; may be repeated",
    )
    add("--texts", action="store_true", help="print the texts only, without reading images")
    add("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    if parsed.sample < 0:
        raise OptionError(f"--sample {parsed.sample}: a sample's number is 0 or more")
    config = _config(parsed)
    options, seed = _run_options(parsed, config)
    stream = Stream.open(options, seed)
    findable = stream.manifest.images == "embed" or bool(options.image_roots)
    found = explain(stream, parsed.sample, findable and not parsed.texts)
    step = None if config is None else _step(parsed.sample, config)
    if parsed.json:
        facts = _facts(found)
        if step is not None:
            facts |= {"step": step[0], "skipped": step[1]}
        print(json.dumps(facts, ensure_ascii=False))
    else:
        output().print(_table(found, parsed.sample, step))
    return 0


def _config(parsed: argparse.Namespace) -> RunConfig | None:
    """Return the run's configuration; None if `run` is a dataset."""
    if not parsed.run.endswith(CONFIG_SUFFIXES):
        if parsed.changes:
            raise OptionError(
                f"{parsed.changes[0]!r}: KEY=VALUE changes the YAML of a run, and a dataset is given"
            )
        return None
    from trainer.config.load import load_config

    return load_config(parsed.run, parsed.changes)


def _step(k: int, config: RunConfig) -> tuple[int, bool]:
    """Return the step, from 1, that takes sample `k`, and True if the run skipped it."""
    step = k // config.batch.global_size + 1
    if not (Path(config.output) / "checkpoints").is_dir():
        return step, False
    from trainer.run.skipped import covers, skipped_in  # imports torch, which a run needed too

    return step, covers(skipped_in(Path(config.output)), step)


def _run_options(parsed: argparse.Namespace, config: RunConfig | None) -> tuple[DataOptions, int]:
    """Return the data options and the seed of the run."""
    roots = dict(_root(text) for text in parsed.image_root)
    if config is None:
        return DataOptions(dataset=parsed.run, image_roots=roots), parsed.seed or 0
    options = config.data
    if roots:
        options = options.model_copy(update={"image_roots": {**options.image_roots, **roots}})
    return options, config.seed if parsed.seed is None else parsed.seed


def _root(text: str) -> tuple[str, str]:
    collection, equals, folder = text.partition("=")
    if not (collection and equals and folder):
        raise OptionError(f"--image-root {text!r} is not COLLECTION=DIR, such as coco=/data/coco")
    return collection, folder


def _facts(found: Explanation) -> dict[str, Any]:
    sample = found.sample
    return {
        **sample.place._asdict(),
        "record_id": sample.record_id,
        "split": found.record.split,
        "group_id": sample.group_id,
        "template_id": sample.template_id,
        "instruction": sample.instruction,
        "target": sample.target,
        "size": found.part.size,
        "probability": found.part.probability,
        "images": [{"path": path, "file": file} for path, file in found.images],
        "images_decoded": found.images_decoded,
        "replaced": [asdict(each) for each in sample.replaced],
    }


def _table(found: Explanation, k: int, step: tuple[int, bool] | None = None) -> Table:
    """The facts, a line each; nothing in a record is markup or steers the terminal."""
    sample, place = found.sample, found.sample.place
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", min_width=11)
    rows.add_column(overflow="fold")

    def add(name: str, value: str, style: str = "") -> None:
        rows.add_row(name, Text(visible(value), style))

    add("sample", f"{k:,}", "bold")
    if step is not None:
        add("step", f"{step[0]:,}" + (", skipped: it is not trained on" if step[1] else ""))
    add("record", sample.record_id, "bold")
    add(
        "place",
        f"{place.source}: its sample {place.position:,}, epoch {place.epoch}, "
        f"row {place.row:,} of {found.part.size:,}, draw {place.draw}",
    )
    add("mixture", f"{found.part.probability:.2%} of all samples are of {place.source}")
    add("template", sample.template_id)
    for path, file in found.images:
        add("image", path if file is None else f"{path} in {file}")
    add("instruction", sample.instruction, "cyan")
    add("target", sample.target, "green")
    if not found.images_decoded:
        add("replaced", "not known: its images were not read (see --image-root)")
    for each in sample.replaced:
        add("instead of", f"{each.record_id}: {each.reason}", "yellow")
    if found.images_decoded and not sample.replaced:
        add("replaced", "no")
    return rows
