"""`visinstruct source draft|check|schema`: source files of own data, drafted, checked, described."""

import argparse
import json
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from datagen.errors import OptionError
from datagen.files import write_atomically

ACTIONS = ("draft", "check", "schema")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "draft looks at data files and prints a source file with its guesses as comments; check reads "
        "everything that a source file names, and says what fits and what does not; schema prints the "
        "JSON schema of source files, for editors. check ends with status 1 if rows were rejected."
    )
    add = parser.add_argument
    add("action", choices=ACTIONS, help="what to do")
    add(
        "files",
        nargs="*",
        metavar="FILE",
        help="draft: data files or a folder; check: source files",
    )
    add("--out", metavar="FILE.yaml", help="draft: write to this file (default: print)")
    add("--name", metavar="ID", help="draft: id of the source (default: from the file's name)")
    add("--rows", type=int, default=1000, metavar="N", help="draft: rows to look at in each file")
    add("--records", metavar="FILE.jsonl", help="check: write every record (default: none)")
    add("--problems", metavar="FILE.json", help="check: write every problem (default: none)")
    add(
        "--template-dir",
        default="instruct",
        metavar="DIR",
        help="check: templates of the records that are shown",
    )
    add("--show", type=int, default=3, metavar="N", help="check: records to show of each source")


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
    from datagen.files import LocalFiles
    from datagen.sources.declared.draft import draft

    if not parsed.files:
        raise OptionError("draft needs data: visinstruct source draft FILE...")
    folder = os.path.dirname(os.path.abspath(parsed.out)) if parsed.out else os.getcwd()
    text = draft(parsed.files, folder, LocalFiles(), name=parsed.name, rows=parsed.rows)
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
    from datagen.files import LocalFiles
    from datagen.schema.example import Example
    from datagen.sources.declared.check import Checker, problem_of, record_of
    from datagen.sources.declared.normalise import resolve
    from pipelines.cli.own_sources import read_source_files
    from pipelines.cli.views.source_check import print_check

    if not parsed.files:
        raise OptionError("check needs source files: visinstruct source check FILE.yaml...")
    files = LocalFiles()
    definitions = read_source_files(parsed.files)
    records, problems = [], []
    status = 0
    for definition in definitions:
        resolved, data_files = resolve(definition, files)
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
            print_check(checker, shown, parsed.template_dir)
            status = max(status, int(any(each.severity == "reject" for each in checker.problems)))
    if parsed.records:
        with write_atomically(parsed.records) as file:
            for each in records:
                file.write(json.dumps(each, ensure_ascii=False).encode() + b"\n")
    if parsed.problems:
        with write_atomically(parsed.problems) as file:
            file.write(json.dumps(problems, ensure_ascii=False, indent=1).encode() + b"\n")
    return status
