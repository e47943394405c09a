"""The contract of every source, checked on the sample. A new source is covered by being in the table."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen.build.options import BuildOptions
from datagen.build.plan import complete_layout, media_roots
from datagen.errors import Reason, RowRejectedError
from datagen.media.media import MediaRoots
from datagen.render import chance, draw, evaluation, fields_of, references_of
from datagen.schema.adapter import Filtered, Rejected, RowContext, Rows
from datagen.schema.example import Example
from datagen.sources import SOURCE_IDS, load_source
from templates.library import load_templates
from templates.tasks import TASKS

TEMPLATES = load_templates("instruct")

pytestmark = pytest.mark.parametrize("source_id", SOURCE_IDS)


def rows_in(raw: Path, folder: str, rows: Rows) -> Iterator[tuple[str | None, Any]]:
    """Key and value of every row of a source's file, read without any of our code."""
    if "*" in rows.file:
        start = Path(raw, folder, rows.file.partition("*")[0]).parent
        for path in sorted((raw / folder).glob(rows.file)):
            name = str(path.relative_to(start))
            yield None, {"path": name, "row": json.loads(path.read_text(encoding="utf-8"))}
        return
    text = (raw / folder / rows.file).read_text(encoding="utf-8")
    match rows.kind:
        case "csv":
            for record in csv.DictReader(io.StringIO(text, newline="")):
                yield None, {name: cell for name, cell in record.items() if cell}
        case "lines":
            yield from ((None, json.loads(line)) for line in text.splitlines())
        case _:
            document = json.loads(text)
            for name in rows.path:
                document = document[name]
            items = (
                document.items() if isinstance(document, dict) else ((None, r) for r in document)
            )
            yield from items


def num_rows(raw: Path, source_id: str, split: str, files: Any) -> int:
    source = load_source(source_id)
    layout = complete_layout(source, split, str(raw), files)
    values = [row for _, row in rows_in(raw, source.card.folder, layout.rows)]
    if layout.rows.split_of is None:
        return len(values)
    typed = [
        msgspec.convert(row, layout.rows.row, strict=layout.rows.kind != "csv") for row in values
    ]
    return sum(layout.rows.split_of(row) == split for row in typed)


def test_every_split_of_the_sample_is_built(referenced: Any, source_id: str) -> None:
    splits = referenced.manifest.splits[source_id]
    assert tuple(splits) == load_source(source_id).split_names()
    assert source_id not in referenced.manifest.missing


def test_counts_are_those_of_the_samples_files(
    referenced: Any, sample_raw: Path, source_id: str
) -> None:
    for split, entry in referenced.manifest.splits[source_id].items():
        assert entry.rows == num_rows(sample_raw, source_id, split, referenced.files)
        assert entry.read == entry.written + sum(entry.filtered.values())
        assert entry.rejected == {}
        assert entry.written == len(referenced.records(source_id, split)) > 0
    assert referenced.rejections(source_id) == []


def test_ids_are_unique_and_name_source_and_split(referenced: Any, source_id: str) -> None:
    ids: list[str] = []
    for split in referenced.manifest.splits[source_id]:
        for record in referenced.records(source_id, split):
            assert record.record_id.startswith(f"{source_id}/{split}/")
            assert len(record.record_id) > len(f"{source_id}/{split}/")
            assert (record.source, record.split) == (source_id, split)
            ids.append(record.record_id)
    assert len(set(ids)) == len(ids)


def test_fields_that_the_task_needs_are_there(referenced: Any, source_id: str) -> None:
    card = load_source(source_id).card
    task = TASKS[card.task]
    for split in referenced.manifest.splits[source_id]:
        hidden = load_layout(source_id, split).hidden_answers
        for record in referenced.records(source_id, split):
            assert record.task == card.task
            fields = fields_of(record.example(), card.task, 0, card.title)
            needed = task.fields.keys() - task.optional - (task.target if hidden else set())
            assert [name for name in needed if fields[name] in (None, "", ())] == []
            if hidden:
                assert (record.target, record.references) == (None, None)
                assert record.answers is None
                assert record.label is None


def load_layout(source_id: str, split: str) -> Any:
    """All layouts of a split hide its answers, or none."""
    layouts = [each for each in load_source(source_id).splits if each.split == split]
    assert len({each.hidden_answers for each in layouts}) == 1
    return layouts[0]


