"""Protocol files: reading, extending, and findings about errors in them."""

import pytest

from templates.errors import TemplateSetError
from templates.library import load_templates, read_templates
from templates.lint import lint

VQA = """\
task: vqa
target: "{{ answer }}"
templates:
  - id: vqa.bare.1
    instruction: "{{ question }}"
"""
BASE = """\
source: gqa
task: vqa
prompt: "Question: {{ question }}"
read_in: "a book"
note: "of the base"
"""
RULES = """\
evaluation:
  split: test_dev
  method: generate
  decoding: {max_new_tokens: 10}
  metric: exact_match_lavis
  normaliser: vqa_both_sides
  read_in: {split: a, method: b, decoding: c, metric: d, normaliser: e}
  differences: [one]
"""
METRIC = "evaluation: {metric: exact_match, read_in: {metric: eval.py}}\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vqa.yaml").write_text(VQA)
    (tmp_path / "protocol").mkdir()
    return tmp_path


def write(folder, **texts):
    for name, text in texts.items():
        (folder / "protocol" / f"{name.replace('__', '.')}.yaml").write_text(text)


def read(folder):
    return load_templates(folder).protocols


def found(folder):
    return [(each.file, each.field, each.message) for each in read_templates(folder)[1]]


def test_a_protocol_may_give_only_a_prompt(folder):
    write(folder, gqa=BASE)
    assert (read(folder)["gqa"].evaluation, read(folder)["gqa"].hash) == (None, None)


def test_a_protocol_carries_its_rules_and_their_hash(folder):
    write(folder, gqa=BASE + RULES, gqa__other=BASE.replace("Question", "Q") + RULES)
    protocols = read(folder)
    assert protocols["gqa"].evaluation.metric == "exact_match_lavis"
    assert len(protocols["gqa"].hash) == 64
    assert protocols["gqa"].hash != protocols["gqa.other"].hash


def test_a_variant_inherits_every_key_that_it_does_not_give(folder):
    write(folder, gqa=BASE + RULES, gqa__exact="extends: gqa\n" + METRIC)
    base, variant = read(folder)["gqa"], read(folder)["gqa.exact"]
    assert (variant.name, variant.extends, base.extends) == ("gqa.exact", "gqa", None)
    assert (variant.source, variant.task, variant.prompt.source) == (
        "gqa",
        "vqa",
        base.prompt.source,
    )
    assert (variant.read_in, variant.note) == ("a book", "of the base")
    assert (variant.evaluation.metric, variant.evaluation.split) == ("exact_match", "test_dev")
    assert variant.hash != base.hash


def test_a_variant_with_its_own_prompt_gives_its_source_and_inherits_no_note(folder):
    own = 'extends: gqa\nprompt: "{{ question }}"\n'
    write(folder, gqa=BASE + RULES, gqa__bare=own + 'read_in: "a talk"\n', gqa__silent=own)
    assert found(folder) == [("protocol/gqa.silent.yaml", "read_in", "field required")]
    (folder / "protocol" / "gqa.silent.yaml").unlink()
    bare = read(folder)["gqa.bare"]
    assert (bare.prompt.source, bare.read_in, bare.note) == ("{{ question }}", "a talk", None)
    rules = read(folder)["gqa"].evaluation
    assert bare.evaluation == rules.model_copy(update={"differences": bare.evaluation.differences})


def test_a_variant_without_differences_gets_a_sentence_that_names_its_changes(folder):
    prompt = 'extends: gqa\nprompt: "{{ question }}"\nread_in: "a talk"\n'
    write(
        folder,
        gqa=BASE + RULES,
        gqa__bare=prompt,
        gqa__both=prompt + METRIC,
        gqa__told="extends: gqa\n" + METRIC.replace("}}", "}, differences: [two]}"),
        gqa__none="extends: gqa\n" + METRIC.replace("}}", "}, differences: []}"),
        gqa__same="extends: gqa\n" + METRIC.replace("exact_match", "exact_match_lavis"),
    )
    protocols = read(folder)
    of = {name: protocols[name].evaluation.differences for name in protocols if name[:4] == "gqa."}
    rest = "In all else, what differs for gqa differs here too."
    assert of["gqa.bare"] == (f"Not the default protocol of gqa: it changes prompt. {rest}",)
    assert of["gqa.both"] == (
        f"Not the default protocol of gqa: it changes prompt, metric. {rest}",
    )
    assert (of["gqa.told"], of["gqa.none"], of["gqa.same"]) == (("two",), (), ("one",))


