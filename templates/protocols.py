"""Protocols: the prompt of a source's evaluation splits, and the rules that score the predictions.

A protocol is named after its file: a build renders A-OKVQA's evaluation splits with `aokvqa`; an
evaluation may choose `aokvqa.multiple_choice` instead. A protocol that differs in little from another
gives only the difference:

    extends: gqa
    evaluation:
      metric: exact_match
      read_in: {metric: GQA's own eval.py}

The other keys are the base's. `read_in` and `note` are about the prompt: a protocol with its own prompt
gives its own. `differences` are about all the rules and are never taken from the base, since the variant
may have changed what they describe; a variant without any gets one sentence that names what it changes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from templates.edge_cases import check_edge_cases
from templates.errors import Finding, UnsupportedSyntaxError
from templates.evaluation import Evaluation, merged, protocol_hash
from templates.files import Strict, layout_findings, read_yaml, validate
from templates.language import TemplateText, compile_template
from templates.tasks import TASKS

_NAME = re.compile(r"(\w+):\1(\.\w+)?")  # the source, and the file's name


@dataclass(frozen=True)
class Protocol:
    """A fixed evaluation prompt of a source, where it was read, and how answers are scored.

    `evaluation` and `hash` are None where a file gives only a prompt. The hash covers prompt, task and
    rules: all that decides a score.
    """

    name: str
    source: str
    task: str
    file: str
    prompt: TemplateText
    read_in: str
    note: str | None = None
    evaluation: Evaluation | None = None
    hash: str | None = None
    extends: str | None = None
    allow_blank: bool = False

    @property
    def content(self) -> dict[str, str]:
        """Return what a build with this protocol renders."""
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
    """Return the protocols in `paths`; an error that keeps one from being used is added to `findings`.

    They may extend each other, and those in `beside` that have another name. Errors of a base are
    reported once, not again for each protocol that extends it.
    """
    if not paths:
        return []
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
        reported = {(each.rule, each.field, each.message) for each in of_base}
        findings += [each for each in mine if (each.rule, each.field, each.message) not in reported]
    return protocols


def parse_protocol(name: str, data: Any, file: str, findings: list[Finding]) -> Protocol | None:
    """Return the protocol `name` of the content of a protocol file, or None and add findings.

    `file` is named in the findings. The content extends no other.
    """
    parsed = validate(data, _ProtocolFile, file, findings)
    if parsed is None or not _is_named_right(name, file, parsed, findings):
        return None
    prompt = _prompt(file, parsed, findings)
    rules, sound = _rules(file, parsed.evaluation, findings)
    if prompt is None or not sound or not _renders(file, parsed, prompt, findings):
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


def _protocol(path: Path, read: Mapping[str, Any], findings: list[Finding]) -> Protocol | None:
    name, file = path.stem, f"protocol/{path.name}"
    data = read[name]
    if _extends(data):
        base = _base(data["extends"], read, file, findings)
        if base is None:
            return None
        data = _extended(base, data, data["extends"])
    return parse_protocol(name, data, file, findings)


def _base(
    name: Any, read: Mapping[str, Any], file: str, findings: list[Finding]
) -> dict[str, Any] | None:
    """Return the content of the file `name` that `file` extends, or None and add a finding.

    None without a finding where the base itself is invalid: it has a finding already.
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
        remedy = f"extend {base['extends']!r} and give the rest here"
        if itself:
            remedy = "name another protocol, or remove the line"
        findings.append(Finding(file, "extends", message, remedy, field="extends"))
        return None
    return base if isinstance(base, dict) else None


def _extends(data: Any) -> bool:
    return isinstance(data, dict) and data.get("extends") is not None


def _extended(base: Mapping[str, Any], own: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a protocol's keys, completed by those of its base, the protocol `name`."""
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
    """Return `differences` for a variant that gives none; the base's if it changes nothing."""
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


def _prompt(file: str, parsed: _ProtocolFile, findings: list[Finding]) -> TemplateText | None:
    try:
        return compile_template(parsed.prompt, TASKS[parsed.task].fields)
    except UnsupportedSyntaxError as error:
        field = error.field or "prompt"
        findings.append(Finding(file, "syntax", error.message, error.remedy, field=field))
        return None


def _renders(
    file: str, parsed: _ProtocolFile, prompt: TemplateText, findings: list[Finding]
) -> bool:
    task, blank = TASKS[parsed.task], parsed.allow_blank
    found = list(check_edge_cases(prompt, task, file, "", "prompt", allow_blank=blank))
    findings += found
    return not found


def _rules(
    file: str, data: dict[str, Any] | None, findings: list[Finding]
) -> tuple[Evaluation | None, bool]:
    """Return a protocol's rules, and True if they hold no error."""
    if data is None:
        return None, True
    try:
        return Evaluation.model_validate(data), True
    except ValidationError as error:
        findings += layout_findings(error, file, "evaluation")
        return None, False
