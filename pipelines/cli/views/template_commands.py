"""Output of `visinstruct templates`."""

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
from templates.errors import RenderError, TemplateSetError
from templates.library import Template, TemplateSet, read_templates, template_folder
from templates.lint import lint
from templates.tasks import TASKS


def list_templates(template_dir: str, source: str | None) -> int:
    """Print every template, by task."""
    template_set = _read(template_dir)
    console = output()
    shown = 0
    for task in TASKS:
        fitting = [
            template
            for template in template_set.templates
            if template.task == task and source in (None, *template.sources)
        ]
        if fitting:
            named = dict.fromkeys(name for template in fitting for name in template.sources)
            console.print(Text.assemble((task, "bold"), f" for {', '.join(named)}"))
            rows = Table.grid(padding=(0, 2))
            for template in fitting:
                texts = (template.instruction.source, template.target.source)
                rows.add_row(f"  {template.template_id}", *(Text(text) for text in texts))
            console.print(rows, "")
            shown += len(fitting)
    if not shown:
        raise OptionError(f"no template for source {source!r} in {template_dir}")
    tasks = len({template.task for template in template_set.templates})
    console.print(
        f"{shown} templates shown; {len(template_set.templates)} in {tasks} tasks, "
        f"{len(template_set.protocols)} protocols, hash {template_set.hash[:16]}"
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
        f"checked {len(checked.templates)} templates and {len(checked.protocols)} protocols: "
        f"{len(report.findings)} findings"
    )
    return 0 if report.clean else 1


def preview(parsed: argparse.Namespace) -> int:
    """Print every template that fits, rendered on rows of a raw folder or a built dataset."""
    if bool(parsed.raw) == bool(parsed.data):
        raise OptionError("preview needs rows: give either --raw DIR or --data OUT")
    if parsed.rows < 1:
        raise OptionError("--rows is 1 or more")
    template_set = _read(parsed.template_dir)
    console = output()
    shown = 0
    examples = _raw_examples(parsed) if parsed.raw else _built_examples(parsed)
    for example in examples:
        rendered = [
            text
            for template in _templates(template_set, example, parsed.template)
            if (text := _rendered(template, example)) is not None
        ]
        if rendered:
            console.print(Text(visible(example.example_id), "bold"), *rendered, "", sep="\n")
            shown += len(rendered)
    if not shown:
        wanted = parsed.template or parsed.source or "these rows"
        raise OptionError(f"nothing to preview: no template for {wanted} in {parsed.template_dir}")
    return 0


def _read(template_dir: str) -> TemplateSet:
    """Return the set as it is on disk now: an author edits and looks again."""
    folder = template_folder(template_dir)
    template_set, findings = read_templates(folder)
    if findings:
        raise TemplateSetError(str(folder), findings)
    return template_set


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


def _templates(template_set: TemplateSet, example: Example, only: str | None) -> list[Template]:
    return [
        template
        for form in template_set.forms(example.source)
        for template in form.templates
        if only in (None, template.template_id)
    ]


def _rendered(template: Template, example: Example) -> Text | None:
    """Return a template rendered on an example; None if it needs a field that the example lacks."""
    fields = fields_of(example, template.task, chance(0, 0, example.example_id).answer)
    try:
        instruction = template.instruction.render(fields)
        target = template.target.render(fields)
    except RenderError:
        return None
    return Text.assemble(
        (f"  {template.template_id}\n", "dim"),
        (_indented(instruction) + "\n", "cyan"),
        (_indented(f"-> {target}"), "green"),
    )


def _indented(text: str) -> str:
    return "    " + visible(text).replace("\n", "\n    ")
