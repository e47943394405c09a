"""Names a build by everything that its bytes depend on."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datagen
import templates
from datagen.build.options import BuildOptions
from datagen.build.plan import InputFile
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
