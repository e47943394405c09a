import shutil
from dataclasses import replace

import pytest

from templates.errors import TemplateSetError
from templates.files import MAX_FILE_BYTES
from templates.library import (
    SHIPPED,
    SHIPPED_SETS,
    load_templates,
    read_own_templates,
    read_templates,
    template_folder,
)
from templates.prompt_spec import PromptSpec

VQA = """\
task: vqa
target: "{{ answer }}"
templates:
  - id: vqa.bare.1
    instruction: "{{ question }}"
"""
PROTOCOL = """\
source: vqav2
task: vqa
prompt: "Question: {{ question }} Answer: "
read_in: "a test"
"""


@pytest.fixture
def folder(tmp_path):
    """A set of one file; `protocol/` is missing."""
    (tmp_path / "vqa.yaml").write_text(VQA)
    return tmp_path


def findings_of(folder):
    _, findings = read_templates(folder)
    return findings


def only_finding(folder):
    [finding] = findings_of(folder)
    return finding


def write_protocol(folder, text, name="vqav2.yaml"):
    (folder / "protocol").mkdir(exist_ok=True)
    (folder / "protocol" / name).write_text(text)


def test_a_folder_of_task_files_becomes_templates(folder):
    [template] = load_templates(folder).templates
    assert (template.template_id, template.task, template.file) == ("vqa.bare.1", "vqa", "vqa.yaml")
    assert template.instruction.render({"question": "What is it?"}) == "What is it?"
    assert template.target.render({"answer": "a cat"}) == "a cat"


def test_the_prefix_stands_in_front_of_every_instruction(folder):
    (folder / "vqa.yaml").write_text('prefix: "[{{ task_name }}] "\n' + VQA)
    [template] = load_templates(folder).templates
    text = template.instruction.render({"question": "What?", "task_name": "VQA"})
    assert text == "[VQA] What?"


def test_a_template_may_have_its_own_target(folder):
    own = '    target: "It is {{ answer }}."\n'
    (folder / "vqa.yaml").write_text(VQA + own)
    [template] = load_templates(folder).templates
    assert template.target.render({"answer": "a cat"}) == "It is a cat."


def test_an_empty_target_is_kept_for_lint_to_find_and_not_replaced_in_silence(folder):
    (folder / "vqa.yaml").write_text(VQA + '    target: ""\n')
    [template] = load_templates(folder).templates
    assert template.target.render({}) == ""


def test_a_template_requires_what_its_instruction_shows_but_not_the_target(folder):
    (folder / "vqa.yaml").write_text(VQA.replace("{{ question }}", "{{ question }}{{ answer }}"))
    assert load_templates(folder).templates[0].required == {"question"}


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        (VQA + "colour: red\n", "colour", "extra inputs are not permitted"),
        (VQA + "    weight: 2\n", "templates.0.weight", "extra inputs are not permitted"),
        (VQA.replace("target", "targets"), "target", "field required"),
        (VQA.replace("vqa.bare.1", "VQA bare"), "templates.0.id", "string should match pattern"),
        ("sources: []\n" + VQA, "sources", "at least 1 item"),
        ("sources: vqav2\n" + VQA, "sources", "valid list"),
        (VQA.partition("templates")[0] + "templates: []\n", "templates", "at least 1 item"),
        (VQA.replace('"{{ question }}"', "3"), "templates.0.instruction", "valid string"),
        ("", "", "valid dictionary"),
        ("just words", "", "valid dictionary"),
        ("- task: vqa", "", "valid dictionary"),
    ],
)
def test_a_file_of_another_layout_is_named_with_the_key_at_fault(folder, text, field, message):
    (folder / "vqa.yaml").write_text(text)
    found = {finding.field: finding for finding in findings_of(folder)}
    assert message in found[field].message
    assert {(finding.file, finding.rule) for finding in found.values()} == {("vqa.yaml", "layout")}
    assert found[field].remedy == "see docs/how_to/add_a_template.md"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VQA + "task: vqa\n", "key 'task' is given twice"),
        (VQA + "    id: vqa.bare.2\n", "key 'id' is given twice"),
        ("task: &t vqa\nsources: [*t]\n", r"aliases \(\*name\) are not used"),
        ("task: &t vqa\nsources: [x,*t]\n", r"aliases \(\*name\) are not used"),
        ("task: &t vqa\nsources:\n- *t\n", r"aliases \(\*name\) are not used"),
        ("task: &t vqa\n? *t\n: x\n", r"aliases \(\*name\) are not used"),
        ('task: &t vqa\nsources: {"a":*t}\n', r"aliases \(\*name\) are not used"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", r"aliases \(\*name\) are not used"),
        ("task: !!python/name:os.system\n", "could not determine a constructor"),
        ("task: 'vqa", "found unexpected end of stream"),
        ("task: vqa\n\tsources: []\n", "cannot start any token"),
        ("[" * 5_000, "recursion"),
        ("- " * 50_000, "recursion"),
        ("[" * 400_000 + "]" * 400_000, "recursion"),
        ("? [a, b]\n: c\n", "found unhashable key"),
        ("instruction: {{ question }}\n", "found unhashable key.*quotes around every text"),
        ("task: \0vqa\n", "special characters are not allowed"),
    ],
    ids=lambda value: None if "\n" in value else value[:20],
)
def test_yaml_that_hides_a_mistake_or_is_none_is_refused(folder, text, message):
    (folder / "vqa.yaml").write_text(text)
    with pytest.raises(TemplateSetError, match=f"(?s)vqa.yaml: not readable: .*{message}"):
        load_templates(folder)


