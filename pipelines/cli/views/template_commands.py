"""Output of `visinstruct templates`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from datagen.build.options import make_options
from datagen.build.preview import examples_in, own_examples
from datagen.dataset import open_dataset
from datagen.errors import OptionError, RowRejectedError
from datagen.render import chance, evaluation, fields_of
from datagen.schema.example import Example
from datagen.sources import all_sources, load_source
from datagen.sources.declared.compile import template_folders, use_of
from pipelines.cli.own_sources import OwnSource, is_source_file, open_source_file
from pipelines.cli.views.record_view import first_records
from pipelines.console import output, visible
from templates.blank import is_blank
from templates.errors import RenderError, TemplateSetError
from templates.library import (
    Protocol,
    SourceTemplates,
    Template,
    TemplateSet,
    deprecation,
    read_templates,
    template_folder,
)
from templates.lint import lint, unknown_styles
from templates.prompt_list import import_prompts
from templates.prompt_spec import PromptSpec
from templates.tasks import TASKS


def list_templates(template_dir: str, source: str | None) -> int:
    """Print every template, by task."""
    template_set = _read(template_dir)
    console = output()
    specs = [each.card.prompts for each in all_sources()]
    listed: Sequence[Template] = template_set.templates
    if source is not None:
        own = open_source_file(source) if is_source_file(source) else []
        chosen = [each.prompts for each in own] or [load_source(source).card.prompts]
        specs += [each.prompts for each in own]
        forms = [form for spec in chosen for form in template_set.forms(spec)]
        listed = list({t.template_id: t for form in forms for t in form.templates}.values())
    shown = 0
    for task in TASKS:
        fitting = [template for template in listed if template.task == task]
        if fitting:
            named = [
                each.id for each in specs if task in [f.task for f in template_set.forms(each)]
            ]
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

    With `--raw` or `--data`, each template is rendered on rows of its sources too, and with a source file as
    `--source` on its rows; its own templates are checked as well.
    """
    if parsed.raw and parsed.data:
        raise OptionError("give either --raw DIR or --data OUT")
    own = _own(parsed)
    specs = [each.card.prompts for each in all_sources()]
    report = lint(parsed.template_dir, [*specs, *(each.prompts for each in own)])
    console = output()
    findings = [str(each) for each in report.findings if each.rule not in _COVERAGE]
    for folder in dict.fromkeys(f for each in own for f in template_folders(each.definition)):
        findings += [
            f"{folder}/{each}" for each in lint(folder).findings if each.rule not in _COVERAGE
        ]
    for each in own:
        findings += [str(finding) for finding in unknown_styles(report.template_set, each.prompts)]
    uncovered = [each.field for each in report.findings if each.rule == "source-without-template"]
    num_rows = 0
    if parsed.raw or parsed.data or own:
        parsed.rows = parsed.rows or 100
        for shown in _rows(parsed, own):
            num_rows += 1
            of_source = report.template_set.of(shown.spec)
            findings += _row_findings(of_source, shown.example, parsed.template)
    for finding in findings:
        console.print(Text(visible(finding)))
    checked = report.template_set
    if checked.deprecated:
        console.print(Text(deprecation(template_folder(parsed.template_dir), checked)))
    rows = f" on {num_rows:,} rows" if parsed.raw or parsed.data or own else ""
    console.print(
        f"checked {len(checked.templates)} templates and {len(checked.protocols)} protocols{rows}: "
        f"{len(findings)} findings"
    )
    if uncovered and checked.templates:
        console.print(Text(f"no template for {', '.join(uncovered)}: this set cannot build them"))
    return 0 if (checked.templates or checked.protocols) and not findings else 1


