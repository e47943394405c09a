import shutil

import pytest

from templates.library import SHIPPED, SHIPPED_SETS
from templates.lint import lint
from templates.tasks import SOURCES, TASKS


@pytest.fixture
def folder(tmp_path):
    """A clean set to put one error into: the shipped one."""
    for part in ("instruct", "protocol"):
        target = tmp_path / "mine" / ("" if part == "instruct" else part)
        shutil.copytree(SHIPPED / part, target, dirs_exist_ok=True)
    return tmp_path / "mine"


def add_template(folder, task, template_id, instruction, *more):
    lines = [f"  - id: {template_id}", f"    instruction: {instruction}"]
    with (folder / f"{task}.yaml").open("a") as file:
        file.write("\n".join(lines + [f"    {line}" for line in more]) + "\n")


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", SHIPPED_SETS)
def test_the_shipped_sets_are_clean(name):
    report = lint(name)
    assert [str(finding) for finding in report.findings] == []
    assert report.clean
    assert len(report.template_set.templates) >= len(TASKS)


def test_a_copy_of_a_shipped_set_is_clean(folder):
    assert lint(folder).clean


def test_a_report_over_nothing_is_not_clean(tmp_path):
    report = lint(tmp_path, sources=[])
    assert not report.clean
    assert "no-files" in {finding.rule for finding in report.findings}


@pytest.mark.parametrize(
    ("template", "rule", "field", "remedy"),
    [
        (('"{{ qestion }}"',), "syntax", "qestion", "this task has answer, choices, "),
        (('"{{ question"',), "syntax", "instruction", "allowed are text, fields, if/else"),
        (('"{{ question | center(9) }}"',), "syntax", "instruction", "the filters lower, upper"),
        (('"{{ 3 * 3 }}"',), "syntax", "instruction", "allowed are text, fields, if/else"),
        (('"{{ choices }}"',), "syntax", "choices", "write {{ choices | join(', ') }} or"),
        (('"{{ choices[7] }}"',), "render", "instruction", "fix the template"),
        (('" "',), "blank", "instruction", "add words or a field that is always there"),
        (('"{{ question }} {{ answer }}?"',), "leak", "answer", "remove answer from the instr"),
        (('"PICK: {{ choices | lettered }} "',), "duplicate-template", "instruction", "drop one"),
        (('"So, {{ question }}"', "sources: [vqav3]"), "unknown-source", "sources", "aokvqa, "),
        (('"So, {{ question }}"', "target: so"), "constant-target", "target", "write {{ answer }}"),
    ],
)
def test_one_bad_template_is_one_finding_with_file_id_field_and_remedy(
    folder, template, rule, field, remedy
):
    add_template(
        folder, "multiple_choice", "multiple_choice.a.1", '"Pick:  {{ choices | lettered }}"'
    )
    add_template(folder, "multiple_choice", "multiple_choice.new.1", *template)
    [finding] = lint(folder).findings
    assert (finding.rule, finding.field) == (rule, field)
    assert (finding.file, finding.template_id) == ("multiple_choice.yaml", "multiple_choice.new.1")
    assert remedy in finding.remedy
    assert str(finding).startswith(f"multiple_choice.yaml: multiple_choice.new.1: {field}: ")


def test_an_id_used_twice_is_found(folder):
    add_template(folder, "vqa", "vqa.bare.1", '"Well, {{ question }}"')
    [finding] = lint(folder).findings
    assert (finding.file, finding.template_id, finding.field) == ("vqa.yaml", "vqa.bare.1", "id")
    assert (finding.rule, finding.remedy) == ("duplicate-id", "give each its own id")


def test_an_id_that_does_not_start_with_its_task_is_found(folder):
    add_template(folder, "vqa", "question.new.1", '"Well, {{ question }}"')
    [finding] = lint(folder).findings
    assert (finding.file, finding.template_id, finding.field) == (
        "vqa.yaml",
        "question.new.1",
        "id",
    )
    assert (finding.rule, finding.remedy) == ("id", "write vqa.<style>.<number>")


def test_a_flag_that_gives_the_answer_away_is_found(folder):
    leak = "\"{{ statement }}{{ '' if label else '!' }}\""
    add_template(folder, "statement", "statement.new.1", leak)
    [finding] = lint(folder).findings
    assert (finding.rule, finding.field) == ("leak", "label")


def test_a_target_that_renders_blank_is_found(folder):
    add_template(folder, "vqa", "vqa.new.1", '"So, {{ question }}"', 'target: ""')
    found = {finding.rule: finding for finding in lint(folder).findings}
    assert set(found) == {"blank", "constant-target"}
    assert found["blank"].field == "target"


