"""Protocols: how an evaluation asks a source, and how it scores the answers.

A protocol is named after its file: `aokvqa` is the one that a build asks A-OKVQA's evaluation splits
with, `aokvqa.multiple_choice` another that an evaluation may choose instead. One that differs in little
says only that:

    extends: gqa
    evaluation:
      metric: exact_match
      read_in: {metric: GQA's own eval.py}

The rest is the base's, key by key. `read_in` and `note` speak of the prompt: a protocol with a prompt of
its own says its own. `differences` speak of all the rules: they are never the base's, as a variant may
have changed what they tell of; one that gives none says in a sentence what it changes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from templates.blanks import find_blanks
from templates.catalog import TASKS
from templates.errors import Finding, SyntaxRefused
from templates.evaluation import Evaluation, merged, protocol_hash
from templates.files import Strict, mistakes, read_yaml, validate
from templates.language import Template, compile_template

_NAME = re.compile(r"(\w+):\1(\.\w+)?")  # the source, and the file's name


@dataclass(frozen=True)
class Protocol:
    """A fixed evaluation prompt of a source, where it was read, and how answers are scored.

    `evaluation` and `hash` are None where a file says only how to ask. The hash is of prompt, task and
    rules: of all that decides about a score.
    """

    name: str
    source: str
    task: str
    file: str
    prompt: Template
    read_in: str
    note: str | None = None
    evaluation: Evaluation | None = None
    hash: str | None = None
    extends: str | None = None
    allow_blank: bool = False

    @property
    def content(self) -> dict[str, str]:
        """What a build renders, if it asks with this protocol."""
        return {"source": self.source, "task": self.task, "prompt": self.prompt.source}


class _ProtocolFile(Strict):
    source: str
    task: str
    prompt: str
    read_in: str
    note: str | None = None
    extends: str | None = None
    allow_blank: bool = False
    evaluation: dict[str, Any] | None = None


def read_protocols(
    paths: Sequence[Path], findings: list[Finding], *, beside: Sequence[Path] = ()
) -> list[Protocol]:
    """The protocols in files of one folder; what keeps one from being used is a finding.

    They may extend each other, and those `beside` that have another name. A base's mistakes are told
    once, not again for those that extend it.
    """
    own = {path.stem for path in paths}
    read = {
        path.stem: read_yaml(path, f"protocol/{path.name}", findings)
        for path in beside
        if path.stem not in own
    }
    found: dict[str, list[Finding]] = {}
    for path in paths:
        found[path.stem] = []
        read[path.stem] = read_yaml(path, f"protocol/{path.name}", found[path.stem])
    protocols = []
    for path in paths:
        mine = found[path.stem]
        protocol = None if mine else _protocol(path, read, mine)
        if protocol is not None:
            protocols.append(protocol)
    for name, mine in found.items():
        base = read[name]["extends"] if _extends(read[name]) else None
        of_base = found.get(base, []) if isinstance(base, str) and base != name else []
        told = {(each.rule, each.field, each.message) for each in of_base}
        findings += [each for each in mine if (each.rule, each.field, each.message) not in told]
    return protocols


def _protocol(path: Path, read: Mapping[str, Any], findings: list[Finding]) -> Protocol | None:
    name, file = path.stem, f"protocol/{path.name}"
    data = read[name]
    if _extends(data):
        base = _base(data["extends"], read, file, findings)
        if base is None:
            return None
        data = _extended(base, data, data["extends"])
    parsed = validate(data, _ProtocolFile, file, findings)
    if parsed is None or not _is_named_right(name, file, parsed, findings):
        return None
    prompt = _prompt(file, parsed, findings)
    rules, sound = _rules(file, parsed.evaluation, findings)
    if prompt is None or not sound or not _shows_something(file, parsed, prompt, findings):
        return None
    return Protocol(
        name=name,
        source=parsed.source,
        task=parsed.task,
        file=file,
        prompt=prompt,
        read_in=parsed.read_in,
        note=parsed.note,
        evaluation=rules,
        hash=None if rules is None else protocol_hash(prompt.source, parsed.task, rules),
        extends=parsed.extends,
        allow_blank=parsed.allow_blank,
    )


def _base(
    name: Any, read: Mapping[str, Any], file: str, findings: list[Finding]
) -> dict[str, Any] | None:
    """What the file that another extends holds, or None and a finding.

    None without a finding where the base itself is no protocol: there is one about it already.
    """
    if not isinstance(name, str) or name not in read:
        known = sorted(each for each in read if not _extends(read[each]))
        remedy = f"name one of {', '.join(known) or 'its files'}, without .yaml"
        message = f"there is no protocol {name!r} to extend"
        findings.append(Finding(file, "extends", message, remedy, field="extends"))
        return None
    base = read[name]
    if _extends(base):
        itself = f"protocol/{name}.yaml" == file
        message = f"extends {'itself' if itself else f'{name!r}, which extends another'}"
        remedy = f"extend {base['extends']!r} and say the rest here"
        if itself:
            remedy = "name another protocol, or take the line out"
        findings.append(Finding(file, "extends", message, remedy, field="extends"))
        return None
    return base if isinstance(base, dict) else None


def _extends(data: Any) -> bool:
    return isinstance(data, dict) and data.get("extends") is not None


def _extended(base: Mapping[str, Any], own: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A protocol's keys, and those that it leaves out of its base, the protocol `name`."""
    taken = dict(base)
    if "prompt" in own:
        for about_the_prompt in ("read_in", "note", "allow_blank"):
            taken.pop(about_the_prompt, None)
    result = {**taken, **own}
    rules, own_rules = base.get("evaluation"), own.get("evaluation", {})
    if not isinstance(rules, dict) or not isinstance(own_rules, dict):
        return result
    result["evaluation"] = merged(rules, own_rules)
    if "differences" not in own_rules:
        result["evaluation"]["differences"] = _differences(base, own, name)
    return result


