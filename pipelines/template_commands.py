"""What `visinstruct templates` does."""

import argparse
from collections.abc import Iterator
from itertools import islice
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datagen.errors import OptionError, RowRejectedError
from datagen.example import Example
from datagen.preview import examples_in
from datagen.render import chance, fields_of
from datagen.shards import open_dataset
from templates.catalog import TASKS
from templates.errors import RenderError, TemplateSetError
from templates.library import TemplateSet, Wording, read_templates, template_folder
from templates.lint import lint


def list_wordings(template_dir: str, source: str | None) -> int:
    """Every wording with its task, sources and text."""
    templates = _read(template_dir)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "sources", "instruction", "target"):
        table.add_column(name)
    for task in TASKS:
        for wording in templates.wordings:
            if wording.task == task and (source is None or source in wording.sources):
                table.add_row(
                    wording.template_id,
                    ", ".join(wording.sources),
                    Text(wording.instruction.source),
                    Text(wording.target.source),
                )
    if not table.row_count:
        raise OptionError(f"no wording for source {source!r} in {template_dir}")
    console = Console()
    console.print(table)
    tasks = len({wording.task for wording in templates.wordings})
    console.print(
        f"{table.row_count} wordings shown; {len(templates.wordings)} in {tasks} tasks, "
        f"{len(templates.protocols)} protocols, hash {templates.hash[:16]}"
    )
    return 0


def lint_wordings(template_dir: str) -> int:
    """Print every finding; 1 if there is any, or nothing to check."""
    report = lint(template_dir)
    console = Console()
    for finding in report.findings:
        console.print(Text(str(finding)))
    checked = report.template_set
    console.print(
        f"checked {len(checked.wordings)} wordings and {len(checked.protocols)} protocols: "
        f"{len(report.findings)} findings"
    )
    return 0 if report.clean else 1


def preview(parsed: argparse.Namespace) -> int:
    """Every wording that fits, rendered on rows of a raw folder or a built dataset."""
    if bool(parsed.raw) == bool(parsed.data):
        raise OptionError("preview needs rows: give either --raw DIR or --data OUT")
    templates = _read(parsed.template_dir)
    console = Console()
    shown = 0
    examples = _raw_examples(parsed) if parsed.raw else _built_examples(parsed)
    for example in examples:
        console.print(Text(example.example_id, "bold"))
        for wording in _wordings(templates, example, parsed.template):
            shown += _show(wording, example, console)
    if not shown:
        wanted = parsed.template or parsed.source or "these rows"
        raise OptionError(f"nothing to preview: no wording for {wanted} in {parsed.template_dir}")
    return 0


def _read(template_dir: str) -> TemplateSet:
    """Fresh from disk: an author edits and looks again."""
    folder = template_folder(template_dir)
    templates, findings = read_templates(folder)
    if findings:
        raise TemplateSetError(str(folder), findings)
    return templates


def _raw_examples(parsed: argparse.Namespace) -> Iterator[Example]:
    with TemporaryDirectory() as folder:
        yield from examples_in(parsed.raw, folder, parsed.source, parsed.split, parsed.rows)


def _built_examples(parsed: argparse.Namespace) -> Iterator[Example]:
    dataset = open_dataset(parsed.data)
    for source, splits in dataset.manifest.splits.items():
        if parsed.source in (None, source):
            split = parsed.split or next(iter(splits))
            if split in splits:
                for record in islice(dataset.records(source, split), parsed.rows):
                    yield record.example()


def _wordings(templates: TemplateSet, example: Example, only: str | None) -> list[Wording]:
    return [
        wording
        for form in templates.forms(example.source)
        for wording in form.wordings
        if only in (None, wording.template_id)
    ]


def _show(wording: Wording, example: Example, console: Console) -> bool:
    fields = fields_of(example, wording.task, chance(0, 0, example.example_id).answer)
    try:
        instruction = wording.instruction.render(fields)
        target = wording.target.render(fields)
    except (RenderError, RowRejectedError):
        return False  # it needs a field that this example has not
    console.print(
        Text.assemble((f"  {wording.template_id}\n", "dim"), _indented(instruction, "cyan"))
    )
    console.print(_indented(f"-> {target}", "green"))
    return True


def _indented(text: str, style: str) -> Text:
    return Text("    " + text.replace("\n", "\n    "), style)