def test_a_protocol_may_extend_a_shipped_one_and_the_folders_own_before_that(folder):
    write(folder, vsr__mine='extends: vsr\nprompt: "{{ statement }} Yes?"\nread_in: ours\n')
    shipped = load_templates("instruct").protocols
    mine = read(folder)["vsr.mine"]
    assert mine.evaluation.verbalizers == shipped["vsr"].evaluation.verbalizers
    assert mine.prompt.source == "{{ statement }} Yes?"
    write(folder, gqa=BASE + RULES, gqa__mine="extends: gqa\n" + METRIC)
    protocols = read(folder)
    assert protocols["gqa.mine"].prompt.source == "Question: {{ question }}"
    assert protocols["gqa.exact"] != protocols["gqa.mine"]
    assert protocols["gqa.exact"].hash == shipped["gqa.exact"].hash


def test_an_error_in_a_replaced_protocol_is_reported_and_the_shipped_one_not_used(folder):
    write(folder, gqa=BASE.replace("question", "qestion"))
    template_set, [finding] = read_templates(folder)
    assert finding.file == "protocol/gqa.yaml"
    assert "gqa" not in template_set.protocols
    assert "gqa.exact" in template_set.protocols


def test_a_variant_of_a_protocol_without_rules_may_bring_them(folder):
    write(folder, gqa=BASE, gqa__scored="extends: gqa\n" + RULES)
    assert read(folder)["gqa.scored"].evaluation.split == "test_dev"
    write(folder, gqa__scored="extends: gqa\n" + METRIC)
    assert ("protocol/gqa.scored.yaml", "evaluation.split", "field required") in found(folder)


def test_variants_leave_the_sets_hash_alone(folder):
    write(folder, gqa=BASE + RULES)
    before = load_templates(folder).hash
    write(folder, gqa__bare='extends: gqa\nprompt: "{{ question }}"\nread_in: "a talk"\n')
    assert load_templates(folder).hash == before


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (
            "extends: gpa\n",
            "there is no protocol 'gpa' to extend",
            "name one of aokvqa, aokvqa.multiple_choice, coco_caption,",
        ),
        (
            "extends: [gqa]\n",
            "there is no protocol ['gqa'] to extend",
            "name one of aokvqa, aokvqa.multiple_choice, coco_caption,",
        ),
        ("extends: gqa.exact\n", "extends 'gqa.exact', which extends another", "extend 'gqa' and"),
        ("extends: gqa.mine\n", "extends itself", "name another protocol, or remove the line"),
    ],
)
def test_what_cannot_be_extended_is_named(folder, text, message, remedy):
    write(folder, gqa=BASE + RULES, gqa__exact="extends: gqa\n" + METRIC, gqa__mine=text)
    [finding] = read_templates(folder)[1]
    assert (finding.file, finding.rule, finding.field) == (
        "protocol/gqa.mine.yaml",
        "extends",
        "extends",
    )
    assert finding.message == message
    assert finding.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("base", "field"),
    [
        (BASE.replace("question", "qestion"), "qestion"),
        (BASE + "colour: red\n", "colour"),
        (BASE.replace("task: vqa", "task: qa"), "task"),
        (BASE.replace("task: vqa\n", ""), "task"),
        ("just words", ""),
    ],
)
def test_a_base_that_is_no_protocol_is_reported_once_and_not_again_for_its_variants(
    folder, base, field
):
    write(folder, gqa=base, gqa__exact="extends: gqa\n" + RULES)
    assert [(file, name) for file, name, _ in found(folder)] == [("protocol/gqa.yaml", field)]


def test_an_error_of_a_base_is_reported_once_and_not_again_for_its_variants(folder):
    wrong = RULES.replace("method: generate", "method: guess")
    write(folder, gqa=BASE + wrong, gqa__exact="extends: gqa\n" + METRIC)
    [(file, field, message)] = found(folder)
    assert (file, field) == ("protocol/gqa.yaml", "evaluation.method")
    assert message == "input should be 'generate' or 'rank'"
    write(folder, gqa="task: 'vqa")
    [(file, _, message)] = found(folder)
    assert file == "protocol/gqa.yaml"
    assert message.startswith("not readable")


def test_a_variants_own_error_is_reported_beside_its_bases(folder):
    write(
        folder,
        gqa=BASE + RULES.replace("method: generate", "method: guess"),
        gqa__short="extends: gqa\nevaluation: {decoding: {max_new_tokens: 0}, read_in: {decoding: x}}\n",
    )
    assert sorted((file, field) for file, field, _ in found(folder)) == [
        ("protocol/gqa.short.yaml", "evaluation.decoding.max_new_tokens"),
        ("protocol/gqa.yaml", "evaluation.method"),
    ]


