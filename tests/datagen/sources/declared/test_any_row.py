"""Any row is mapped, rejected or filtered: none raises."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.schema.adapter import Filtered, Rejected
from datagen.sources.declared.load import parse_definitions
from datagen.sources.declared.mapping import RowMapping
from datagen.sources.declared.row import Mapped, Place, RawRow

OWN_DATA = Path(__file__).parents[3] / "own_data"
EXTRA = """\
name: yes
task: yes_no
files: a.json
json: question
columns: {image: image, question: question, answers: answers, context: null, tags: {a: id}, group: id}
hold_out: {share: 0.5, by: id}
---
name: prompts
task: prompt
files: a.json
columns: {image: "[image, images]", prompt: [question, input], target: answers, system: system}
---
name: documents
task: document_vqa
files: a.json
each: questions
columns: {video: image, start: id, end: q, question: question, answers: answers, ocr_tokens: options}
---
name: letters
task: multiple_choice
files: a.json
columns: {image: image, question: [q, question], choices: [a, b, options], answers: answer}
answer: {is: letter}
---
name: stated
task: statement
files: a.json
columns: {image: image, statement: question, label: label}
"""


def mappings() -> list[RowMapping]:
    found = []
    for file in sorted(OWN_DATA.glob("*.yaml")):
        if not file.name.startswith("19"):  # whose lists of members are files
            found += parse_definitions(file.read_bytes())
    return [
        RowMapping(each.model_copy(update={"join": []}))
        for each in (*found, *parse_definitions(EXTRA))
    ]


MAPPINGS = mappings()
NAMES = st.sampled_from(
    ["image", "images", "question", "q", "answers", "answer", "options", "choices", "id", "label", "Split",
     "conversations", "messages", "role", "content", "from", "value", "caption", "text", "meta", "img",
     "Question 1", "texts", "user", "assistant", "questions", "output", "history", "system", "bytes", "path",
     "instruction", "Image File", "Question", " Answer", "type", "a", "b"]
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4)
    | st.sampled_from(["human", "gpt", "user", "train", "A", "(b)", "2.0", "yes", "[1, 2]", "a.png", "<image>"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda each: each.definition.name)
@settings(max_examples=25, deadline=None)
@given(row=st.dictionaries(NAMES, VALUES, max_size=8))
def test_any_row_has_an_outcome(mapping: RowMapping, row: dict[str, Any]) -> None:
    outcomes = list(mapping.examples(RawRow(Place("a.json", row=1), row), None))
    assert outcomes
    for each in outcomes:
        assert isinstance(each, Mapped | Rejected | Filtered)
        if isinstance(each, Rejected):
            assert each.message
