"""Prompt specs: which tasks, templates and title a source is rendered with.

A spec is passed by value wherever a source is rendered, so that a source need not be one of the 26. It
comes from the source's card, or from the manifest of a dataset.
"""

from dataclasses import dataclass

from templates.tasks import SOURCES


@dataclass(frozen=True)
class TemplateContent:
    """A template by value, as a source brings it along that has templates of its own."""

    id: str
    task: str
    instruction: str
    target: str
    allow_blank: bool = False
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromptSpec:
    """All that the rendering of a source depends on, besides its examples and the template set.

    `title` is the dataset's name as templates show it. Each of `tasks` gives the source a form, of which
    every draw chooses one. `styles` are beginnings of template ids, such as `vqa.short_answer`; a task
    that none of them begins with is rendered with all of its templates. `own` replaces the template
    set's templates in the tasks that it has.
    """

    id: str
    title: str
    tasks: tuple[str, ...]
    styles: tuple[str, ...] = ()
    own: tuple[TemplateContent, ...] = ()

    def styles_of(self, task: str) -> tuple[str, ...]:
        """Return the styles of one task."""
        return tuple(each for each in self.styles if each.partition(".")[0] == task)


_SEVERAL_TASKS = {"aokvqa": ("vqa", "multiple_choice")}


def published_spec(source: str, task: str) -> PromptSpec:
    """Return the spec of one of the 26 sources, given the task of its examples.

    It is that of the source's card, for callers that know no cards: those of records alone.
    """
    return PromptSpec(source, SOURCES[source], _SEVERAL_TASKS.get(source, (task,)))
