"""`visinstruct build`: our options here, all others to Beam."""

import argparse
import logging
import os
from collections.abc import Sequence

from datagen.build.options import BuildOptions, make_options
from datagen.errors import OptionError
from pipelines.cli.paths import absolute
from templates.library import template_folder
from trainer.launch.shadow import children_find_ours

PASSES_OPTIONS_ON = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Any option of Apache Beam may follow, such as --runner=FlinkRunner "
        "--flink_master=host:8081; without --runner the build runs in this process."
    )
    add = parser.add_argument
    add(
        "--from",
        dest="origin",
        metavar="ORIGIN",
        default="publisher",
        help="publisher: the publishers' files (default); hub: mirrors of them on the Hugging Face Hub, in "
        "local copies, its cache, or downloaded; hub=A,B: these sources from mirrors, the others as published",
    )
    add("--out", required=True, metavar="DIR", help="new folder for the dataset")
    add_options(parser)
    add(
        "--dry-run",
        action="store_true",
        help="print for each split whether it is reused, built or removed, and why; write nothing",
    )
    add("--brief", action="store_true", help="print totals instead of a line a split")
    add(
        "--workers",
        type=int,
        metavar="N",
        help="processes on this machine (default: one for every million rows, as far as processors "
        "and memory reach)",
    )
    add(
        "--stall-minutes",
        type=float,
        default=10,
        metavar="N",
        help="end the build if no worker makes progress for so long",
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say of what a dataset is built, and how."""
    add = parser.add_argument
    add(
        "--raw",
        metavar="DIR",
        help="the publishers' files, DIR/<source>/<file>; with --from hub, local copies of repositories, "
        "DIR/<owner>/<name> (default: own data only)",
    )
    add(
        "--source",
        action="append",
        default=[],
        metavar="FILE",
        help="a source file of own data, see `visinstruct source draft`; may be repeated",
    )
    add(
        "--sources",
        metavar="A,B",
        help="only these of the 26; each must have a complete split (default: all that are complete; with "
        "--from hub, those that are on this machine)",
    )
    add(
        "--splits",
        metavar="A,B",
        help="only these splits, such as train,val (default: all that are complete)",
    )
    add(
        "--limit",
        type=int,
        metavar="N",
        help="only the first N rows of each split's file (default: all)",
    )
    add(
        "--images",
        choices=("reference", "embed"),
        default="reference",
        help="keep the path of an image, or its bytes",
    )
    add(
        "--image-max-side",
        type=int,
        metavar="PX",
        help="embedded images: shrink larger ones (default: keep their size)",
    )
    add(
        "--image-root",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="where a collection's images are, such as coco=/data/coco; may be repeated",
    )
    add(
        "--follow-links",
        action="store_true",
        help="read images through links that lead out of their collection's folder",
    )
    add(
        "--missing-images",
        choices=("reject", "keep"),
        default="reject",
        help="reject records whose image is missing, or keep the reference",
    )
    add(
        "--max-reject-fraction",
        type=float,
        default=0.05,
        metavar="F",
        help="limit of rejected rows, by source",
    )
    add(
        "--max-missing-fraction",
        type=float,
        metavar="F",
        help="limit of missing images, by source (default: as the source's card says)",
    )
    add("--seed", type=int, default=0, help="decides templates, answers and the order")
    add(
        "--template-dir",
        default="instruct",
        metavar="DIR",
        help="folder of templates, or a shipped set: instruct, plain, task_dataset_prefix",
    )
    add("--max-memory", default="2GB", metavar="SIZE", help="limit of each worker")
    add(
        "--mixture",
        metavar="FILE",
        help="YAML of mixture options, see `visinstruct mixture` (default: the paper's rule)",
    )


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    quiet_engines()
    from pipelines.build.beam_options import beam_options
    from pipelines.build.run import build, dry_run
    from pipelines.cli.views.tables import print_build

    mine = {"workers": parsed.workers, "stall_minutes": parsed.stall_minutes}
    options = read_options(parsed, parsed.out, **mine)
    own = [option for action in parser._actions for option in action.option_strings]
    passed_on = beam_options(rest, own)
    if parsed.dry_run:
        dry_run(options, passed_on)
        return 0
    with children_find_ours():  # the worker processes of Beam
        manifest = build(options, passed_on)
    print_build(manifest, parsed.out, brief=parsed.brief)
    return 0


def quiet_engines() -> None:
    """Keep what engines log from the terminal: Beam raises it as well, and of Dask we say it ourselves."""
    logging.basicConfig(level=logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: "apache_beam" not in record.pathname)
        handler.addFilter(lambda record: not record.name.startswith("distributed"))


def read_options(parsed: argparse.Namespace, out: str, **others: object) -> BuildOptions:
    """Return the options of a build into `out`, as the arguments of `add_options` say; `others` by name.

    Raises:
        UserError: an argument cannot be used.
    """
    from pipelines.build.mixture_options import read_mixture_options
    from pipelines.cli.own_sources import read_source_files

    for file in parsed.source:
        if not file.endswith((".yaml", ".yml")) and not os.path.exists(file):
            raise OptionError(
                f"--source {file}: no such source file; sources of the 26 are named by --sources {file}"
            )
    # Not every command reads mirrors.
    origin, from_mirrors, names = getattr(parsed, "origin", "publisher").partition("=")
    from_hub = origin == "hub"
    if origin not in ("publisher", "hub") or (from_mirrors and not from_hub):
        raise OptionError(f"--from {parsed.origin}: give publisher, hub, or hub=A,B with sources")
    if parsed.raw is None and not parsed.source and not from_hub:
        raise OptionError(
            "give --raw DIR, --source FILE or --from hub: there is nothing to build from"
        )
    if parsed.raw is None and parsed.sources and (from_mirrors or not from_hub):
        raise OptionError(f"--sources {parsed.sources} needs --raw DIR, the folder of their files")
    if parsed.raw is not None and "://" not in parsed.raw and not os.path.isdir(parsed.raw):
        raise OptionError(
            f"--raw {parsed.raw}: no such folder; `visinstruct sources` lists the files that are expected"
        )
    declared = read_source_files(parsed.source)
    values = {name: getattr(parsed, name) for name in _PLAIN} | {
        "raw": None if parsed.raw is None else absolute(parsed.raw),
        "origin": origin,
        "hub_sources": _names("--from hub=", names) if from_mirrors else None,
        "declared": declared,
        "out": absolute(out),
        "template_dir": str(template_folder(parsed.template_dir).absolute()),
        "sources": _names("--sources", parsed.sources),
        "splits": _names("--splits", parsed.splits),
        "image_roots": dict(_image_root(text) for text in parsed.image_root),
        "mixture": read_mixture_options(parsed.mixture, own=[each.name for each in declared]),
        **others,
    }
    return make_options(**values)


_PLAIN = (
    "limit",
    "images",
    "image_max_side",
    "follow_links",
    "missing_images",
    "max_reject_fraction",
    "max_missing_fraction",
    "seed",
    "max_memory",
)
"""Arguments that are options of a build under their own names."""


def _names(option: str, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise OptionError(f"{option} names nothing; leave it out to take all")
    return names


def _image_root(text: str) -> tuple[str, str]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise OptionError(f"--image-root {text!r} is not NAME=DIR, such as coco=/data/coco")
    return name, absolute(folder)