def test_an_alias_in_utf16_is_refused(folder):
    (folder / "vqa.yaml").write_bytes("task: &t vqa\nsources: [*t]\n".encode("utf-16"))
    assert "aliases (*name) are not used" in only_finding(folder).message


def test_a_file_that_is_not_utf8_is_refused(folder):
    (folder / "vqa.yaml").write_bytes(VQA.replace("bare", "caf\xe9").encode("latin-1"))
    finding = only_finding(folder)
    assert finding.file == "vqa.yaml"
    assert "invalid continuation byte" in finding.message
    assert finding.remedy.startswith("write plain UTF-8 YAML")


def test_a_huge_file_is_refused_before_it_is_parsed(folder):
    (folder / "vqa.yaml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    assert "1000001 bytes, more than the 1000000 allowed" in only_finding(folder).message


def test_a_folder_in_place_of_a_file_is_a_finding(folder):
    (folder / "caption.yaml").mkdir()
    assert only_finding(folder).file == "caption.yaml"


def test_a_file_of_an_unknown_task_names_the_known_ones(folder):
    (folder / "vqa.yaml").write_text(VQA.replace("task: vqa", "task: vqaa"))
    finding = only_finding(folder)
    assert (finding.file, finding.field, finding.rule) == ("vqa.yaml", "task", "unknown-task")
    assert finding.message == "unknown task 'vqaa'"
    assert "vqa_ocr" in finding.remedy


def test_a_missing_folder_names_the_shipped_sets(tmp_path):
    with pytest.raises(TemplateSetError, match="no such folder; give a folder or one of instruct,"):
        load_templates(tmp_path / "instrct")


def test_an_empty_folder_is_no_template_set(tmp_path):
    with pytest.raises(TemplateSetError, match=r"no \*\.yaml files; write one file a task"):
        load_templates(tmp_path)


def test_all_errors_of_all_files_are_reported_at_once(folder):
    (folder / "a.yaml").write_text("task: vqa\n\tsources")
    (folder / "b.yaml").write_text(VQA + "colour: red\n")
    (folder / "c.yaml").write_text(
        VQA
        + '  - id: vqa.bare.2\n    instruction: "{{ qestion }} {{ 3 * 3 }}"\n'
        + '  - id: vqa.bare.3\n    instruction: "{{ question | center(9) }}"\n'
        + '    target: "{{ choices }}"\n'
    )
    write_protocol(folder, PROTOCOL.replace("{{ question }}", "{{ answers }}"))
    with pytest.raises(TemplateSetError) as caught:
        load_templates(folder)
    message = str(caught.value)
    assert f"templates in {folder} cannot be used, 6 errors:" in message
    for line in (
        "a.yaml: not readable: ",
        "b.yaml: colour: extra inputs are not permitted",
        "c.yaml: vqa.bare.2: qestion: instruction: unknown field 'qestion'",
        "c.yaml: vqa.bare.3: instruction: instruction: filter 'center' is not allowed",
        "c.yaml: vqa.bare.3: choices: target: unknown field 'choices'",
        "protocol/vqav2.yaml: answers: unknown field 'answers'",
    ):
        assert f"\n  {line}" in message


def test_what_can_be_read_is_read_beside_the_errors(folder):
    (folder / "zzz.yaml").write_text("task: 'vqa")
    template_set, findings = read_templates(folder)
    assert [template.template_id for template in template_set.templates] == ["vqa.bare.1"]
    assert len(findings) == 1


def test_a_folder_without_protocols_uses_the_shipped_ones(folder):
    shipped = load_templates("instruct").protocols
    own = load_templates(folder).protocols
    assert own.keys() == shipped.keys()
    assert own["vsr"].prompt.source == shipped["vsr"].prompt.source


def test_a_folders_protocols_stand_in_front_of_the_shipped_ones(folder):
    write_protocol(folder, PROTOCOL)
    write_protocol(folder, PROTOCOL.replace("Answer", "Reply"), "vqav2.mine.yaml")
    shipped = load_templates("instruct").protocols
    protocols = load_templates(folder).protocols
    assert protocols.keys() == shipped.keys() | {"vqav2.mine"}
    assert [each.file for each in protocols.values()] == sorted(e.file for e in protocols.values())
    kept = shipped.keys() - {"vqav2"}
    assert {name: protocols[name].hash for name in kept} == {n: shipped[n].hash for n in kept}
    protocol = protocols["vqav2"]
    assert protocol.prompt.render({"question": "What?"}) == "Question: What? Answer: "
    assert (protocol.task, protocol.file) == ("vqa", "protocol/vqav2.yaml")
    assert (protocol.read_in, protocol.note) == ("a test", None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (PROTOCOL, "gqa.yaml"),
        (PROTOCOL, "gqa.vqav2.yaml"),
        (PROTOCOL, "vqav2_again.yaml"),
        (PROTOCOL, "vqav2..yaml"),
        (PROTOCOL.replace("vqa\n", "qa\n"), "vqav2.yaml"),
    ],
)
def test_a_protocol_is_named_after_its_source_and_has_a_known_task(folder, text, name):
    write_protocol(folder, text, name)
    finding = only_finding(folder)
    assert finding.file == f"protocol/{name}"
    assert finding.remedy.startswith("name the file after its source (or <source>.<name>")


