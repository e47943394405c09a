"""The manifest: what a dataset holds, of what it was made, and the hash that names its content.

It is written last: a folder without manifest is no dataset. Time, machine and runner are not in it, so
equal inputs, options and versions give an equal file; the report of a run lies beside it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from datagen.errors import OutputError
from datagen.files import Files
from templates.prompt_spec import PromptSpec, TemplateContent, published_spec
from templates.tasks import SOURCES

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""Version 1 stored the weight of a record as `probability / size`, which depends on the other sources."""
MANIFEST_NAME = "manifest.json"
MIXTURE_NAME = "mixture.parquet"


class ShardEntry(Struct, frozen=True, kw_only=True):
    """A Parquet file: path below the dataset, rows, size and sha256."""

    path: str
    rows: int
    num_bytes: int
    sha256: str


class SplitEntry(Struct, frozen=True, kw_only=True):
    """One split. `read` = `written` + rejected + filtered, and `written` is the rows of the shards.

    `rows` counts rows of the publisher's file, of which one may give several records or none.
    `fingerprints` name what the shards depend on, by kind: a later build reuses the split if they are equal.
    `groups` counts distinct images, videos or dialogs. `expected` says by release how many records
    the card expects, `expected_verified` whether that number was checked.
    """

    layout: str
    rows: int
    read: int
    written: int
    rejected: Mapping[str, int]
    filtered: Mapping[str, int]
    reencoded: int
    groups: int
    expected: Mapping[str, int]
    expected_verified: bool
    shards: tuple[ShardEntry, ...]
    fingerprints: Mapping[str, str] = msgspec.field(default_factory=dict)


class CandidatesEntry(Struct, frozen=True, kw_only=True):
    """A source's answer vocabulary; without it, `reason` says why ranking has to be refused."""

    path: str | None
    rows: int
    sha256: str | None
    reason: str | None = None


class MixtureEntry(Struct, frozen=True, kw_only=True):
    """A source's part in the mixture, as `datagen.mixture.MixturePart`.

    The `weight` of its records is `factor * weight / size`.
    """

    size: int
    weight: float
    factor: float
    probability: float


class Leak(Struct, frozen=True, kw_only=True):
    """Overlap of a training set with an evaluation split: images, and whole examples."""

    training: str
    evaluation: str
    groups: int
    examples: int


class Leakage(Struct, frozen=True, kw_only=True):
    """`verdict` is clean, images_shared or examples_shared; `leaks` names every pair."""

    verdict: str
    leaks: tuple[Leak, ...]


class MirrorEntry(Struct, frozen=True, kw_only=True):
    """The mirror on the Hub that a source was read from.

    `revision` is the commit; None for a local copy that does not know it. `lacks` says what the
    publisher's files have and the mirror has not.
    """

    repository: str
    config: str | None
    revision: str | None
    lacks: tuple[str, ...]


class SourceEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that the rendering of a source needs beside the template set: see `PromptSpec`.

    `template_hash` names what the source's splits were rendered with: its templates and default
    protocol. `use` says by split whether it is for `train`, to `evaluate`, or `unused`. `mirror` is there
    where the source was not read from the publisher's files.
    """

    title: str
    tasks: tuple[str, ...]
    templates: tuple[str, ...]
    own_templates: tuple[TemplateContent, ...]
    template_hash: str
    held_in: bool
    use: Mapping[str, Literal["train", "evaluate", "unused"]]
    mirror: MirrorEntry | None = None


class Manifest(Struct, frozen=True, kw_only=True):
    """See the module's docstring; `docs/reference/dataset.md` explains every field.

    `protocols` has those of own sources, each as the content of a protocol file.
    """

    schema_version: int
    content_hash: str
    fingerprint: str
    template_set: str
    template_hash: str
    render_seed: int
    images: str
    options: Mapping[str, Any]
    mixture: Mapping[str, MixtureEntry]
    splits: Mapping[str, Mapping[str, SplitEntry]]
    missing: Mapping[str, Mapping[str, tuple[str, ...]]]
    candidates: Mapping[str, CandidatesEntry]
    rejected_files: Mapping[str, str]
    leakage: Leakage
    inputs: Mapping[str, Mapping[str, Mapping[str, Any]]]
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()
    protocols: Mapping[str, Mapping[str, Any]] = {}
    sources: Mapping[str, SourceEntry] = msgspec.field(default_factory=dict)

    def prompts(self, source: str, task: str) -> PromptSpec:
        """Return what a source of this dataset is rendered with; `task` is that of its records.

        Manifests of earlier releases do not say it; their sources are of the 26.
        """
        entry = self.sources.get(source)
        if entry is None:
            return published_spec(source, task)
        return PromptSpec(source, entry.title, entry.tasks, entry.templates, entry.own_templates)

    def title(self, source: str) -> str:
        """Return the name of a source's dataset; the id of one that this dataset does not hold."""
        entry = self.sources.get(source)
        return SOURCES.get(source, source) if entry is None else entry.title

    def own_prompts(self) -> tuple[PromptSpec, ...]:
        """Return what the sources are rendered with that are not of the 26."""
        own = self.sources.keys() - SOURCES.keys()
        return tuple(self.prompts(source, "") for source in sorted(own))

    def split(self, source: str, split: str) -> SplitEntry:
        """Return the entry of a split.

        Raises:
            OutputError: the dataset does not hold it.
        """
        try:
            return self.splits[source][split]
        except KeyError:
            held = ", ".join(f"{s}/{name}" for s, names in self.splits.items() for name in names)
            raise OutputError(f"this dataset has no {source}/{split}; it holds {held}") from None


def content_hash(
    splits: Mapping[str, Mapping[str, SplitEntry]],
    template_hash: str,
    mixture: Mapping[str, MixtureEntry],
) -> str:
    """Return the hash that a resumed run compares: of shards, templates and mixture."""
    shards = [
        [shard.path, shard.rows, shard.sha256]
        for source in sorted(splits)
        for split in sorted(splits[source])
        for shard in splits[source][split].shards
    ]
    content = [shards, template_hash, msgspec.to_builtins(mixture)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def encode_manifest(manifest: Manifest) -> bytes:
    encoded = msgspec.json.encode(manifest, order="deterministic")
    return msgspec.json.format(encoded, indent=1) + b"\n"


def read_manifest(directory: str, files: Files) -> Manifest:
    """Read the manifest of the dataset in `directory`.

    Raises:
        OutputError: it is missing or corrupt, or has a schema version that is not supported.
    """
    path = f"{directory}/{MANIFEST_NAME}"
    try:
        with files.open_binary(path) as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise OutputError(f"{directory} is no dataset: it has no {MANIFEST_NAME}") from None
    try:
        version = msgspec.json.decode(data, type=_Versioned).schema_version
        if version not in READABLE_VERSIONS:
            readable = " and ".join(map(str, READABLE_VERSIONS))
            raise OutputError(
                f"{path} has schema version {version}, this visinstruct reads {readable}; build "
                "the dataset again, or install the visinstruct that built it"
            )
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OutputError(f"{path} is damaged: {error}") from None


class _Versioned(Struct):
    schema_version: int
