"""Names a build by everything that its bytes depend on."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import datagen
import templates
from datagen.build.options import BuildOptions
from datagen.build.plan import InputFile
from datagen.schema.adapter import Source, SplitFiles
from datagen.schema.manifest import SCHEMA_VERSION
from templates.library import load_templates
from templates.prompt_spec import PromptSpec

LIBRARIES = ("pyarrow", "jinja2", "msgspec", "pillow", "simplejpeg", "av", "numpy")
"""The libraries whose version may change a byte."""

LIMITS = ("max_reject_fraction", "max_missing_fraction")
"""Options that only decide whether the result is published."""


@cache
def versions() -> dict[str, str]:
    """Versions of the code and of what it writes with; `code` is a hash of our own modules."""
    return {
        "visinstruct": _version("visinstruct"),
        "code": _code_hash(),
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
    }


def worker_versions() -> dict[str, str]:
    """Return the versions in this process that must be the same in all processes of a build."""
    return {**versions(), "apache-beam": _version("apache-beam")}


def different_versions(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Return the names and versions in which a worker differs, in words; empty if it does not."""
    return ", ".join(
        f"{name} {theirs.get(name, 'missing')} instead of {version}"
        for name, version in ours.items()
        if theirs.get(name) != version
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except ModuleNotFoundError:  # running from a source folder
        return "source"


def _code_hash() -> str:
    digest = hashlib.sha256()
    for package in (datagen, templates):
        assert package.__file__ is not None
        folder = Path(package.__file__).parent
        for path in sorted(folder.rglob("*.py")):
            if "sample" not in path.relative_to(folder).parts:
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Identity:
    """Everything that a build's bytes depend on, and sixteen hex digits that name it."""

    options: Mapping[str, Any]
    template_hash: str
    inputs: Mapping[str, Mapping[str, InputFile]]
    versions: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        return self._hash(self.options)

    @property
    def work(self) -> str:
        """Names what is rendered and written, whatever may then be rejected of it."""
        return self._hash({k: v for k, v in self.options.items() if k not in LIMITS})

    def _hash(self, options: Mapping[str, Any]) -> str:
        inputs = {s: {name: f.sha256 for name, f in fs.items()} for s, fs in self.inputs.items()}
        content = [SCHEMA_VERSION, options, self.template_hash, inputs, self.versions]
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


Key: TypeAlias = tuple[str, str]  # source, split
Fingerprints: TypeAlias = Mapping[Key, Mapping[str, str]]


def split_fingerprints(
    options: BuildOptions,
    chosen: Sequence[tuple[Source, SplitFiles]],
    inputs: Mapping[str, Mapping[str, InputFile]],
) -> Fingerprints:
    """Return what the shards of each split depend on, beside what all splits share.

    `files` are those that its rows and joins are read from, `definition` is that of a declared source,
    `templates` what it is rendered with, and `weight` all that the weight of its records follows from.
    """
    found: dict[Key, dict[str, str]] = {}
    for source, layout in chosen:
        card, templates = source.card, options.templates_of(source.id)
        is_evaluated = options.evaluates_on(card, layout.split)
        definition = options.definition(source.id)
        parts = {
            "files": _digest(_files_of(source, layout, chosen, inputs.get(source.id, {}))),
            "templates": templates.evaluation_hash if is_evaluated else templates.training_hash,
        }
        mirrored = next((each for each in options.mirrors if each.name == source.id), None)
        if definition is not None:
            parts["definition"] = _digest(definition.model_dump(mode="json", by_alias=True))
        elif mirrored is not None:  # the revision is in the digests of its files
            parts["definition"] = _digest(
                mirrored.model_dump(mode="json", by_alias=True, exclude={"revision", "lacks"})
            )
        found[source.id, layout.split] = parts
    return found | {
        key: parts
        | {"weight": _digest([_mixture_of(options, key[0]), _trained(options, key, found)])}
        for key, parts in found.items()
        if options.trains_on(options.source(key[0]).card, key[1])
    }


def _files_of(
    source: Source,
    layout: SplitFiles,
    chosen: Sequence[tuple[Source, SplitFiles]],
    inputs: Mapping[str, InputFile],
) -> object:
    """Return the layout, digests of the files, and the splits among which the file's rows are divided."""
    names = inputs if source.in_staging else (*layout.files(), *layout.optional_files())
    sharing = [
        other.split
        for each, other in chosen
        if each.id == source.id and other.rows.file == layout.rows.file
    ]
    digests = {name: inputs[name].sha256 for name in names if name in inputs}
    return [layout.layout_name, digests, sharing]


def _mixture_of(options: BuildOptions, source: str) -> object:
    mixture = options.mixture
    return [mixture.rule, mixture.temperature, mixture.cap, mixture.factors.get(source, 1.0)]


def _trained(options: BuildOptions, key: Key, found: Fingerprints) -> object:
    """Return the fingerprints of all splits that a source is trained on: their records share a weight."""
    card = options.source(key[0]).card
    return {
        s: dict(parts)
        for (source, s), parts in found.items()
        if source == key[0] and options.trains_on(card, s)
    }


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def identify(
    options: BuildOptions,
    inputs: Mapping[str, Mapping[str, InputFile]],
    specs: Iterable[PromptSpec] = (),
) -> Identity:
    """Return the identity of a build; equal for two builds that must give equal bytes.

    `specs` are those of its sources.
    """
    template_hash = load_templates(options.template_dir).hash_with(specs)
    return Identity(options.identity(), template_hash, inputs, versions())
