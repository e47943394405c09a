"""Output of `visinstruct templates`."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table
from rich.text import Text

from datagen.build.options import make_options
from datagen.build.preview import examples_in
from datagen.dataset import open_dataset
from datagen.errors import OptionError, RowRejectedError, nearest
from datagen.render import chance, evaluation, fields_of
from datagen.schema.example import Example
from datagen.sources import load_source
from pipelines.cli.views.record_view import first_records
from pipelines.console import output, visible
from templates.blank import is_blank
from templates.errors import RenderError, TemplateSetError
from templates.library import Protocol, Template, TemplateSet, read_templates, template_folder
from templates.lint import lint
from templates.prompt_list import import_prompts
from templates.tasks import SOURCES, TASKS


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


_COVERAGE = ("task-without-template", "source-without-template")
"""Rules that a set for a few sources need not keep."""


def lint_templates(parsed: argparse.Namespace) -> int:
    """Print every finding; returns 1 if there is any, or nothing to check.

    With `--raw` or `--data`, each template is rendered on rows of its sources too.
    """
    if parsed.raw and parsed.data:
        raise OptionError("give either --raw DIR or --data OUT")
    report = lint(parsed.template_dir)
    console = output()
    findings = [str(each) for each in report.findings if each.rule not in _COVERAGE]
    uncovered = [each.field for each in report.findings if each.rule == "source-without-template"]
    num_rows = 0
    if parsed.raw or parsed.data:
        parsed.rows = parsed.rows or 100
        for example, _ in _raw_examples(parsed) if parsed.raw else _built_examples(parsed):
            num_rows += 1
            findings += _row_findings(report.template_set, example, parsed.template)
    for finding in findings:
        console.print(Text(visible(finding)))
    checked = report.template_set
    rows = f" on {num_rows:,} rows" if parsed.raw or parsed.data else ""
    console.print(
        f"checked {len(checked.templates)} templates and {len(checked.protocols)} protocols{rows}: "
        f"{len(findings)} findings"
    )
    if uncovered and checked.templates:
        console.print(Text(f"no template for {', '.join(uncovered)}: this set cannot build them"))
    return 0 if (checked.templates or checked.protocols) and not findings else 1


def _row_findings(template_set: TemplateSet, example: Example, only: str | None) -> Iterator[str]:
    for template in _templates(template_set, example, only):
        fields = fields_of(example, template.task, chance(0, 0, example.example_id).answer)
        parts = {"instruction": template.instruction, "target": template.target}
        if any(fields[name] is None for text in parts.values() for name in text.required):
            continue  # not chosen for this example, or its answers are hidden
        for part, text in parts.items():
            try:
                blank = is_blank(text.render(fields))
                message = "renders blank" if blank else None
            except RenderError as error:
                blank, message = False, f"fails: {error}"
            if message and not (blank and part == "instruction" and template.allow_blank):
                place = f"{template.file}: {template.template_id}: {part}"
                yield f"{place} {message}; row {example.example_id}"


def import_templates(parsed: argparse.Namespace) -> int:
    """Write a template file from a plain list of prompts; returns 1 if the lint finds errors in it."""
    if not (parsed.file and parsed.task and parsed.sources and parsed.out):
        raise OptionError("import needs FILE, --task NAME, --sources ID,ID and --out FILE.yaml")
    sources = [name.strip() for name in parsed.sources.split(",") if name.strip()]
    for name in sources:
        if name not in SOURCES:
            raise OptionError(f"--sources: unknown source {name!r}{nearest(name, SOURCES)}")
    path = Path(parsed.out)
    if path.suffix != ".yaml" or path.exists():
        why = "exists already" if path.exists() else "does not end in .yaml"
        raise OptionError(f"--out {parsed.out} {why}; name a new file")
    try:
        text = import_prompts(Path(parsed.file).read_text("utf-8"), parsed.task, sources)
    except (OSError, ValueError) as error:
        raise OptionError(f"{parsed.file}: {error}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    findings = [each for each in lint(path.parent).findings if each.file == path.name]
    console = output()
    for finding in findings:
        console.print(Text(visible(str(finding))))
    num = text.count("\n- id: ")
    console.print(f"{path}: {num} templates, {len(findings)} findings", highlight=False)
    return 1 if findings else 0


def preview(parsed: argparse.Namespace) -> int:
    """Print every template that fits, rendered on rows of a raw folder or a built dataset.

    A row of an evaluation split shows its source's protocol, as a build stores it; with `--template`,
    that template.
    """
    if bool(parsed.raw) == bool(parsed.data):
        raise OptionError("preview needs rows: give either --raw DIR or --data OUT")
    parsed.rows = 1 if parsed.rows is None else parsed.rows
    if parsed.rows < 1:
        raise OptionError("--rows is 1 or more")
    template_set = _read(parsed.template_dir)
    console = output()
    shown = 0
    examples = _raw_examples(parsed) if parsed.raw else _built_examples(parsed)
    for example, evaluated in examples:
        protocol = template_set.protocols.get(example.source) if evaluated else None
        if protocol is not None and not parsed.template:
            rendered = [_rendered_protocol(protocol, example)]
        else:
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


def _raw_examples(parsed: argparse.Namespace) -> Iterator[tuple[Example, bool]]:
    """Yield examples, and whether a build without a mixture of your own evaluates on their split."""
    with TemporaryDirectory() as folder:
        options = make_options(raw=parsed.raw, out=folder)
        for each in examples_in(parsed.raw, folder, parsed.source, parsed.split, parsed.rows):
            yield each, options.evaluates_on(load_source(each.source).card, each.split)


def _built_examples(parsed: argparse.Namespace) -> Iterator[tuple[Example, bool]]:
    """Yield examples, and whether the build rendered them with a protocol."""
    dataset = open_dataset(parsed.data)
    for source, splits in dataset.manifest.splits.items():
        if parsed.source in (None, source):
            split = parsed.split or ("train" if "train" in splits else next(iter(splits)))
            if split in splits:
                for record in first_records(dataset, source, split, parsed.rows):
                    yield record.example(), record.template_id.startswith("protocol/")


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
    return _prompt_and_target(template.template_id, instruction, target)


def _rendered_protocol(protocol: Protocol, example: Example) -> Text:
    """Return a protocol rendered on an example, or the reason why a build rejects the example."""
    try:
        draw = evaluation(example, protocol, chance(0, 0, example.example_id))
    except RowRejectedError as error:
        return Text(f"  protocol/{protocol.name}: {visible(error.message)}", "red")
    target = "(hidden)" if draw.target is None else draw.target
    return _prompt_and_target(draw.template_id, draw.instruction, target)


def _prompt_and_target(name: str, prompt: str, target: str) -> Text:
    return Text.assemble(
        (f"  {name}\n", "dim"),
        (_indented(prompt) + "\n", "cyan"),
        (_indented(f"-> {target}"), "green"),
    )


def _indented(text: str) -> str:
    return "    " + visible(text).replace("\n", "\n    ")