def test_an_instruction_that_is_blank_without_its_optional_field_is_found(folder):
    template = '"{% if caption %}{{ caption }}{% endif %}"'
    (folder / "dialog.yaml").write_text(
        f'task: dialog\nsources: [visdial]\ntarget: "{{{{ answer }}}}"\n'
        f"templates:\n  - id: dialog.new.1\n    instruction: {template}\n"
    )
    [finding] = lint(folder).findings
    assert finding.rule == "blank"
    assert finding.message == "instruction renders blank without caption, dialog"


def test_a_blank_instruction_may_be_allowed(folder):
    replace(folder / "caption.yaml", "task: caption", "allow_blank: true\ntask: caption")
    add_template(folder, "caption", "caption.new.1", '""')
    assert lint(folder).clean


def test_the_same_template_for_other_sources_is_no_duplicate(folder):
    add_template(folder, "vqa", "vqa.new.1", '"So, {{ question }}"', "sources: [vqav2]")
    add_template(folder, "vqa", "vqa.new.2", '"so, {{ question }}"', "sources: [gqa]")
    assert lint(folder).clean
    add_template(folder, "vqa", "vqa.new.3", '"SO, {{ question }}"', "sources: [gqa, vqav2]")
    [finding] = lint(folder).findings
    assert (finding.template_id, finding.rule) == ("vqa.new.3", "duplicate-template")


def test_a_task_without_a_file_leaves_its_task_and_its_source_without_template(folder):
    (folder / "statement.yaml").unlink()
    task, source = sorted(lint(folder).findings, key=lambda finding: finding.rule, reverse=True)
    assert (task.file, task.rule) == ("statement.yaml", "task-without-template")
    assert "write at least one" in task.remedy
    assert (source.field, source.rule) == ("vsr", "source-without-template")
    assert "name it under sources:" in source.remedy


def test_a_source_that_no_file_names_is_found(folder):
    replace(folder / "vqa.yaml", ", vizwiz", "")
    [finding] = lint(folder).findings
    assert (finding.field, finding.rule) == ("vizwiz", "source-without-template")


def test_templates_that_all_need_an_optional_field_are_found(folder):
    path = folder / "caption_ocr.yaml"
    text = path.read_text().replace("{% if ocr_tokens %}", "").replace("{% endif %}", "")
    path.write_text(text)
    (finding,) = lint(folder).findings
    assert (finding.rule, finding.field) == ("not-always", "textcaps")
    assert "without ocr_tokens" in finding.message


def test_the_sources_to_cover_are_the_callers(folder):
    [finding] = lint(folder, sources=[*SOURCES, "my_vqa"]).findings
    assert (finding.field, finding.rule) == ("my_vqa", "source-without-template")


def test_a_protocol_that_gives_the_answer_away_is_found(folder):
    replace(folder / "protocol" / "vqav2.yaml", "answer: ", "answer: {{ answer }}")
    [finding] = lint(folder).findings
    assert (finding.file, finding.field) == ("protocol/vqav2.yaml", "answer")
    assert (finding.rule, finding.remedy) == ("leak", "remove answer from the prompt")


def test_a_blank_protocol_is_found(folder):
    replace(folder / "protocol" / "nocaps.yaml", '"A short image description: "', '" "')
    [finding] = lint(folder).findings
    assert (finding.file, finding.rule) == ("protocol/nocaps.yaml", "blank")


def test_a_protocol_of_an_unknown_source_is_found(folder):
    for variant in (folder / "protocol").glob("visdial.*.yaml"):
        variant.unlink()
    (folder / "protocol" / "visdial.yaml").rename(folder / "protocol" / "visdia.yaml")
    replace(folder / "protocol" / "visdia.yaml", "source: visdial", "source: visdia")
    [finding] = lint(folder).findings
    assert (finding.file, finding.rule) == ("protocol/visdia.yaml", "unknown-source")


def test_files_that_cannot_be_read_are_findings_among_the_others(folder):
    (folder / "notes.yaml").write_text("just words")
    add_template(folder, "vqa", "vqa.bare.1", '"Well, {{ question }}"')
    assert {finding.rule for finding in lint(folder).findings} == {"layout", "duplicate-id"}


def test_findings_come_in_the_order_of_files_and_ids(folder):
    add_template(folder, "vqa", "vqa.new.2", '" "')
    add_template(folder, "vqa", "vqa.new.1", '" "')
    add_template(folder, "caption", "caption.new.1", '" "')
    findings = lint(folder).findings
    assert [finding.template_id for finding in findings if finding.rule == "blank"] == [
        "caption.new.1",
        "vqa.new.1",
        "vqa.new.2",
    ]