def test_a_protocol_gives_its_source(folder):
    write_protocol(folder, PROTOCOL.replace("read_in", "read"))
    assert {(finding.field, finding.message) for finding in findings_of(folder)} == {
        ("read_in", "field required"),
        ("read", "extra inputs are not permitted"),
    }


def hash_of(folder):
    return read_templates(folder)[0].hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("task:", "# a comment\ntask:"),
        ('"{{ question }}"', "'{{ question }}'"),
        ('task: vqa\ntarget: "{{ answer }}"\n', 'target: "{{ answer }}"\ntask: vqa\n'),
    ],
    ids=["comment", "quotes", "key order"],
)
def test_the_hash_stays_when_only_the_layout_changes(folder, old, new):
    before = hash_of(folder)
    assert old in VQA
    (folder / "vqa.yaml").write_text(VQA.replace(old, new))
    assert hash_of(folder) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{{ question }}", "{{ question }} "),
        ("{{ answer }}", "{{ answer }}."),
        ("bare.1", "bare.2"),
        ("bare.1\n", "bare.1\n    needs: [question]\n"),
        ("target:", 'prefix: "Q: "\ntarget:'),
    ],
)
def test_the_hash_changes_with_the_content(folder, old, new):
    before = hash_of(folder)
    assert old in VQA
    (folder / "vqa.yaml").write_text(VQA.replace(old, new))
    assert hash_of(folder) != before


def test_the_hash_covers_the_protocols(folder):
    write_protocol(folder, PROTOCOL)
    before = hash_of(folder)
    write_protocol(folder, PROTOCOL.replace("Answer: ", "Answer:"))
    assert hash_of(folder) != before


