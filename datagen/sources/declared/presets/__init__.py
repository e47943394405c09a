"""Presets: layouts that many people's data have, as parts of source files.

A preset gives keys of a source file; every key that the file itself gives wins.
"""

from importlib.resources import files
from typing import Any

from datagen.sources.declared.yaml_text import parse_documents

PRESETS = (
    "alpaca",
    "coco_captions",
    "imagefolder",
    "lavis",
    "llava",
    "sharegpt",
    "vlmevalkit",
    "vqa_v2",
    "webdataset",
)


def read_preset(name: str) -> dict[str, Any]:
    """Return the keys of a preset, one of `PRESETS`."""
    (values,) = parse_documents(files(__package__).joinpath(f"{name}.yaml").read_bytes())
    assert isinstance(values, dict)
    return values