def test_what_is_absent_is_null_and_never_empty(referenced: Any, source_id: str) -> None:
    for split in referenced.manifest.splits[source_id]:
        for record in referenced.records(source_id, split):
            for name in record.__struct_fields__:
                assert getattr(record, name) not in ("", (), {}), name
            for answer in record.answers or ():
                assert answer.count > 0


def test_texts_are_clean(referenced: Any, source_id: str) -> None:
    for split in referenced.manifest.splits[source_id]:
        for record in referenced.records(source_id, split):
            texts = [record.question, record.target, record.context, record.statement, record.text]
            texts += [*(record.captions or ()), *(record.choices or ()), *(record.candidates or ())]
            texts += [answer.text for answer in record.answers or ()]
            for text in filter(None, texts):
                assert text == text.strip()
                assert text.replace("\n", "").replace("\t", "").isprintable()


def test_every_record_has_an_instruction_and_what_answers_it(
    referenced: Any, source_id: str
) -> None:
    for split in referenced.manifest.splits[source_id]:
        hidden = load_layout(source_id, split).hidden_answers
        for record in referenced.records(source_id, split):
            assert record.instruction.strip()
            assert record.template_id
            if not hidden:
                assert record.target.strip()
                assert len(record.references) > 0
                raw_texts = {answer.text for answer in record.raw_answers or ()}
                assert record.target in {*record.references, *raw_texts}
                task = task_of(record.template_id)
                assert record.references == references_of(record.example(), task)


def task_of(template_id: str) -> str:
    """The task of a template, or of a protocol."""
    if template_id.startswith("protocol/"):
        return TEMPLATES.protocols[template_id.removeprefix("protocol/")].task
    return next(w.task for w in TEMPLATES.templates if w.template_id == template_id)


def test_training_splits_have_templates_and_evaluation_splits_a_prompt(
    referenced: Any, source_id: str
) -> None:
    for split in referenced.manifest.splits[source_id]:
        names = {record.template_id for record in referenced.records(source_id, split)}
        if split != "train" and source_id in TEMPLATES.protocols:
            assert names == {f"protocol/{source_id}"}
        else:
            templates = {
                w.template_id
                for form in TEMPLATES.forms(load_source(source_id).card.prompts)
                for w in form.templates
            }
            assert names <= templates
            assert len(names) > 1 or len(templates) == 1


def test_a_record_is_drawn_again_from_its_fields(referenced: Any, source_id: str) -> None:
    prompts = load_source(source_id).card.prompts
    for split in referenced.manifest.splits[source_id]:
        for record in referenced.records(source_id, split):
            example = record.example()
            if record.template_id.startswith("protocol/"):
                protocol = TEMPLATES.protocols[source_id]
                again = evaluation(example, protocol, chance(0, 0, record.record_id), prompts.title)
            else:
                again = draw(example, TEMPLATES.of(prompts), 0)
            assert (again.instruction, again.target) == (record.instruction, record.target)
            assert draw(example, TEMPLATES.of(prompts), 0, 1).instruction


def test_training_and_evaluation_share_no_image(referenced: Any, source_id: str) -> None:
    groups = {
        split: {record.group_id for record in referenced.records(source_id, split)}
        for split in referenced.manifest.splits[source_id]
    }
    for split in groups.keys() - {"train"}:
        assert groups[split]
        assert not groups[split] & groups.get("train", set())
    for found in groups.values():
        assert all(":" in group for group in found)


def test_media_are_named_by_collection_and_are_there(
    referenced: Any, sample_raw: Path, source_id: str
) -> None:
    options = BuildOptions(raw=str(sample_raw), out="unused")
    roots = MediaRoots(media_roots(options), referenced.files)
    collections = {media.collection for media in load_source(source_id).card.media}
    for split in referenced.manifest.splits[source_id]:
        for record in referenced.records(source_id, split):
            assert (record.images is None) != (record.video is None)
            paths = [image.path for image in record.images or ()]
            paths += [record.video.path] if record.video else []
            for path in paths:
                assert path.partition("/")[0] in collections
                with roots.open(path) as file:
                    assert file.read(4)


def test_embedded_images_are_there(embedded: Any, source_id: str) -> None:
    for split in embedded.manifest.splits[source_id]:
        for record in embedded.records(source_id, split):
            assert len(record.images) == (4 if record.video else len(record.images)) > 0
            assert all(image.bytes[:2] in (b"\xff\xd8", b"\x89P") for image in record.images)


