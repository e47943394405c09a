import shutil

import pytest

from templates.errors import TemplateSetError, UnsupportedSyntaxError
from templates.library import SHIPPED, SHIPPED_SETS, load_templates
from templates.lint import check_sources, lint
from templates.prompt_spec import PromptSpec, TemplateContent
from templates.tasks import TASKS


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
    report = lint(tmp_path)
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
        (('"{{ choices[7] }}"',), "render", "instruction", "{% if field | length > 1 %}"),
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
        f'task: dialog\ntarget: "{{{{ answer }}}}"\n'
        f"templates:\n  - id: dialog.new.1\n    instruction: {template}\n"
    )
    [finding] = lint(folder).findings
    assert finding.rule == "blank"
    assert finding.message == "instruction renders blank without caption"


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
    specs = [PromptSpec("vsr", "VSR", ("statement",)), PromptSpec("gqa", "GQA", ("vqa",))]
    task, source = sorted(
        lint(folder, specs).findings, key=lambda finding: finding.rule, reverse=True
    )
    assert (task.file, task.rule) == ("statement.yaml", "task-without-template")
    assert "write at least one" in task.remedy
    assert (source.field, source.rule) == ("vsr", "source-without-template")
    assert "write one for statement" in source.remedy


def test_templates_that_all_need_an_optional_field_are_found(folder):
    path = folder / "caption_ocr.yaml"
    text = path.read_text().replace("{% if ocr_tokens %}", "").replace("{% endif %}", "")
    path.write_text(text)
    (finding,) = lint(folder).findings
    assert (finding.rule, finding.field) == ("not-always", "caption_ocr")
    assert "without ocr_tokens" in finding.message


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


@pytest.mark.parametrize(
    ("task", "instruction", "rule", "case"),
    [
        ("vqa_ocr", "{{ question }} {{ ocr_tokens[1] }}", "render", "with an empty ocr_tokens"),
        ("caption_ocr", "Read {{ ocr_tokens | first }}.", "render", "with an empty ocr_tokens"),
        (
            "vqa_ocr",
            "{% if ocr_tokens %}{{ ocr_tokens[1] }}{% endif %} {{ question }}",
            "render",
            "with one item in ocr_tokens",
        ),
        ("multiple_choice", "{{ question }} {{ choices[2] }}", "render", "on usual fields"),
        (
            "dialog",
            "{% if dialog %}{{ dialog[1]['answer'] }}{% endif %} {{ question }}?",
            "render",
            "with one item in dialog",
        ),
        (
            "multiple_choice",
            "{% for choice in choices %}" + "{{ question }}" * 9 + "{% endfor %}",
            "render",
            "with a question of 10000 characters",
        ),
        ("dialog", "{% if caption %}{{ question }}?{% endif %}", "blank", "without caption"),
        ("vqa", "What is shown?", "unused-input", "(question)"),
        ("vqa", "{% if question %}What is it?{% endif %}", "unused-input", "(question)"),
    ],
)
def test_a_template_that_fails_on_an_edge_case_or_ignores_its_input_is_found(
    folder, task, instruction, rule, case
):
    if task in ("vqa_ocr", "caption_ocr", "dialog"):  # their prefix needs no second look
        text = (folder / f"{task}.yaml").read_text()
        lines = [f"  - id: {task}.new.1", f"    instruction: {instruction!r}"]
        start = text.index("prefix:")
        text = text[:start] + 'prefix: ""\n' + text[text.index("templates:") :]
        (folder / f"{task}.yaml").write_text(text.rstrip() + "\n" + "\n".join(lines) + "\n")
    else:
        add_template(folder, task, f"{task}.new.1", f'"{instruction}"')
    [finding] = [each for each in lint(folder).findings if each.rule in (rule, "render", "blank")]
    assert (finding.rule, finding.template_id) == (rule, f"{task}.new.1")
    assert case in finding.message


def test_a_template_that_tests_the_length_first_is_clean(folder):
    add_template(
        folder,
        "vqa_ocr",
        "vqa_ocr.new.1",
        '"{% if ocr_tokens and ocr_tokens | length > 1 %}{{ ocr_tokens[1] }}: {% endif %}{{ question }}!"',
    )
    assert lint(folder).findings == ()


def test_zero_width_characters_are_blank(folder):
    add_template(folder, "caption", "caption.new.1", '"\\u200b\\ufeff"')
    [finding] = lint(folder).findings
    assert finding.rule == "blank"


@pytest.mark.parametrize(
    ("old", "new", "rule", "field"),
    [
        ("ocr_tokens[:30]", "ocr_tokns[:30]", "syntax", "ocr_tokns"),
        ("{{ answer }}", "{{ anser }}", "syntax", "anser"),
        ("task: vqa_ocr", "task: vqa_ocr\nsources: [ocr_vqq]", "unknown-source", "sources"),
        ("task: vqa_ocr", "task: vqa_orc", "unknown-task", "task"),
        ("task: vqa_ocr", "task: [vqa_ocr", "yaml", ""),
    ],
)
def test_one_typo_in_a_line_of_the_file_is_one_finding(folder, old, new, rule, field):
    replace(folder / "vqa_ocr.yaml", old, new)
    [finding] = lint(folder).findings
    assert (finding.rule, finding.field, finding.template_id) == (rule, field, "")


def test_a_build_checks_the_templates_of_its_own_sources_only(folder):
    add_template(folder, "multiple_choice", "multiple_choice.new.1", '"{{ choices[3] }}"')
    template_set = load_templates(folder)
    check_sources(template_set, [PromptSpec("pumps", "Pumps", ("vqa",))])
    choice = PromptSpec("scienceqa", "ScienceQA", ("multiple_choice",))
    with pytest.raises(TemplateSetError, match=r"multiple_choice\.new\.1: instruction: .* fails"):
        check_sources(template_set, [choice])


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ("vqa.short_anser", "did you mean 'vqa.short_answer'"),
        ("caption.cue", "name one of vqa.bare, vqa.completion"),
    ],
)
def test_a_build_refuses_a_style_that_no_template_of_the_task_has(style, message):
    spec = PromptSpec("pumps", "Pumps", ("vqa",), (style,))
    with pytest.raises(TemplateSetError, match=message):
        check_sources(load_templates("instruct"), [spec])


def test_a_style_is_no_choice_in_a_set_of_one_style():
    spec = PromptSpec("pumps", "Pumps", ("vqa",), ("vqa.short_answer",))
    check_sources(load_templates("plain"), [spec])
    [form] = load_templates("plain").forms(spec)
    assert [template.template_id for template in form.templates] == ["vqa.plain.1"]


def test_a_source_may_bring_templates_that_are_checked_like_others():
    own = TemplateContent("vqa.mine.1", "vqa", "{{ question[:1] }}", "{{ answer }}")
    with pytest.raises(UnsupportedSyntaxError):
        check_sources(load_templates(), [PromptSpec("pumps", "Pumps", ("vqa",), (), (own,))])
    blank = TemplateContent("vqa.mine.1", "vqa", " ", "{{ answer }}")
    with pytest.raises(TemplateSetError, match=r"vqa\.mine\.1: instruction: .* blank"):
        check_sources(load_templates(), [PromptSpec("pumps", "Pumps", ("vqa",), (), (blank,))])
