"""The README.md of a dataset, as the Hugging Face Hub reads it: one configuration a source."""

from collections.abc import Callable, Mapping, Sequence

import yaml

from datagen.schema.adapter import Source
from datagen.schema.card import SourceCard
from datagen.schema.manifest import Manifest
from datagen.sources import load_source


def hub_card(
    manifest: Manifest,
    trained: Mapping[str, tuple[str, ...]],
    source_of: Callable[[str], Source] = load_source,
) -> str:
    """Return the card's text; `trained` are the splits of the default configuration, by source."""
    cards = {source: source_of(source).card for source in manifest.splits}
    configs: list[dict[str, object]] = []
    content = f"dataset {manifest.content_hash[:16]}"  # `datasets` caches by folder name and this
    filled = {
        source: [split for split, entry in splits.items() if entry.written]
        for source, splits in manifest.splits.items()
    }
    default = [
        _pattern(source, split)
        for source, splits in trained.items()
        for split in splits
        if split in filled[source]
    ]
    if default:
        configs.append(
            {
                "config_name": "default",
                "description": content,
                "default": True,
                "data_files": [{"split": "train", "path": default}],
            }
        )
    for source, held in filled.items():
        if held:
            files = [{"split": split, "path": _pattern(source, split)} for split in held]
            configs.append({"config_name": source, "description": content, "data_files": files})
    header = {
        "configs": configs,
        "language": ["en"],
        **_licence(manifest, [cards[source] for source, held in filled.items() if held]),
        "tags": ["instruction-tuning", "vision-language", "instructblip"],
        "size_categories": [_size_category(manifest)],
    }
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n\n{_body(manifest, cards)}"


def _pattern(source: str, split: str) -> str:
    return f"data/{source}/{split}-*.parquet"


_HUB_LICENCES = frozenset(
    [
        "apache-2.0",
        "bsd-2-clause",
        "bsd-3-clause",
        "cc0-1.0",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nd-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "gpl-3.0",
        "lgpl-3.0",
        "mit",
        "odbl",
        "odc-by",
        "pddl",
    ]
)
"""Ids of https://hf.co/docs/hub/repositories-licenses for licences that data have."""


def hub_licence(licence: str) -> str | None:
    """Return the Hub's id of a licence such as `CC BY 4.0` or `CC-BY-4.0`, None if it has none."""
    name = licence.strip().lower().replace(" ", "-")
    return name if name in _HUB_LICENCES else None


def _licence(manifest: Manifest, cards: Sequence[SourceCard]) -> dict[str, object]:
    """Return the header's licence: an id if one known licence covers all, else `other` with a list.

    Embedded images and videos are part of the dataset, so their licences count too. A source whose
    card names no licence is listed as unknown.
    """
    by_licence: dict[str, list[str]] = {}
    for card in cards:
        licences = {"": card.licence.value}
        if manifest.images == "embed":
            licences[" (media)"] = card.media_licence.value
        for part, licence in licences.items():
            by_licence.setdefault(licence or "unknown", []).append(card.id + part)
    if not by_licence:
        return {}
    if len(by_licence) == 1 and (known := hub_licence(next(iter(by_licence)))):
        return {"license": known}
    return {
        "license": "other",
        "license_name": "licences-of-the-sources",
        "license_details": "; ".join(
            f"{licence}: {', '.join(covered)}" for licence, covered in sorted(by_licence.items())
        ),
    }


def _size_category(manifest: Manifest) -> str:
    records = sum(e.written for splits in manifest.splits.values() for e in splits.values())
    bounds = ("1K", "10K", "100K", "1M", "10M", "100M")
    for power, name in enumerate(bounds, start=3):
        if records < 10**power:
            return f"n<{name}" if power == 3 else f"{bounds[power - 4]}<n<{name}"
    return "100M<n<1B"


def _body(manifest: Manifest, cards: Mapping[str, SourceCard]) -> str:
    lines = [
        "# Instruction-tuning data in InstructBLIP's form",
        "",
        "Built by visinstruct from the publishers' files. Each record is one example with its typed",
        f"fields and one rendered instruction (template set `{manifest.template_set}`, seed",
        f"{manifest.render_seed}). `default` holds the held-in training sets; draw from them by the",
        "mixture below, not uniformly: `weight` is the relative sampling weight of a record. In",
        "evaluation splits the instruction is the fixed protocol prompt.",
        "`manifest.json` has counts, rejections, hashes and versions.",
        "",
        "| source | split | records | licence of the annotations | non-commercial only |",
        "|---|---|---|---|---|",
    ]
    for source, splits in manifest.splits.items():
        card = cards[source]
        commercial = {True: "yes", False: "no", None: "unknown, take as yes"}
        for split, entry in splits.items():
            lines.append(
                f"| {source} | {split} | {entry.written:,} | {card.licence.value or 'unknown'} | "
                f"{commercial[card.non_commercial.value]} |"
            )
    mirrors = {name: each.mirror for name, each in manifest.sources.items() if each.mirror}
    if mirrors:
        lines += ["", "Read from mirrors on the Hub, not from the publishers' files:", ""]
        lines += ["| source | repository | revision | lacks |", "|---|---|---|---|"]
        for source, mirror in mirrors.items():
            config = f" ({mirror.config})" if mirror.config else ""
            lacks = "; ".join(mirror.lacks) or "nothing that is known"
            revision = mirror.revision or "unknown"
            lines.append(f"| {source} | {mirror.repository}{config} | {revision} | {lacks} |")
    if manifest.notes:
        lines += ["", "Notes:", "", *(f"- {note}" for note in manifest.notes)]
    if manifest.mixture:
        lines += ["", "| trained on | records | probability |", "|---|---|---|"]
        for source, part in manifest.mixture.items():
            lines.append(f"| {source} | {part.size:,} | {part.probability:.4f} |")
    citations = dict.fromkeys(card.citation.value for card in cards.values())
    lines += ["", "Please cite the datasets:", ""]
    lines += [f"- {citation}" for citation in citations if citation]
    return "\n".join([*lines, ""])