def test_candidates_hold_the_answer(referenced: Any, source_id: str) -> None:
    for split in referenced.manifest.splits[source_id]:
        for record in referenced.records(source_id, split):
            options = record.candidates or record.choices
            if record.correct_choice is not None:
                right = options[record.correct_choice]
                assert right in {record.target, *(a.text for a in record.answers or ())}
            if record.relevance is not None:
                assert len(record.relevance) == len(record.candidates)


def test_the_source_is_built_alike_alone(
    referenced: Any, prepare: Any, sample_raw: Path, source_id: str
) -> None:
    building = prepare(raw=sample_raw, sources=[source_id])
    building.stage(reverse=True)
    building.write(reverse=True)
    building.finish()
    for split, entry in referenced.manifest.splits[source_id].items():
        if split == "train" and load_source(source_id).card.held_in:
            alone = building.records(source_id, split)
            whole = referenced.records(source_id, split)
            for one, other in zip(alone, whole, strict=True):
                assert one == msgspec.structs.replace(other, weight=one.weight)
        else:
            assert building.manifest.split(source_id, split) == entry


def test_rows_of_the_adapter_are_typed(sample_raw: Path, source_id: str) -> None:
    """Whatever the types say is optional, the sample's rows decode."""
    source = load_source(source_id)
    for layout in source.splits:
        if any((sample_raw / source.card.folder).glob(layout.rows.file)):
            for _, row in rows_in(sample_raw, source.card.folder, layout.rows):
                strict = layout.rows.kind != "csv"
                converted = msgspec.convert(row, layout.rows.row, strict=strict)
                assert not isinstance(converted, Rejected)


def rows_of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a row's type: structs, lists, dictionaries and plain values, as odd as they come."""
    odd = st.sampled_from(["", " ", "\n", "../../etc/passwd", "/x", "\\", "a\0b", "x" * 40_000])
    plain: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(-(2**40), 2**40) | st.integers(-2, 12),
        str: st.text(max_size=8) | odd,
        float: st.floats(),
        bool: st.booleans(),
        type(None): st.none(),
        Any: st.none() | st.integers() | st.text(max_size=5),
    }
    if kind in plain:
        return plain[kind]
    if isinstance(kind, UnionType):
        return st.one_of(*(rows_of_type(each) for each in get_args(kind)))
    if get_origin(kind) is list:
        return st.lists(rows_of_type(get_args(kind)[0]), max_size=4)
    if get_origin(kind) is dict:
        return st.dictionaries(st.text(max_size=5), rows_of_type(get_args(kind)[1]), max_size=4)
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: rows_of_type(hint) for name, hint in hints.items()})


def test_any_row_of_the_right_types_makes_examples_or_is_rejected(
    referenced: Any, source_id: str
) -> None:
    """Adapters, and the templates after them, raise nothing but a rejection."""
    checked = 0
    for layout in load_source(source_id).splits:
        plan = referenced.split(f"{source_id}/{layout.split}")
        tables = referenced.stager(plan).tables if plan.layout_name == layout.layout_name else {}
        if set(tables) == set(layout.tables):
            checked += 1
            check_with_any_rows(source_id, layout, tables, referenced.roots)
    assert checked >= len(load_source(source_id).split_names())


def check_with_any_rows(source_id: str, layout: Any, tables: Any, roots: MediaRoots) -> None:
    rejected = st.just(Rejected(Reason.INVALID_ENCODING, "not UTF-8"))
    found = {
        name: st.lists(rows_of_type(lookup.row) | rejected, max_size=3)
        for name, lookup in layout.lookups.items()
    }
    keys = st.sampled_from(sorted(str(n) for n in range(6))) | st.none()

    @given(rows_of_type(layout.rows.row), st.fixed_dictionaries(found), keys)
    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    def check(row: Any, found: Any, key: str | None) -> None:
        context = RowContext(
            source=source_id,
            split=layout.split,
            hidden_answers=layout.hidden_answers,
            tables=tables,
            media=roots,
            key=key,
            found=found,
        )
        if layout.rows.split_of is not None:
            assert layout.rows.split_of(row) in (None, *load_source(source_id).split_names())
        try:
            for outcome in layout.examples(row, context):
                assert isinstance(outcome, Example | Filtered | Rejected)
                if isinstance(outcome, Example):
                    assert draw(
                        outcome, TEMPLATES.of(load_source(source_id).card.prompts), 0
                    ).instruction
        except RowRejectedError as error:
            assert isinstance(error.reason, Reason)

    check()
