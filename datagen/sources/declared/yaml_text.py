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
    except yaml.MarkedYAMLError as error:
        raise YamlError(_plain(error)) from None
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise YamlError(f"it holds the character U+{code:04X}, which no YAML has") from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(" ".join(str(error).split())) from None


def _plain(error: yaml.MarkedYAMLError) -> str:
    """Return what an error of the parser means for a source file, with line and column, and what to do."""
    problem, mark = error.problem or "", error.problem_mark or error.context_mark
    character = re.search(r"found character '(.+)' that cannot start", problem)
    tag = re.search(r"constructor for the tag '(.+)'", problem)
    if character is not None and character[1] == "\\t":
        problem = "a tab; indent with blanks, which is all that YAML knows"
    elif character is not None:
        problem = f"a text that begins with {character[1]} must be in quotes"
    elif tag is not None:
        name = tag[1].replace("tag:yaml.org,2002:", "!!")
        problem = f"the tag {name} is refused, as it may run code; put a text that begins with ! in quotes"
    elif problem.startswith("mapping values are not allowed"):
        problem = "a colon where no key can be; put a text with a colon and a blank in quotes, and begin keys of one level in one column"
    elif error.context_mark is not None and error.context_mark.line != (mark and mark.line):
        problem += f", {error.context} that begins on line {error.context_mark.line + 1}"
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    return " ".join(f"{where}{problem}".split())


class _Loader(yaml.SafeLoader):
    """Safe loader with few kinds of values, that refuses aliases, repeated keys and keys that are no text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (yaml's)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            message = "anchors (&name) and aliases (*name) are not used in source files"
            raise yaml.MarkedYAMLError(problem=message, problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            kind = key.tag.rpartition(":")[2]
            if not isinstance(key, yaml.ScalarNode) or kind not in ("str", "int", "float"):
                shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                message = f"the key {shown} is no text: put it in quotes"
                raise yaml.MarkedYAMLError(problem=message, problem_mark=key.start_mark)
            key.tag = "tag:yaml.org,2002:str"  # numbers as they are written
            if key.value in seen:
                message = f"key {key.value!r} is given twice"
                raise yaml.MarkedYAMLError(problem=message, problem_mark=key.start_mark)
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
