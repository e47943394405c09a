"""The result of checking a declared source, on a terminal."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datagen.build.options import BuildOptions
from datagen.errors import Reason, RowRejectedError
from datagen.render import chance, draw_by_chance, evaluation
from datagen.schema.example import Example
from datagen.sources.declared.check import Checker
from datagen.sources.declared.compile import compile_source, use_of
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.protocol import read_protocol
from datagen.sources.declared.row import Problem
from pipelines.console import output, visible
from templates.library import TemplateSet

FIRST = 5
"""Problems shown of each kind."""
MARKS = {
    "reject": ("rejected", "red"),
    "count": ("left out", "yellow"),
    "warn": ("look at", "cyan"),
}


def print_check(checker: Checker, examples: Sequence[Example], template_set: TemplateSet) -> None:
    """Print counts by split, the first problems of each reason, and some records as they are rendered."""
    console = output()
    definition = checker.definition
    title = definition.title or definition.name
    console.print(Text(f"{visible(title)} ({definition.name}, {definition.task})", "bold"))
    console.print(_counts(checker))
    _print_problems(checker.problems, console)
    for line in limits_passed(checker):
        console.print(Text(f"\n{line}", "red"))
    _print_records(definition, examples, template_set, console)


def _print_records(
    definition: Definition,
    examples: Sequence[Example],
    template_set: TemplateSet,
    console: Console,
) -> None:
    """Print examples as a build renders them: with a template, or with the protocol."""
    templates = template_set.of(compile_source(definition).card.prompts)
    protocol = read_protocol(definition)
    for example in examples:
        chances = chance(0, 0, example.example_id)
        trained = use_of(definition, example.split) == "train"
        console.print(Text(f"\n{visible(example.example_id)}", "bold"))
        try:
            if trained or protocol is None:
                drawn = draw_by_chance(example, templates, chances)
            else:
                drawn = evaluation(example, protocol, chances, templates.spec.title)
        except RowRejectedError as error:
            console.print(Text(f"  {visible(error.message)}", "red"))
            continue
        for image in example.images or (example.video,):
            console.print(Text(f"  image  {visible(str(image))}", "dim"))
        console.print(Text(f"  prompt {visible(drawn.instruction)}  ({drawn.template_id})", "cyan"))
        target = "(hidden)" if drawn.target is None else drawn.target
        console.print(Text(f"  target {visible(target)}", "green"))


def limits_passed(checker: Checker) -> Iterator[str]:
    """Yield a sentence for each limit on rejected rows and missing images at which a build stops."""
    checks = {s: c for s, c in checker.splits.items() if use_of(checker.definition, s) != "ignore"}
    rejected = Counter[str]()
    for check in checks.values():
        rejected += check.rejected
    left_out = sum(check.left_out.total() for check in checks.values())
    read = sum(check.records for check in checks.values()) + rejected.total() + left_out
    absent = rejected.pop(Reason.MEDIA_MISSING.value, 0)
    allowed = checker.definition.max_missing_images
    if absent > allowed * read:
        yield (
            f"a build stops here: {absent:,} of {read:,} lack their image, more than max_missing_images "
            f"{allowed}; find the images, or raise it"
        )
    allowed = BuildOptions.model_fields["max_reject_fraction"].default
    if rejected.total() > allowed * read:
        yield (
            f"a build stops here: {rejected.total():,} of {read:,} are rejected for other reasons, more than "
            f"{allowed}; mend them, or build with --max-reject-fraction"
        )


def _counts(checker: Checker) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("split", "use"):
        table.add_column(name)
    for name in ("read", "records", "rejected", "left out", "images"):
        table.add_column(name, justify="right")
    for split, check in checker.splits.items():
        rejected, left_out = check.rejected.total(), check.left_out.total()
        numbers = (check.records + rejected + left_out, check.records, rejected, left_out)
        cells = [f"{number:,}" for number in (*numbers, len(check.images))]
        table.add_row(split, use_of(checker.definition, split), *cells)
    return table


def _print_problems(problems: Sequence[Problem], console: Console) -> None:
    grouped: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        grouped[problem.severity, str(problem.reason)].append(problem)
    order = list(MARKS)
    for (severity, reason), found in sorted(
        grouped.items(), key=lambda each: order.index(each[0][0])
    ):
        mark, style = MARKS[severity]
        console.print(Text.assemble((f"\n{mark}: {reason}", style), f", {len(found):,}"))
        for problem in found[:FIRST]:
            console.print(Text(f"  {visible(str(problem.place))}: {visible(problem.message)}"))
        if len(found) > FIRST:
            console.print(Text(f"  and {len(found) - FIRST:,} more", "dim"))
    if not problems:
        console.print(Text("everything fits", "green"))
