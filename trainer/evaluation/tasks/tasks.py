"""Tasks by name: protocols, groups of them, and the split of each.

A task is a protocol on one split. `gqa` is the default protocol on the split that it names, `gqa@val` the same
on another split, `gqa.lmms_eval` a variant of it.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from datagen.errors import nearest
from datagen.schema.manifest import Manifest
from templates.errors import Finding, TemplateSetError
from templates.evaluation import Evaluation
from templates.library import Protocol, load_protocols
from templates.protocols import parse_protocol
from trainer.errors import EvaluationError

HELD_OUT = (
    "nocaps",
    "flickr30k",
    "gqa",
    "vsr",
    "iconqa",
    "textvqa",
    "visdial",
    "hateful_memes",
    "vizwiz",
    "scienceqa",
    "msvd_qa",
    "msrvtt_qa",
    "ivqa",
)
"""The 13 held-out sets, in the order of the paper's Table 1."""

HELD_IN = (
    "coco_caption",
    "textcaps",
    "vqav2",
    "okvqa",
    "aokvqa",
    "aokvqa.multiple_choice",
    "ocr_vqa",
)
"""The held-in sets that have an evaluation."""

TRAIN = "train"

GROUPS: Mapping[str, tuple[str, ...]] = {"heldout": HELD_OUT, "heldin": HELD_IN}


@dataclass(frozen=True)
class Task:
    """A protocol on a split of the dataset `title`. `hidden`: its answers are, a server scores it."""

    name: str
    protocol: Protocol
    rules: Evaluation
    split: str
    title: str
    hidden: bool = False

    @property
    def source(self) -> str:
        return self.protocol.source

    @property
    def inference(self) -> tuple[Hashable, ...]:
        """All that decides about the responses; tasks that share it differ in scoring only."""
        rules = self.rules
        return (
            self.source,
            self.split,
            self.protocol.task,
            self.protocol.prompt.source,
            rules.method,
            rules.image,
            rules.decoding,
            rules.candidates,
            rules.vocabulary_splits,
            rules.verbalizers,
            rules.end_token,
        )


@dataclass(frozen=True)
class Chosen:
    """Tasks to do, and by name why others of a group are not done."""

    tasks: tuple[Task, ...]
    left_out: Mapping[str, str]


def protocols_for(manifest: Manifest, template_dir: str | None) -> Mapping[str, Protocol]:
    """Return all protocols by name: those of a template set, and those of the dataset's own sources.

    A file of `template_dir` replaces the protocol that a source file gave.

    Raises:
        EvaluationError: lists the errors of the template set, or names a protocol of the dataset that
            this version cannot read.
    """
    try:
        protocols = load_protocols(template_dir)
    except TemplateSetError as error:
        raise EvaluationError(str(error)) from error
    findings: list[Finding] = []
    own = {
        name: parse_protocol(name, content, f"manifest.json, protocols, {name}", findings)
        for name, content in manifest.protocols.items()
    }
    if findings:
        raise EvaluationError("; ".join(map(str, findings)))
    return {name: each for name, each in own.items() if each is not None} | dict(protocols)


def choose_tasks(
    names: Sequence[str],
    protocols: Mapping[str, Protocol],
    manifest: Manifest,
    *,
    hidden_splits: bool = False,
) -> Chosen:
    """Return the tasks that `names` stand for: protocols, groups (`heldout`, `heldin`), or patterns (`*.lmms_eval`).

    Members of a group or pattern that the dataset lacks are left out, with the reason. A task whose split is
    scored by a server is there twice: that split, only with `hidden_splits`, and the validation
    split that stands in for it.

    Raises:
        EvaluationError: a name is unknown, or what it names is not in the dataset.
    """
    tasks: dict[str, Task] = {}
    left_out: dict[str, str] = {}
    for name in map(str.strip, names):
        members = _members(name, protocols)
        for member in members:
            found, absent = _of_protocol(member, protocols, manifest, hidden_splits)
            if absent and len(members) == 1 and name not in GROUPS:
                raise EvaluationError(f"task {member}: {absent}")
            if absent:
                left_out[member] = absent
            tasks.update({task.name: task for task in found})
    if not tasks:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise EvaluationError(f"the dataset holds none of the tasks {', '.join(names)} ({reasons})")
    return Chosen(tuple(tasks.values()), left_out)


def _members(name: str, protocols: Mapping[str, Protocol]) -> tuple[str, ...]:
    if name in GROUPS:
        return GROUPS[name]
    stem = name.partition("@")[0]
    if stem in protocols:
        return (name,)
    if found := tuple(each for each in protocols if fnmatchcase(each, name)):
        return found
    raise EvaluationError(
        f"no task {name!r}{nearest(stem, [*GROUPS, *protocols])}; a task is heldout, heldin or the name "
        "of a protocol (`visinstruct evaluate --list`)"
    )


def _of_protocol(
    name: str, protocols: Mapping[str, Protocol], manifest: Manifest, hidden_splits: bool
) -> tuple[list[Task], str | None]:
    """Return a protocol's tasks, or why the dataset cannot give them."""
    stem, at, wanted = name.partition("@")
    if at and not wanted:
        return [], "no split is named after the @"
    protocol = protocols.get(stem)
    if protocol is None:
        return [], "the template set has no such protocol"
    rules = protocol.evaluation
    if rules is None:
        return (
            [],
            f"{protocol.file} has no section `evaluation`: it has a prompt, but no rules for scoring",
        )
    held, title = manifest.splits.get(protocol.source, {}), manifest.title(protocol.source)
    if wanted:
        hidden = rules.server is not None and wanted == rules.split
        known = stem if wanted == rules.split else name  # `gqa@test_dev` is `gqa`
        tasks = [Task(known, protocol, rules, wanted, title, hidden)]
    elif rules.server is None:
        tasks = [Task(name, protocol, rules, rules.split, title)]
    else:
        assert rules.validation_split is not None  # checked with `server`
        other = rules.validation_split
        tasks = [Task(f"{stem}@{other}", protocol, rules, other, title)]
        if hidden_splits and rules.split in held:
            tasks.insert(0, Task(stem, protocol, rules, rules.split, title, hidden=True))
    missing = [task.split for task in tasks if task.split not in held]
    if missing:
        holds = ", ".join(held) or "nothing of it"
        return [], f"the dataset has no {protocol.source}/{missing[0]}, but {holds}"
    for split in rules.vocabulary_splits or ():
        if split != TRAIN and split not in held:  # the build keeps the training file's answers
            return [], (
                f"its vocabulary is of the answers of {', '.join(rules.vocabulary_splits or ())}, and the "
                f"dataset has no {protocol.source}/{split}; put its files in place and build again, or take "
                f"{protocol.source}"
            )
    return tasks, None
