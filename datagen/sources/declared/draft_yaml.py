"""Text of a drafted source file: a key a line, with the remarks as comments."""

from collections.abc import Mapping
from typing import Any

import yaml


class _Flow(dict[str, Any]):
    """A mapping that is written on one line."""


def _flow(value: Any) -> Any:
    return _Flow({k: _flow(v) for k, v in value.items()}) if isinstance(value, dict) else value


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Flow,
    lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True),
)


def yaml_text(found: Mapping[str, Any], remarks: Mapping[str, str]) -> str:
    """Return the lines of a source file; keys without a value become comments, as do remarks."""
    lines = [
        "# A draft: every line with a question is a guess. Confirm or correct it, then",
        "# run `visinstruct source check` on this file.",
    ]
    for key, value in found.items():
        if value is None:
            lines.append(f"# {key}:  # {remarks[key]}")
            continue
        shown = _flow(value)
        dumped = yaml.dump(
            _Flow({key: shown}), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000
        ).rstrip()
        dumped = dumped.removeprefix("{").removesuffix("}")
        lines.append(dumped + (f"  # {remarks[key]}" if key in remarks else ""))
    lines += [f"# {key}: {text}" for key, text in remarks.items() if key not in found]
    return "\n".join(lines) + "\n"
