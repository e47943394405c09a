"""Errors in template files, each with its place and its remedy."""

from collections.abc import Sequence
from dataclasses import dataclass


class UnsupportedSyntaxError(ValueError):
    """A template text that the closed language does not allow.

    `field` is the name at fault, if any; `remedy` is what to write instead.
    """

    def __init__(self, message: str, remedy: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.field = field


class RenderError(ValueError):
    """A template cannot render an example: its fields do not fit the template."""


class MissingFieldError(RenderError):
    """The example lacks a field that the template requires."""


class RenderedTooLongError(RenderError):
    """The rendered text is longer than allowed."""


@dataclass(frozen=True, order=True)
class Finding:
    """One error in a template set: file, template and field, message and remedy."""

    file: str
    rule: str
    message: str
    remedy: str
    template_id: str = ""
    field: str = ""

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.file, self.template_id, self.field) if part)
        return f"{place}: {self.message}; {self.remedy} [{self.rule}]"


class TemplateSetError(ValueError):
    """Template files that cannot be used; the message lists every error."""

    def __init__(self, directory: str, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        count = f"{len(findings)} error{'s' if len(findings) != 1 else ''}"
        super().__init__(
            "\n  ".join([f"templates in {directory} cannot be used, {count}:", *map(str, findings)])
        )
