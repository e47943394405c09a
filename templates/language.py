"""Template language: a small part of Jinja whose work and output are bounded.

A template may hold text, fields, `if`/`else`, `for` over a field, indexing, and the filters and tests
listed here. Everything else of Jinja (attributes, calls, arithmetic, `set`, macros, imports, globals)
is refused when the template is loaded: Jinja's sandbox guards objects but not work, so
`{{ 'a' * 200000000 }}` or nested ranges would run in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from string import ascii_lowercase
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2.filters import FILTERS
from jinja2.runtime import Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from templates.checker import ALLOWED, LIST_FILTERS, TEXT_FILTERS, check
from templates.errors import (
    MissingFieldError,
    RenderedTooLongError,
    RenderError,
    UnsupportedSyntaxError,
)
from templates.tasks import FieldKind

MAX_TEMPLATE_CHARS = 4_000
MAX_RENDERED_CHARS = 65_536


def lettered(choices: Sequence[str]) -> str:
    """Return `['cat', 'dog']` as `(a) cat (b) dog`, the way the paper writes options (appendix E)."""
    letters = (
        ascii_lowercase
        if len(choices) <= len(ascii_lowercase)
        else ["".join(pair) for pair in product(ascii_lowercase, repeat=2)]
    )
    if len(choices) > len(letters):
        raise RenderError(f"{len(choices)} choices, and letters for only {len(letters)}")
    return " ".join(
        f"({letter}) {choice}" for letter, choice in zip(letters, choices, strict=False)
    )


def _is_present(value: object) -> bool:
    return value is not None and not isinstance(value, Undefined)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    environment.globals.clear()
    environment.filters = {
        name: FILTERS[name] for name in (*TEXT_FILTERS, *LIST_FILTERS) if name in FILTERS
    }
    environment.filters["lettered"] = lettered
    environment.tests = {"defined": _is_present}
    return environment


_ENVIRONMENT = _environment()


@dataclass(frozen=True)
class TemplateText:
    """A checked and compiled template text. `required` fields must be present, `optional` ones may be None.

    `is_plain` templates hold only text and text fields.

    Examples:
        >>> template = compile_template("Question: {{ question }}", {"question": FieldKind.TEXT})
        >>> template.render({"question": "what is it?"})
        'Question: what is it?'
    """

    source: str
    required: frozenset[str]
    optional: frozenset[str]
    is_plain: bool
    _write: Callable[[Mapping[str, Any]], str]

    def render(self, fields: Mapping[str, Any]) -> str:
        """Return the text for `fields`, which hold every name of the template (None where missing).

        Raises:
            RenderError: a required field is missing or None, an index is out of range, or the text is
                longer than `MAX_RENDERED_CHARS`.
        """
        for name in self.required:
            if fields.get(name) is None:
                raise MissingFieldError(f"field {name!r} is absent, and {self.source!r} needs it")
        try:
            text = self._write(fields)
        except UndefinedError as error:
            raise RenderError(
                f"{error.message}{self._lengths(fields)}, in {self.source!r}"
            ) from None
        if len(text) > MAX_RENDERED_CHARS:
            raise _too_long(len(text))
        return text

    def _lengths(self, fields: Mapping[str, Any]) -> str:
        """Return the lengths of the lists that the template uses, as " (choices has 1)"."""
        lengths = [
            f"{name} has {len(fields[name])}"
            for name in sorted(self.required | self.optional)
            if isinstance(fields.get(name), list | tuple)
        ]
        return f" ({', '.join(lengths)})" if lengths else ""


def _too_long(length: int) -> RenderedTooLongError:
    return RenderedTooLongError(
        f"rendered text has {length} characters, {MAX_RENDERED_CHARS} are allowed"
    )


def compile_template(source: str, fields: Mapping[str, FieldKind]) -> TemplateText:
    """Check `source` against the closed language and the known `fields`, then compile it.

    What was compiled is kept: template sets share the shipped protocols.

    Raises:
        UnsupportedSyntaxError: `source` is outside the closed language.
    """
    return _compile(source, tuple(fields.items()))


@lru_cache(maxsize=4096)
def _compile(source: str, fields: tuple[tuple[str, FieldKind], ...]) -> TemplateText:
    if len(source) > MAX_TEMPLATE_CHARS:
        raise UnsupportedSyntaxError(
            f"template of {len(source)} characters",
            f"keep it under {MAX_TEMPLATE_CHARS} characters",
        )
    try:
        tree = _ENVIRONMENT.parse(source)
        required, optional = check(tree, dict(fields))
    except TemplateSyntaxError as error:
        raise UnsupportedSyntaxError(f"not Jinja: {error.message}", ALLOWED) from None
    except RecursionError:
        raise UnsupportedSyntaxError("template nested too deeply", ALLOWED) from None
    plain = _plain_writer(tree)
    return TemplateText(
        source, required, optional, plain is not None, plain or _jinja_writer(source)
    )


def _plain_writer(tree: nodes.Template) -> Callable[[Mapping[str, Any]], str] | None:
    """Return a `%` format for a template of text and bare fields: the same text, ten times as fast."""
    parts = []
    for node in tree.body:
        if not isinstance(node, nodes.Output):
            return None
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                parts.append(part.data.replace("%", "%%"))
            elif isinstance(part, nodes.Name):
                parts.append(f"%({part.name})s")
            else:
                return None
    return "".join(parts).__mod__


def _jinja_writer(source: str) -> Callable[[Mapping[str, Any]], str]:
    """Do what `Template.render` of Jinja does, less merging its (empty) globals on every call."""
    template = _ENVIRONMENT.from_string(source)
    environment, name, blocks = template.environment, template.name, template.blocks

    def write(fields: Mapping[str, Any]) -> str:
        context = environment.context_class(environment, dict(fields), name, blocks)
        pieces: list[str] = []
        length = 0
        for piece in template.root_render_func(context):
            length += len(piece)
            if length > MAX_RENDERED_CHARS:
                raise _too_long(length)
            pieces.append(piece)
        return "".join(pieces)

    return write
