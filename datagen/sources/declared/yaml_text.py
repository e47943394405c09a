"""YAML as source files use it: texts, whole and decimal numbers, `true`, `false`, `null`, lists and keys."""

import re
from typing import Any

import yaml

_TRUE_OR_FALSE = re.compile(r"true|false")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")


class YamlError(ValueError):
    """A text that is no YAML, or uses what source files do not."""


def parse_documents(data: bytes | str) -> list[Any]:
    """Return the content of each document that is not empty.

    Raises:
        YamlError: with line and column.
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        return [each for each in yaml.load_all(text, _Loader) if each is not None]
    except UnicodeDecodeError as error:
        raise YamlError(f"it is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise YamlError("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(" ".join(str(error).split())) from None


class _Loader(yaml.SafeLoader):
    """Safe loader with few kinds of values, that refuses aliases, repeated keys and keys that are no text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (yaml's)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("anchors (&name) and aliases (*name) are not used in source files")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            kind = key.tag.rpartition(":")[2]
            if not isinstance(key, yaml.ScalarNode) or kind not in ("str", "int", "float"):
                shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                raise yaml.YAMLError(
                    f"the key {shown} is no text: put it in quotes{key.start_mark}"
                )
            key.tag = "tag:yaml.org,2002:str"  # numbers as they are written
            if key.value in seen:
                raise yaml.YAMLError(f"key {key.value!r} is given twice{key.start_mark}")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(f"(?:{_TRUE_OR_FALSE.pattern})$"), list("tf")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(f"(?:{_WHOLE.pattern})$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(f"(?:{_DECIMAL.pattern})$"), list("-+0123456789.")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|)$"), ["~", "n", ""])