def _differences(base: Mapping[str, Any], own: Mapping[str, Any], name: str) -> Any:
    """What a variant that says nothing of it differs in; the base's sentences if in nothing."""
    rules, own_rules = base["evaluation"], own.get("evaluation", {})
    changed = [key for key in ("task", "prompt") if own.get(key, base.get(key)) != base.get(key)]
    changed += [
        key
        for key, value in own_rules.items()
        if key not in ("read_in", "differences") and value != rules.get(key)
    ]
    if not changed:
        return rules.get("differences", [])
    return [
        f"Not the default protocol of {name}: it changes {', '.join(map(str, changed))}. "
        f"In all else, what differs for {name} differs here too."
    ]


def _is_named_right(name: str, file: str, parsed: _ProtocolFile, findings: list[Finding]) -> bool:
    if parsed.task in TASKS and _NAME.fullmatch(f"{parsed.source}:{name}"):
        return True
    message = f"source {parsed.source!r} with task {parsed.task!r}"
    remedy = (
        "name the file after its source (or <source>.<name>, for another prompt beside it) "
        f"and use one of {', '.join(TASKS)}"
    )
    findings.append(Finding(file, "unknown-task", message, remedy, field="task"))
    return False


def _prompt(file: str, parsed: _ProtocolFile, findings: list[Finding]) -> Template | None:
    try:
        return compile_template(parsed.prompt, TASKS[parsed.task].fields)
    except SyntaxRefused as error:
        field = error.field or "prompt"
        findings.append(Finding(file, "syntax", error.message, error.remedy, field=field))
        return None


def _shows_something(
    file: str, parsed: _ProtocolFile, prompt: Template, findings: list[Finding]
) -> bool:
    if parsed.allow_blank:
        return True
    blanks = list(find_blanks(prompt, TASKS[parsed.task], file, "", "prompt"))
    findings += blanks
    return not blanks


def _rules(
    file: str, data: dict[str, Any] | None, findings: list[Finding]
) -> tuple[Evaluation | None, bool]:
    """A protocol's rules, and whether it has no mistake in them."""
    if data is None:
        return None, True
    try:
        return Evaluation.model_validate(data), True
    except ValidationError as error:
        findings += mistakes(error, file, "evaluation")
        return None, False
