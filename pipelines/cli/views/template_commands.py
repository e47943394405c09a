"""What `visinstruct templates` does."""

import argparse
from collections.abc import Iterator
from tempfile import TemporaryDirectory

from rich.table import Table
from rich.text import Text

from datagen.build.preview import examples_in
from datagen.dataset import open_dataset
from datagen.errors import OptionError
from datagen.render import chance, fields_of
from datagen.schema.example import Example
from pipelines.cli.views.record_view import first_records
from pipelines.console import output, visible
from templates.catalog import TASKS
from templates.errors import RenderError, TemplateSetError
from templates.library import TemplateSet, Wording, read_templates, template_folder
from templates.lint import lint


def list_templates(template_dir: str, source: str | None) -> int:
    """Every template, by task."""
    templates = _read(template_dir)
    console = output()
    shown = 0
    for task in TASKS:
        wordings = [
            wording
            for wording in templates.wordings
            if wording.task == task and source in (None, *wording.sources)
        ]
        if wordings:
            named = dict.fromkeys(name for wording in wordings for name in wording.sources)
            console.print(Text.assemble((task, "bold"), f" for {', '.join(named)}"))
            rows = Table.grid(padding=(0, 2))
            for wording in wordings:
                texts = (wording.instruction.source, wording.target.source)
                rows.add_row(f"  {wording.template_id}", *(Text(text) for text in texts))
            console.print(rows, "")
            shown += len(wordings)
    if not shown:
        raise OptionError(f"no template for source {source!r} in {template_dir}")
    tasks = len({wording.task for wording in templates.wordings})
    console.print(
        f"{shown} templates shown; {len(templates.wordings)} in {tasks} tasks, "
        f"{len(templates.protocols)} protocols, hash {templates.hash[:16]}"
    )
    return 0


def lint_templates(template_dir: str) -> int:
    """Print every finding; 1 if there is any, or nothing to check."""
    report = lint(template_dir)
    console = output()
    for finding in report.findings:
        console.print(Text(str(finding)))
    checked = report.template_set
    console.print(
        f"checked {len(checked.wordings)} templates and {len(checked.protocols)} protocols: "
        f"{len(report.findings)} findings"
    )
    return 0 if report.clean else 1


def preview(parsed: argparse.Namespace) -> int:
    """Every template that fits, rendered on rows of a raw folder or a built dataset."""
    if bool(parsed.raw) == bool(parsed.data):
        raise OptionError("preview needs rows: give either --raw DIR or --data OUT")
    if parsed.rows < 1:
        raise OptionError("--rows is 1 or more")
    templates = _read(parsed.template_dir)
    console = output()
    shown = 0
    examples = _raw_examples(parsed) if parsed.raw else _built_examples(parsed)
    for example in examples:
        rendered = [
            text
            for wording in _templates(templates, example, parsed.template)
            if (text := _rendered(wording, example)) is not None
        ]
        if rendered:
            console.print(Text(visible(example.example_id), "bold"), *rendered, "", sep="\n")
            shown += len(rendered)
    if not shown:
        wanted = parsed.template or parsed.source or "these rows"
        raise OptionError(f"nothing to preview: no template for {wanted} in {parsed.template_dir}")
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
            split = parsed.split or ("train" if "train" in splits else next(iter(splits)))
            if split in splits:
                for record in first_records(dataset, source, split, parsed.rows):
                    yield record.example()


def _templates(templates: TemplateSet, example: Example, only: str | None) -> list[Wording]:
    return [
        wording
        for form in templates.forms(example.source)
        for wording in form.wordings
        if only in (None, wording.template_id)
    ]


def _rendered(wording: Wording, example: Example) -> Text | None:
    """A template on an example; None if it needs a field that the example has not."""
    fields = fields_of(example, wording.task, chance(0, 0, example.example_id).answer)
    try:
        instruction = wording.instruction.render(fields)
        target = wording.target.render(fields)
    except RenderError:
        return None
    return Text.assemble(
        (f"  {wording.template_id}\n", "dim"),
        (_indented(instruction) + "\n", "cyan"),
        (_indented(f"-> {target}"), "green"),
    )


def _indented(text: str) -> str:
    return "    " + visible(text).replace("\n", "\n    ")