def test_all_errors_of_all_protocols_are_reported_at_once(folder):
    write(
        folder,
        gqa=BASE.replace("question", "qestion") + RULES.replace("max_new_tokens", "max_tokens"),
        gqa__a="extends: gqa.b\n",
        gqa__b="extends: vqa\n",
        gqa__c=BASE + RULES.replace("metric: d, ", ""),
        gqa__d=BASE + "evaluation: [generate]\n",
    )
    with pytest.raises(TemplateSetError) as caught:
        load_templates(folder)
    for line in (
        "protocol/gqa.yaml: qestion: unknown field 'qestion'",
        "protocol/gqa.yaml: evaluation.decoding.max_tokens: extra inputs are not permitted",
        "protocol/gqa.yaml: evaluation.decoding.max_new_tokens: field required",
        "protocol/gqa.a.yaml: extends: extends 'gqa.b', which extends another",
        "protocol/gqa.b.yaml: extends: there is no protocol 'vqa' to extend",
        "protocol/gqa.c.yaml: evaluation: read_in has no place for metric; see docs/",
        "protocol/gqa.d.yaml: evaluation: input should be a valid dictionary",
    ):
        assert f"\n  {line}" in str(caught.value)


def test_an_unquoted_yes_is_no_text(folder):
    ranked = RULES.replace("generate", "rank").replace(
        "decoding: {max_new_tokens: 10}",
        "candidates: verbalizers\n  verbalizers: {positive: [yes], negative: [no]}",
    )
    write(folder, gqa=BASE + ranked)
    messages = {field: message for _, field, message in found(folder)}
    assert messages["evaluation.verbalizers.positive.0"] == "input should be a valid string"


@pytest.mark.parametrize(
    "prompt", ["", "  ", "{% if question == 'nothing' %}{{ question }}{% endif %}"]
)
def test_a_blank_prompt_cannot_be_loaded_unless_it_is_meant(folder, prompt):
    blank = BASE.replace("Question: {{ question }}", prompt)
    write(folder, gqa=blank, gqa__exact="extends: gqa\n" + RULES)
    with pytest.raises(
        TemplateSetError, match=r"1 error:\n  protocol/gqa.yaml: prompt: prompt ren"
    ):
        load_templates(folder)
    of_protocols = [each for each in lint(folder).findings if each.file.startswith("protocol")]
    assert [(each.file, each.rule) for each in of_protocols] == [("protocol/gqa.yaml", "blank")]
    write(folder, gqa=blank + "allow_blank: true\n")
    assert read(folder)["gqa.exact"].allow_blank
    assert not any(each.file.startswith("protocol") for each in lint(folder).findings)


def test_a_prompts_error_is_reported_once_and_not_again_for_variants_that_share_it(folder):
    write(folder, gqa=BASE.replace("{{ question }}", "{{ answer }}") + RULES)
    write(folder, gqa__exact="extends: gqa\n" + METRIC)
    leaks = [each.file for each in lint(folder).findings if each.rule == "leak"]
    assert leaks == ["protocol/gqa.yaml"]


@pytest.mark.parametrize("name", sorted(load_templates("instruct").protocols))
def test_a_shipped_protocol_states_its_rules_and_its_differences(name):
    protocols = load_templates("instruct").protocols
    protocol = protocols[name]
    assert protocol.evaluation is not None
    assert protocol.evaluation.differences
    assert all(text.endswith(".") for text in protocol.evaluation.differences)
    assert all(protocol.evaluation.read_in.values())
    if protocol.extends is not None:
        assert protocol.hash != protocols[protocol.extends].hash
        assert protocol.evaluation.differences != protocols[protocol.extends].evaluation.differences


def test_no_two_shipped_protocols_of_a_source_are_the_same():
    protocols = load_templates("instruct").protocols.values()
    assert len({(each.source, each.hash) for each in protocols}) == len(protocols) > 60


def test_a_protocol_that_is_named_in_a_difference_exists():
    protocols = load_templates("instruct").protocols
    for name, protocol in protocols.items():
        for text in protocol.evaluation.differences:
            for word in text.replace("(", " ").replace(")", " ").replace(";", " ").split():
                word = word.rstrip(".,")
                if word.partition(".")[0] == protocol.source:
                    assert word in protocols, (name, word)