def test_a_source_may_have_other_protocols_which_the_hash_leaves_out(folder):
    write_protocol(folder, PROTOCOL)
    before = hash_of(folder)
    write_protocol(folder, PROTOCOL.replace("Answer: ", "Say: "), "vqav2.said.yaml")
    templates = load_templates(folder)
    variant = templates.protocols["vqav2.said"]
    assert (variant.source, variant.name, variant.file) == (
        "vqav2",
        "vqav2.said",
        "protocol/vqav2.said.yaml",
    )
    assert variant.prompt.render({"question": "What?"}) == "Question: What? Say: "
    assert templates.hash == before


def test_the_hash_covers_the_shipped_protocols_that_the_folder_does_not_replace(folder):
    shipped_only = hash_of(folder)
    write_protocol(folder, PROTOCOL, "vqav2.mine.yaml")
    assert hash_of(folder) == shipped_only
    write_protocol(folder, PROTOCOL)
    replaced = hash_of(folder)
    prompt = load_templates("instruct").protocols["vqav2"].prompt.source
    write_protocol(folder, PROTOCOL.replace("Question: {{ question }} Answer: ", prompt))
    assert len({shipped_only, replaced}) == 2
    assert hash_of(folder) == shipped_only


def test_the_hash_leaves_out_how_answers_are_scored(folder):
    write_protocol(folder, PROTOCOL)
    before = hash_of(folder)
    rules = "evaluation: {split: val, method: rank, candidates: choices, metric: m, normaliser: none, read_in: "
    lines = dict.fromkeys(["split", "method", "candidates", "metric", "normaliser"], "a test")
    write_protocol(folder, f"{PROTOCOL}{rules}{lines}}}\n")
    assert load_templates(folder).protocols["vqav2"].evaluation is not None
    assert hash_of(folder) == before


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("instruct", "e344054556dd5ee3b3fa0d5a9c61c97f0263e3d24c157b2b24f25ec87e42cb8b"),
        ("plain", "bfe8226fbf39fdc2dcdc63db48e9f8c58012a4af152de71744fcb7181a45633e"),
        ("task_dataset_prefix", "dd482c08795cf107f08999f070e8f9706ab170104792fbec3750fa48c1386764"),
    ],
)
def test_the_shipped_sets_have_the_hashes_of_datasets_already_built(name, digest):
    """They change only with a template or a default prompt; built datasets then render anew."""
    assert load_templates(name).hash == digest


def test_a_shipped_set_is_found_by_its_name_and_any_other_by_its_folder(tmp_path):
    assert template_folder("plain") == SHIPPED / "plain"
    assert template_folder(tmp_path) == tmp_path
    assert template_folder(str(tmp_path)) == tmp_path


PUMPS = PromptSpec("pumps", "Pumps", ("vqa",))


def ids_of(forms):
    return [template.template_id for form in forms for template in form.templates]


def test_a_source_is_rendered_with_the_templates_of_its_task():
    templates = load_templates()
    [form] = templates.forms(PUMPS)
    assert form.task == "vqa"
    assert ids_of([form]) == [w.template_id for w in templates.templates if w.task == "vqa"]


@pytest.mark.parametrize("name", SHIPPED_SETS)
def test_a_source_of_two_tasks_has_two_forms_in_the_order_of_the_tasks(name):
    spec = PromptSpec("pumps", "Pumps", ("multiple_choice", "vqa"))
    forms = load_templates(name).forms(spec)
    assert [form.task for form in forms] == ["vqa", "multiple_choice"]
    assert all(form.templates for form in forms)


def test_a_source_may_name_styles_and_single_templates():
    templates = load_templates()
    one = templates.forms(replace(PUMPS, styles=("vqa.short_answer.1", "vqa.bare")))
    assert ids_of(one) == ["vqa.bare.1", "vqa.short_answer.1"]
    assert ids_of(templates.forms(replace(PUMPS, styles=("vqa.short",)))) == []
    both = PromptSpec("pumps", "Pumps", ("vqa", "statement"), ("vqa.bare",))
    assert len(templates.forms(both)[0].templates) == 1
    assert len(templates.forms(both)[1].templates) > 1