def _row_findings(templates: SourceTemplates, example: Example, only: str | None) -> Iterator[str]:
    for template in _templates(templates, only):
        fields = _fields(templates, template, example)
        parts = {"instruction": template.instruction, "target": template.target}
        needed = {*template.needs, *(n for text in parts.values() for n in text.required)}
        if any(fields[name] is None for name in needed):
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
    if not (parsed.file and parsed.task and parsed.out):
        raise OptionError("import needs FILE, --task NAME and --out FILE.yaml")
    if parsed.sources:
        message = (
            "--sources is deprecated and will be removed in the next release: the task decides"
        )
        print(f"visinstruct: {message}", file=sys.stderr)
    path = Path(parsed.out)
    if path.suffix != ".yaml" or path.exists():
        why = "exists already" if path.exists() else "does not end in .yaml"
        raise OptionError(f"--out {parsed.out} {why}; name a new file")
    try:
        text = import_prompts(Path(parsed.file).read_text("utf-8"), parsed.task)
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
    """Print every template that fits, rendered on rows of a raw folder, a built dataset or a source file.

    A row of an evaluation split shows its source's protocol, as a build stores it; with `--template`,
    that template.
    """
    own = _own(parsed)
    if (bool(parsed.raw) + bool(parsed.data) + bool(own)) != 1:
        raise OptionError(
            "preview needs rows: give either --raw DIR, --data OUT or --source FILE.yaml of own data"
        )
    parsed.rows = 1 if parsed.rows is None else parsed.rows
    if parsed.rows < 1:
        raise OptionError("--rows is 1 or more")
    template_set = _read(parsed.template_dir)
    console = output()
    shown = 0
    for example, spec, evaluated, own_protocol in _rows(parsed, own):
        templates = template_set.of(spec)
        protocol = own_protocol or templates.protocol
        if evaluated and protocol is not None and not parsed.template:
            rendered = [_rendered_protocol(protocol, example, spec.title)]
        else:
            rendered = [
                text
                for template in _templates(templates, parsed.template)
                if (text := _rendered(templates, template, example)) is not None
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


class _Row(NamedTuple):
    """An example and what its source is rendered with; `evaluated` if by its protocol, `protocol` if own."""

    example: Example
    spec: PromptSpec
    evaluated: bool
    protocol: Protocol | None = None


def _own(parsed: argparse.Namespace) -> list[OwnSource]:
    """Return the sources of the source file that `--source` names, none if it names none.

    Raises:
        OptionError: rows of another place are asked for too.
    """
    if parsed.source is None or not is_source_file(parsed.source):
        return []
    if parsed.raw or parsed.data:
        raise OptionError(
            f"--source {parsed.source} has rows of its own; leave out --raw and --data"
        )
    return open_source_file(parsed.source)


def _rows(parsed: argparse.Namespace, own: Sequence[OwnSource]) -> Iterator[_Row]:
    if own:
        return _own_rows(parsed, own)
    return _raw_rows(parsed) if parsed.raw else _built_rows(parsed)


def _own_rows(parsed: argparse.Namespace, own: Sequence[OwnSource]) -> Iterator[_Row]:
    """Yield rows of a source file, whose images need not be there."""
    for each in own:
        for example in own_examples(each.definition, each.data_files, parsed.split, parsed.rows):
            evaluated = use_of(each.definition, example.split) != "train"
            yield _Row(example, each.prompts, evaluated, each.protocol)


def _raw_rows(parsed: argparse.Namespace) -> Iterator[_Row]:
    """Yield rows of a raw folder; a build without a mixture of your own evaluates on the same splits."""
    with TemporaryDirectory() as folder:
        options = make_options(raw=parsed.raw, out=folder)
        for each in examples_in(parsed.raw, folder, parsed.source, parsed.split, parsed.rows):
            card = load_source(each.source).card
            yield _Row(each, card.prompts, options.evaluates_on(card, each.split))


def _built_rows(parsed: argparse.Namespace) -> Iterator[_Row]:
    """Yield rows of a built dataset."""
    dataset = open_dataset(parsed.data)
    for source, splits in dataset.manifest.splits.items():
        if parsed.source in (None, source):
            split = parsed.split or ("train" if "train" in splits else next(iter(splits)))
            if split in splits:
                for record in first_records(dataset, source, split, parsed.rows):
                    spec = dataset.manifest.prompts(source, record.task)
                    evaluated = record.template_id.startswith("protocol/")
                    yield _Row(record.example(), spec, evaluated)


def _templates(templates: SourceTemplates, only: str | None) -> list[Template]:
    return [
        template
        for form in templates.forms
        for template in form.templates
        if only in (None, template.template_id)
    ]


def _fields(templates: SourceTemplates, template: Template, example: Example) -> dict[str, object]:
    answer = chance(0, 0, example.example_id).answer
    return fields_of(example, template.task, answer, templates.spec.title)


def _rendered(templates: SourceTemplates, template: Template, example: Example) -> Text | None:
    """Return a template rendered on an example; None if it needs a field that the example lacks."""
    fields = _fields(templates, template, example)
    if any(fields[name] is None for name in template.needs):
        return None
    try:
        instruction = template.instruction.render(fields)
        target = template.target.render(fields)
    except RenderError:
        return None
    return _prompt_and_target(template.template_id, instruction, target)


def _rendered_protocol(protocol: Protocol, example: Example, title: str) -> Text:
    """Return a protocol rendered on an example, or the reason why a build rejects the example."""
    try:
        draw = evaluation(example, protocol, chance(0, 0, example.example_id), title)
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
