"""Checks a declared source as a careful reader would: every row, every image, and what looks odd."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, cast

from datagen.errors import Reason, RowRejectedError
from datagen.files import Files
from datagen.media.content import content_digest, warnings_of
from datagen.media.media import MediaRoots, inspect_image
from datagen.media.pack import ImagePack, clean_path
from datagen.schema.example import Example
from datagen.sources.declared.compile import media_root, use_of
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.normal import NormalOutcome, NormalRow
from datagen.sources.declared.normalise import Normaliser
from datagen.sources.declared.readers.files import DataFile
from datagen.sources.declared.row import Place, Problem

COMMON_SHARE = 0.9
"""Share of a split's records with one answer from which a model may learn to say nothing else."""
COMMON_ROWS = 20
LONG_TARGET_WORDS = 200
"""A target of more words is likely longer than a trainer's limit of tokens, 256 by default."""


@dataclass
class SplitCheck:
    """What one split holds: records, those left out, and the answers by how often they occur."""

    records: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    images: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class CheckedRecord:
    """An example that a build would make, with the place it comes from."""

    place: Place
    part: str | None
    example: Example


class Checker:
    """Reads everything that a definition names, and collects what fits and what does not.

    `problems` grows while `records` is read. Memory grows with the number of records and images: some
    hundred bytes of each. Images that are no files of their own are kept on disk for one row alone.
    """

    def __init__(
        self, definition: Definition, data_files: Sequence[DataFile], files: Files
    ) -> None:
        self.definition, self.data_files, self.files = definition, data_files, files
        self.problems: list[Problem] = []
        self.splits: dict[str, SplitCheck] = {each: SplitCheck() for each in definition.split_names}
        self._pack = NamedTemporaryFile(prefix="visinstruct-", buffering=0)  # noqa: SIM115  closed with the checker
        self.roots = MediaRoots(
            {definition.name: media_root(definition)},
            files,
            packs={definition.name: self._pack.name},
        )
        self._images = ImagePack(cast(BinaryIO, self._pack))
        self.normaliser = Normaliser(definition, files, self._images, self._report)
        self._ids: set[bytes] = set()
        self._checked: dict[str, RowRejectedError | bytes] = {}
        self._checked_videos: dict[str, RowRejectedError | float] = {}
        self._labels: dict[str, dict[str, Place]] = defaultdict(dict)
        self._leaks: set[tuple[bytes, Place]] = set()
        self._seen_with: dict[bytes, tuple[str, str, str, Place]] = {}

    def close(self) -> None:
        """Close and remove what was opened for reading."""
        self.normaliser.images.close()
        self._pack.close()

    def records(self) -> Iterator[CheckedRecord]:
        """Yield every record that a build would make, in the order of the files."""
        for data_file in self.data_files:
            for split, row in self.normaliser.rows(data_file):
                for outcome in row.outcomes:
                    record = self._record(split, row, outcome)
                    if record is not None:
                        yield record
                if (
                    self.definition.images.same_as is None
                ):  # else later rows may mean this row's image
                    self._images.forget()
        self.normaliser.joins.finish()
        self._look_over()

    def _report(self, problem: Problem) -> None:
        self.problems.append(problem)

    def _record(self, split: str, row: NormalRow, outcome: NormalOutcome) -> CheckedRecord | None:
        check = self.splits[split]
        if outcome.filtered is not None:
            check.left_out[outcome.filtered] += 1
            return None
        if outcome.rejected is not None:
            check.rejected[outcome.rejected.reason.value] += 1
            return None
        example = outcome.example
        assert example is not None
        try:
            self._check_id(example)
            for path in example.images or ():
                self._check_image(path, example, row.place)
            if example.video is not None:
                self._check_video(example.video, example.clip)
        except RowRejectedError as error:
            check.rejected[error.reason.value] += 1
            self._report(Problem(row.place, "reject", error.reason, error.message))
            return None
        check.records += 1
        self._look_at(example, row.place, check)
        return CheckedRecord(row.place, example.example_id.partition("#")[2] or None, example)

    def _check_id(self, example: Example) -> None:
        digest = hashlib.blake2b(example.example_id.encode(), digest_size=12).digest()
        if digest in self._ids:
            name = example.example_id.partition("/")[2].partition("/")[2]
            raise RowRejectedError(
                Reason.DUPLICATE_ID, f"the id {name!r} is that of an earlier row, which is used"
            )
        self._ids.add(digest)

    def _check_image(self, path: str, example: Example, place: Place) -> None:
        known = self._checked.get(path)
        if known is None:
            known = self._checked[path] = self._look_at_image(path, place)
        if isinstance(known, RowRejectedError):
            raise known
        self.splits[example.split].images.add(known)
        self._compare_labels(known, path, example, place)

    def sha256_of(self, path: str) -> str:
        """Return the sha256 of an image of a record."""
        known = self._checked[path]
        assert isinstance(known, bytes)
        return known.hex()

    def _check_video(self, path: str, clip: tuple[float, float] | None) -> None:
        from datagen.media.video import video_duration

        known = self._checked_videos.get(path)
        if known is None:
            try:
                with self.roots.open(path) as file:
                    known = video_duration(file, path)
            except RowRejectedError as error:
                known = error
            self._checked_videos[path] = known
        if isinstance(known, RowRejectedError):
            raise known
        if clip is not None and clip[0] >= known:
            raise RowRejectedError(
                Reason.MEDIA_TRUNCATED,
                f"{path} lasts {known:.1f} s, and its clip begins at {clip[0]:.1f} s",
            )

    def _look_at_image(self, path: str, place: Place) -> RowRejectedError | bytes:
        try:
            inspect_image(self.roots, path)
            digest = bytes.fromhex(content_digest(self.roots, path))
            for reason, message in warnings_of(self.roots, path):
                self._report(Problem(place, "warn", reason, message))
        except RowRejectedError as error:
            return error
        return digest

    def _compare_labels(self, digest: bytes, path: str, example: Example, place: Place) -> None:
        """Report an image that stands under two labels, or in a training and another split."""
        before = self._seen_with.get(digest)
        label = _first_answer(example) if self.definition.task == "classification" else ""
        if before is None:
            self._seen_with[digest] = (example.split, label, path, place)
            return
        split, other, other_path, other_place = before
        if label != other:
            for at, one, two in ((other_place, other_path, path), (place, path, other_path)):
                message = f"{one} and {two} are one image under two labels, {other!r} and {label!r}"
                self._report(Problem(at, "warn", "image_twice", message))
        elif split != example.split:
            uses = {use_of(self.definition, each) for each in (split, example.split)}
            is_known = (digest, place) in self._leaks  # of another turn
            if "train" in uses and len(uses) > 1 and not is_known:
                self._leaks.add((digest, place))
                other = "" if other_path == path else f", as {clean_path(other_path)},"
                message = f"the image {clean_path(path)} of {example.split} is in {split} too{other} at {other_place}"
                self._report(Problem(place, "warn", "leakage", message))

    def _look_at(self, example: Example, place: Place, check: SplitCheck) -> None:
        target = _target(example)
        if target is None:
            return
        if len(check.targets) < 100_000 or target in check.targets:
            check.targets[target] += 1
        if self.definition.task == "classification":
            self._labels[example.split].setdefault(target, place)
        words = target.count(" ") + 1
        if words > LONG_TARGET_WORDS:
            message = (
                f"the target has {words} words; a trainer cuts what is past its limit of tokens"
            )
            self._report(Problem(place, "warn", "long_target", message))
        question = (example.question or "").casefold()
        said = self.definition.task == "vqa" and len(target) > 3 and example.choices is None
        if said and re.search(rf"\b{re.escape(target.casefold())}\b", question):
            message = f"the answer {target!r} stands in its question"
            self._report(Problem(place, "warn", "answer_in_question", message))

    def _look_over(self) -> None:
        """Report what shows only when everything was read."""
        for split, check in self.splits.items():
            place = Place(self.data_files[0].name, split=split)
            if not check.records + check.rejected.total() + check.left_out.total():
                self._report(Problem(place, "warn", "empty_split", "no row is in this split"))
            if check.records >= COMMON_ROWS and check.targets:
                target, count = check.targets.most_common(1)[0]
                if count > COMMON_SHARE * check.records:
                    message = f"{count} of {check.records} records have the answer {target!r}"
                    self._report(Problem(place, "warn", "one_answer", message))
        trained = [s for s in self.splits if use_of(self.definition, s) == "train"]
        if not trained and not self.definition.use:
            first = next(iter(self.splits))
            message = (
                f"no split is trained on: there are {', '.join(self.splits)}; if one of them is for training, say "
                f"so: use: {{{first}: train}}"
            )
            self._report(Problem(Place(self.data_files[0].name), "warn", "no_train_split", message))
        known = {label for split in trained for label in self._labels[split]}
        if known:
            for split in self.splits.keys() - trained:
                for label, place in self._labels[split].items():
                    if label not in known:
                        message = f"the label {label!r} is not in {', '.join(trained)}: ranking cannot give it"
                        self._report(Problem(place, "warn", Reason.UNKNOWN_LABEL, message))

    @property
    def candidates(self) -> list[str] | None:
        """The labels of the training splits, sorted; None where the task has none."""
        if self.definition.task != "classification":
            return None
        trained = [s for s in self.splits if use_of(self.definition, s) == "train"]
        return sorted({label for split in trained for label in self._labels[split]})


