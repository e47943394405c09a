import re
from pathlib import Path

import pytest

from datagen.sources.declared.load import (
    SourceFileError,
    json_schema,
    parse_definitions,
    read_definitions,
)
from datagen.sources.declared.presets import PRESETS, read_preset

GOOD = """\
name: pumps
task: vqa
files: pumps.csv
columns: {image: Image File, question: Question, answers: Answer}
"""


def errors(text: str) -> list[str]:
    with pytest.raises(SourceFileError) as caught:
        parse_definitions(text)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_a_file_declares_a_source_in_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "pumps.yaml"
    file.write_text(
        "\ufeff" + GOOD + "answer: {true_words: [yes, on], missing_words: [007, n/a]}\n"
    )
    (definition,) = read_definitions(file)
    assert (definition.name, definition.base) == ("pumps", str(tmp_path))
    assert definition.answer.true_words == ["yes", "on"]
    assert definition.answer.missing_words == ["007", "n/a"]


def test_documents_are_sources() -> None:
    found = parse_definitions(f"{GOOD}---\n{GOOD.replace('pumps', 'valves')}---\n")
    assert [each.name for each in found] == ["pumps", "valves"]
    assert errors(f"{GOOD}---\n{GOOD}") == [
        "source 2: name: 'pumps' is declared twice in this file"
    ]


def test_all_errors_are_reported_at_once_with_their_keys() -> None:
    assert errors(
        "name: Pumps\ntask: vq\nfiles: [a.csv, [b]]\ncolums: {}\n"
        "columns: {imge: a, question: [1, {}]}\nimages: {rot: x, several: some}\nweight: -1\n"
        "splits: {val: {liste: a.txt}}\n"
    ) == [
        "name: 'Pumps' is no id: lower-case letters, digits and _, beginning with a letter, not 'Pumps'",
        "task: input should be 'caption', 'vqa', 'multiple_choice', 'yes_no', 'classification', "
        "'statement', 'conversation', 'document_vqa' or 'prompt', not 'vq'",
        "columns.imge: unknown key, did you mean 'image'?",
        "images.several: input should be 'keep', 'first' or 'reject', not 'some'",
        "images.rot: unknown key, did you mean 'root'?",
        "splits.val.list: missing",
        "splits.val.liste: unknown key, did you mean 'list'?",
        "weight: input should be greater than or equal to 0, not -1",
        "colums: unknown key, did you mean 'columns'?",
        "files.1: a text is due, not ['b']",
        "columns.question.1: a text is due, not {}",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("task: caption", "columns: task caption needs columns.caption"),
        ("task: caption", "columns.answers: not used by task caption"),
        ("columns: {image: a, question: 'b[', answers: c}", "columns.question: 'b[' is no JMESPath"),
        ("columns: {question: b, answers: c}", "columns: columns.image, images.pattern, columns.video or"),
        ("name: vqav2", "name: 'vqav2' is one of the 26 sources; choose another, such as 'my_vqav2'"),
        ("name: default", "name: 'default' is reserved"),
        ("base: /etc", "base: unknown key"),
        ("preset: lava", "preset: unknown preset 'lava', did you mean 'llava'?"),
        ("answer: {missing_words: [true]}", "answer.missing_words.0: a text is due, not true; put it"),
        ("splits: {train: [a], val: a}", "splits: the value 'a' is given for train and val"),
        ("hub: {repo: a/b}", "give either files or hub"),
        ("hold_out: {share: 1}", "hold_out.share: input should be less than 1, not 1"),
        ("images: {marker: '*'}", "images.marker: '*' must begin with another character than *"),
        ("tags: [a]", "tags: keys with values are due"),
        ("roles: {function_tag: x}", "roles.function_tag: turns of tools are not supported"),
    ],
)  # fmt: skip
def test_each_error_says_what_to_do(change: str, message: str) -> None:
    key = change.split(":")[0]
    rest = "".join(line + "\n" for line in GOOD.splitlines() if not line.startswith(f"{key}:"))
    found = errors(f"{rest}{change}\n")
    assert any(each.startswith(message) for each in found), found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: !!python/object/apply:os.system [ls]",
            "line 1, column 7: the tag !!python.* is refused, as it may run code; put",
        ),
        ("name: &a x\ntitle: *a", "anchors .* are not used"),
        ("name: x\nname: y", "line 2, column 1: key 'name' is given twice"),
        ("name: x\n\ttask: vqa", "line 2, column 1: a tab; indent with blanks"),
        ("name: @x", "line 1, column 7: a text that begins with @ must be in quotes"),
        ("title: a: b", "line 1, column 9: a colon where no key can be; put a text with a colon"),
        ("name: x\0", r"the character U\+0000, which no YAML has"),
        ("true: x", "the key 'true' is no text: put it in quotes"),
        ("[a]: x", "the key a list or mapping is no text"),
        ("name: [", "no usable YAML: .*line 1"),
        ("- name", "keys and values are due"),
        ("", "declares no source"),
        (b"name: caf\xe9", "is not UTF-8 at byte 9"),
        ("[" * 1200, "no usable YAML"),
        ("a" * 1_000_001, "has 1000001 bytes, 1000000 are allowed"),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(SourceFileError, match=message):
        parse_definitions(text)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceFileError, match=r"no such source file: .*pumps\.yaml"):
        read_definitions(tmp_path / "pumps.yaml")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_most_of_a_source(name: str) -> None:
    join = "join: {file: answers.json}\n" if name == "vqa_v2" else ""
    (definition,) = parse_definitions(f"name: toy\npreset: {name}\nfiles: data\n{join}")
    assert definition.task == read_preset(name)["task"]


def test_a_file_overrides_its_preset_key_by_key() -> None:
    (definition,) = parse_definitions(
        "name: toy\npreset: llava\nfiles: a.json\ncolumns: {image: img, id: null}\n"
        "tags: {role_tag: role, user_tag: me}\n"
    )
    assert (definition.columns.image, definition.columns.id) == ("img", None)
    assert definition.columns.turns == "conversations"
    assert (definition.roles.role, definition.roles.user) == ("role", ["me"])
    assert definition.roles.assistant == ["gpt", "assistant"]


def test_the_json_schema_has_every_key_that_a_file_may_have() -> None:
    schema = json_schema()
    (definition,) = parse_definitions(GOOD)
    keys = set(definition.model_dump(by_alias=True)) - {"own_templates"}
    assert set(schema["properties"]) == keys | {"tags"}
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name"]
    assert set(schema["properties"]["preset"]["enum"]) == set(PRESETS)
    assert "is" in schema["$defs"]["Answers"]["properties"]
    assert "role_tag" in schema["$defs"]["Roles"]["properties"]


def test_the_reference_page_shows_what_the_loader_reads() -> None:
    page = (Path(__file__).parents[4] / "docs/reference/source_files.md").read_text()
    whole, *parts = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (definition,) = parse_definitions(whole)
    assert definition.use == {"test": "hidden"}
    for part in parts:
        keys = {line.split(":")[0] for line in part.splitlines() if not line.startswith(" ")}
        rest = [line for line in whole.splitlines() if line.split(":")[0] not in keys]
        text = "\n".join(rest).replace(", split: Split", "") + f"\n{part}"
        if "list:" in part:
            continue  # names files
        parse_definitions(text)
    for key in set(definition.model_dump(by_alias=True)) - {"own_templates"}:
        assert re.search(rf"\b{key}\b", page), key
    for preset in PRESETS:
        assert f"`{preset}`" in page
