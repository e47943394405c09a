import pytest
import yaml

from templates.library import load_templates
from templates.lint import lint
from templates.prompt_list import import_prompts

PROMPTS = """\
# from the appendix
1. <Image>{Question}
2) "{question} Answer in a few words."
- Question: {Question} Short answer:

* {QUESTION} ({Task Name})
"""


def test_a_printed_list_becomes_a_template_file(tmp_path):
    (tmp_path / "vqa.yaml").write_text(import_prompts(PROMPTS, "vqa"))
    templates = load_templates(tmp_path).templates
    assert [template.template_id for template in templates] == [
        f"vqa.imported.{number}" for number in range(1, 5)
    ]
    assert [template.instruction.source for template in templates] == [
        "{{ question }}",
        "{{ question }} Answer in a few words.",
        "Question: {{ question }} Short answer:",
        "{{ question }} ({{ task_name }})",
    ]
    assert [
        each for each in lint(tmp_path).findings if each.file == "vqa.yaml" and each.template_id
    ] == []


@pytest.mark.parametrize(
    ("task", "prompt", "instruction", "target"),
    [
        (
            "multiple_choice",
            "{Question} {Options}",
            "{{ question }} {{ choices | lettered }}",
            "{{ answer }}",
        ),
        (
            "vqa_ocr",
            "{OCR tokens} {Question}",
            "{% if ocr_tokens %}{{ ocr_tokens[:30] | join(', ') }}{% endif %} {{ question }}",
            "{{ answer }}",
        ),
        (
            "statement",
            "{Statement} True?",
            "{{ statement }} True?",
            "{{ 'yes' if label else 'no' }}",
        ),
        ("caption", "A short caption: 100% true", "A short caption: 100% true", "{{ caption }}"),
    ],
)
def test_fields_are_written_as_the_task_needs_them(task, prompt, instruction, target):
    content = yaml.safe_load(import_prompts(prompt, task))
    assert content["templates"][0]["instruction"] == instruction
    assert content["target"] == target


def test_every_line_with_an_unknown_field_is_reported():
    with pytest.raises(ValueError, match="did you mean") as error:
        import_prompts("{Qestion}\n{Question}\n{Nothing}", "vqa")
    assert "line 1: unknown field {Qestion}; did you mean {question}?" in str(error.value)
    assert "line 3: unknown field {Nothing}; this task has answer, " in str(error.value)


def test_a_list_without_prompts_is_refused():
    with pytest.raises(ValueError, match="no prompts in the file"):
        import_prompts("# nothing\n\n", "vqa")