def test_templates_of_its_own_replace_those_of_the_set(folder):
    own = read_own_templates(folder)
    assert [(each.id, each.instruction) for each in own] == [("vqa.bare.1", "{{ question }}")]
    spec = PromptSpec("pumps", "Pumps", ("vqa", "statement"), own=own)
    forms = load_templates().forms(spec)
    assert ids_of(forms[:1]) == ["vqa.bare.1"]
    assert ids_of(forms[1:]) == ids_of(load_templates().forms(replace(PUMPS, tasks=("statement",))))


def test_a_source_without_template_has_no_form(folder):
    assert load_templates(folder).forms(replace(PUMPS, tasks=("caption",))) == ()


def test_a_template_may_need_a_field_that_it_does_not_show(folder):
    (folder / "vqa.yaml").unlink()
    text = VQA.replace("vqa", "vqa_ocr") + "    needs: [ocr_tokens]\n"
    (folder / "vqa_ocr.yaml").write_text(text)
    [template] = load_templates(folder).templates
    assert template.required == {"question", "ocr_tokens"}
    (folder / "vqa_ocr.yaml").write_text(text.replace("[ocr_tokens]", "[ocr_tokns]"))
    finding = only_finding(folder)
    assert (finding.template_id, finding.field) == ("vqa_ocr.bare.1", "ocr_tokns")
    assert "this task has answer" in finding.remedy


def test_lists_of_sources_are_deprecated_and_mean_what_they_meant(folder):
    text = VQA.replace("target:", "sources: [vqav2, okvqa]\ntarget:")
    (folder / "vqa.yaml").write_text(text + "    sources: [okvqa]\n")
    with pytest.warns(
        FutureWarning, match=r"sources: in vqa\.yaml is deprecated .* remove the lines"
    ):
        templates = load_templates(folder)
    assert templates.deprecated == ("vqa.yaml",)
    assert ids_of(templates.forms(PromptSpec("okvqa", "OKVQA", ("vqa",)))) == ["vqa.bare.1"]
    assert templates.forms(PromptSpec("vqav2", "VQAv2", ("vqa",))) == ()
    assert templates.forms(PUMPS) == ()


def test_the_hash_of_a_source_changes_with_what_it_is_rendered_with_and_with_nothing_else(folder):
    def hashes(text, spec=PUMPS):
        (folder / "vqa.yaml").write_text(text)
        of_source = read_templates(folder)[0].of(spec)
        return of_source.training_hash, of_source.evaluation_hash, of_source.hash

    before = hashes(VQA)
    (folder / "statement.yaml").write_text(
        'task: statement\ntarget: "{{ label }}"\ntemplates:\n'
        "  - {id: statement.new.1, instruction: '{{ statement }}'}\n".replace(
            "{{ label }}", "{{ 'yes' if label else 'no' }}"
        )
    )
    assert hashes("# a comment\n" + VQA) == before
    assert hashes(VQA.replace("{{ question }}", "{{ question }}!"))[0] != before[0]
    assert hashes(VQA, replace(PUMPS, title="Valves"))[2] != before[2]
    assert hashes(VQA, replace(PUMPS, id="vqav2"))[0] == before[0]
    assert hashes(VQA, replace(PUMPS, id="vqav2"))[1] != before[1], "it has a protocol"


def test_the_hash_of_a_dataset_covers_what_other_sources_choose_or_bring():
    templates = load_templates()
    published = PromptSpec("vqav2", "VQAv2", ("vqa",))
    assert templates.hash_with([published]) == templates.hash
    hashes = {
        templates.hash_with([published, each])
        for each in (PUMPS, replace(PUMPS, styles=("vqa.bare",)))
    }
    assert len(hashes | {templates.hash}) == 3


def test_templates_of_tasks_that_only_own_data_have_leave_the_sets_hash(tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(SHIPPED / "plain", folder)
    before = load_templates(folder).hash
    path = folder / "class_label.yaml"
    path.write_text(path.read_text().replace("{{ question }}", "{{ question }} Label:"))
    changed = load_templates(folder)
    assert changed.hash == before
    spec = PromptSpec("pumps", "Pumps", ("class_label",))
    assert changed.hash_with([spec]) != load_templates("plain").hash_with([spec]) != before