def _first_answer(example: Example) -> str:
    return example.answers[0].text if example.answers else ""


def _target(example: Example) -> str | None:
    if example.response is not None:
        return example.response
    if example.captions:
        return example.captions[0]
    if example.label is not None:
        return "yes" if example.label else "no"
    if example.correct_choice is not None and example.choices:
        return example.choices[example.correct_choice]
    return _first_answer(example) or None


def record_of(record: CheckedRecord, checker: Checker) -> dict[str, Any]:
    """Return a record as plain JSON: its place, images by digest, inputs and targets."""
    example, definition = record.example, checker.definition
    place = {name: getattr(record.place, name) for name in Place.__struct_fields__}
    place = {name: value for name, value in place.items() if value is not None}
    if record.part:
        turn = re.fullmatch(r"turn(\d+)", record.part)
        place |= {"turn": int(turn[1])} if turn else {"qa": record.part}
    images = [
        {"file": clean_path(path), "sha256": checker.sha256_of(path)}
        for path in example.images or ()
    ]
    inputs: dict[str, Any] = {}
    for name in ("question", "context", "ocr_tokens", "statement", "text"):
        value = getattr(example, name)
        if value is not None and value != definition.question:
            inputs[name] = value
    if example.choices is not None:
        inputs["choices"] = list(example.choices)
    if definition.task in ("conversation", "prompt"):
        inputs["dialog"] = [
            {"question": turn.question, "answer": turn.answer} for turn in example.dialog or ()
        ]
    found: dict[str, Any] = {
        "row": place,
        "id": example.example_id.split("/", 2)[2].partition("#")[0],
        "split": example.split,
        "task": definition.task,
        "images": images,
        "inputs": inputs,
        "group": example.group_id.partition(":")[2],
        "tags": dict(example.tags or {}),
    }
    if example.video is not None:
        found["video"] = example.video
    if example.correct_choice is not None:
        found["correct_choice"] = example.correct_choice
    targets = list(
        example.captions or [each.text for each in example.answers or () if each.text] or ()
    )
    if len(targets) > 1:
        found["target_in"] = found["references"] = targets
        found["answers"] = [{"text": a.text, "count": a.count} for a in example.answers or ()]
    target = _target(example)
    found["target"] = target
    if target is None:
        found["hidden"] = True
    return found


def problem_of(problem: Problem) -> dict[str, Any]:
    """Return a problem as plain JSON."""
    place = {name: getattr(problem.place, name) for name in Place.__struct_fields__}
    return {
        **{name: value for name, value in place.items() if value is not None},
        "severity": problem.severity,
        "reason": str(problem.reason),
        "message": problem.message,
    }
