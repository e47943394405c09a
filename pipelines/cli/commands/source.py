"""`visinstruct source draft|check|schema`: source files of own data, drafted, checked, described."""

import argparse
import json
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from datagen.errors import OptionError
from datagen.files import write_atomically

ACTIONS = {
    "draft": "look at data files and print a source file, with guesses as comments to confirm",
    "check": "read all that source files name, and report what fits and what does not; status 1 if rows are rejected",
    "schema": "print the JSON schema of source files, for editors",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parsers = parser.add_subparsers(
        dest="action", metavar="|".join(ACTIONS), required=True, help="what to do"
    )
    made = {
        name: parsers.add_parser(
            name,
            help=purpose,
            description=purpose,
            allow_abbrev=False,
            formatter_class=parser.formatter_class,
        )
        for name, purpose in ACTIONS.items()
    }
    add = made["draft"].add_argument
    add("files", nargs="*", metavar="FILE", help="data files of one shape, or a folder")
    add("--out", metavar="FILE.yaml", help="write to this file (default: print)")
    add("--name", metavar="ID", help="id of the source (default: from the file's name)")
    add("--rows", type=int, default=1000, metavar="N", help="rows to look at in each file")
    add = made["check"].add_argument
    add("files", nargs="*", metavar="FILE.yaml", help="source files")
    add("--records", metavar="FILE.jsonl", help="write every record (default: none)")
    add("--problems", metavar="FILE.json", help="write every problem (default: none)")
    add(
        "--template-dir",
        default="instruct",
        metavar="DIR",
        help="templates of the records that are shown",
    )
    add("--show", type=int, default=3, metavar="N", help="records to show of each source")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    match parsed.action:
        case "schema":
            from datagen.sources.declared.load import json_schema

            print(json.dumps(json_schema(), indent=1))
            return 0
        case "draft":
            return _draft(parsed)
        case _:
            return _check(parsed)


def _draft(parsed: argparse.Namespace) -> int:
    from datagen.sources.declared.draft import draft
    from datagen.stores.any_files import AnyFiles

    if not parsed.files:
        raise OptionError("draft needs data: visinstruct source draft FILE...")
    folder = os.path.dirname(os.path.abspath(parsed.out)) if parsed.out else os.getcwd()
    text = draft(parsed.files, folder, AnyFiles(), name=parsed.name, rows=parsed.rows)
    if parsed.out is None:
        print(text, end="")
        return 0
    if Path(parsed.out).exists():
        raise OptionError(f"{parsed.out} exists; give another name to --out, or remove it")
    with write_atomically(parsed.out) as file:
        file.write(text.encode())
    print(f"wrote {parsed.out}; confirm its comments, then: visinstruct source check {parsed.out}")
    return 0


def _check(parsed: argparse.Namespace) -> int:
    from datagen.schema.example import Example
    from datagen.sources.declared.check import Checker, problem_of, record_of
    from datagen.sources.declared.compile import compile_source
    from datagen.sources.declared.normalise import resolve
    from datagen.stores.any_files import AnyFiles
    from pipelines.cli.own_sources import read_source_files
    from pipelines.cli.views.source_check import print_check
    from templates.library import load_templates
    from templates.lint import check_sources

    if not parsed.files:
        raise OptionError("check needs source files: visinstruct source check FILE.yaml...")
    files = AnyFiles()
    definitions = read_source_files(parsed.files)
    templates = load_templates(parsed.template_dir)
    records, problems = [], []
    status = 0
    for definition in definitions:
        resolved, data_files = resolve(definition, files)
        check_sources(templates, [compile_source(resolved).card.prompts])
        with closing(Checker(resolved, data_files, files)) as checker:
            shown: list[Example] = []
            made = []
            for record in checker.records():
                if len(shown) < parsed.show:
                    shown.append(record.example)
                if parsed.records:
                    made.append(record_of(record, checker))
            candidates = checker.candidates
            for each in made:
                if candidates is not None:
                    each["inputs"]["candidates"] = candidates
            records += made
            problems += [problem_of(each) for each in checker.problems]
            print_check(checker, shown, templates)
            status = max(status, int(any(each.severity == "reject" for each in checker.problems)))
    if parsed.records:
        with write_atomically(parsed.records) as file:
            for each in records:
                file.write(json.dumps(each, ensure_ascii=False).encode() + b"\n")
    if parsed.problems:
        with write_atomically(parsed.problems) as file:
            file.write(json.dumps(problems, ensure_ascii=False, indent=1).encode() + b"\n")
    return status
