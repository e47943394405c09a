from functools import lru_cache
from types import MappingProxyType

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templates.errors import RenderError, UnsupportedSyntaxError
from templates.language import (
    MAX_RENDERED_CHARS,
    MAX_TEMPLATE_CHARS,
    TemplateText,
    compile_template,
    lettered,
)
from templates.library import SHIPPED_SETS, load_templates
from templates.tasks import TASKS, FieldKind

KINDS = {
    "question": FieldKind.TEXT,
    "context": FieldKind.TEXT,
    "choices": FieldKind.LIST,
    "dialog": FieldKind.TURNS,
    "label": FieldKind.FLAG,
}
FIELDS = {
    "question": "What is it?",
    "context": None,
    "choices": ["cat", "Dog "],
    "dialog": [{"question": "big", "answer": "no"}, {"question": "red", "answer": "yes"}],
    "label": True,
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("100 % sure", "100 % sure"),
        ("{{ question }} Answer:", "What is it? Answer:"),
        ("{{ question }}\n", "What is it?\n"),
        ("{% raw %}{{ question }}{% endraw %}", "{{ question }}"),
        ("{# for authors #}{{ question }}", "What is it?"),
        ("{{ 'text' }} {{ 3 }}", "text 3"),
        ("{{ question | lower }}", "what is it?"),
        ("{{ question | upper }}", "WHAT IS IT?"),
        ("{{ question | lower | capitalize }}", "What is it?"),
        ("{{ choices[1] | trim }}", "Dog"),
        ("{{ choices | join(', ') }}", "cat, Dog "),
        ("{{ choices | lettered }}", "(a) cat (b) Dog "),
        ("{{ choices | first }} {{ choices | last }}", "cat Dog "),
        ("{{ choices | length }} {{ dialog | length }}", "2 2"),
        ("{{ choices[0] }}", "cat"),
        ("{{ choices[:1] | join('') }}", "cat"),
        ("{{ choices[1:2] | lettered }}", "(a) Dog "),
        ("{{ dialog[0]['answer'] }}", "no"),
        ("{{ 'yes' if label else 'no' }}", "yes"),
        ("{% if label %}yes{% else %}no{% endif %}", "yes"),
        ("{% if not label %}a{% elif choices %}b{% else %}c{% endif %}", "b"),
        ("{% if context %}{{ context }}{% endif %}.", "."),
        ("{% if context is defined %}{{ context }}{% endif %}.", "."),
        ("{% if context is not defined %}none{% else %}{{ context }}{% endif %}", "none"),
        ("{% if context and label %}{{ context }}{% endif %}.", "."),
        ("{% if label or context %}x{% endif %}", "x"),
        ("{% if choices | length == 2 %}two{% endif %}", "two"),
        ("{% if choices | length > 2 %}many{% endif %}.", "."),
        ("{% if choices[0] != 'dog' %}x{% endif %}", "x"),
        ("{% for choice in choices %}<{{ choice }}>{% endfor %}", "<cat><Dog >"),
        ("{% for choice in choices[:1] %}<{{ choice }}>{% endfor %}", "<cat>"),
        ("{% for t in dialog[-1:] %}{{ t['question'] }}{% endfor %}", "red"),
        ("{{ choices[-1] }}", "Dog "),
        ("{% for choice in choices %}{{ loop.index }}{{ loop.index0 }}{% endfor %}", "1021"),
        (
            "{% for t in dialog %}{{ t['question'] }}? {{ t['answer'] }}. {% endfor %}",
            "big? no. red? yes. ",
        ),
        (
            "{% for t in dialog %}{{ t['answer'] }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "no, yes",
        ),
        (
            "{% for t in dialog %}{{ '' if loop.first else '; ' }}{{ t['answer'] }}{% endfor %}",
            "no; yes",
        ),
        ("{% for c in choices[5:] %}{{ c }}{% else %}none{% endfor %}", "none"),
    ],
)
def test_allowed_constructs_render(source, expected):
    assert compile_template(source, KINDS).render(FIELDS) == expected


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("{{ question.upper }}", "attribute access .upper"),
        ("{{ dialog[0].answer }}", "attribute access .answer"),
        ("{{ question.__class__.__mro__ }}", "attribute access .__mro__"),
        ("{{ question['__class__'] }}", "this index on a text"),
        ("{{ dialog[0]['__class__'] }}", "this index on a turn"),
        ("{{ question | attr('__class__') }}", "filter 'attr' is not allowed"),
        ("{{ question.upper() }}", "a call"),
        ("{{ question() }}", "a call"),
        ("{{ range(9) | join(',') }}", "a call"),
        ("{{ lipsum() }}", "a call"),
        ("{% for x in range(999999999) %}x{% endfor %}", "a loop over something that is no field"),
        ("{% for x in [1, 2] %}x{% endfor %}", "a loop over something that is no field"),
        ("{% for x in 'abc' %}x{% endfor %}", "a loop over something that is no field"),
        ("{{ lipsum }}", "unknown field 'lipsum'"),
        ("{{ cycler }}", "unknown field 'cycler'"),
        ("{{ self }}", "unknown field 'self'"),
        ("{% include 'secrets.txt' %}", "an import"),
        ("{% import 'os' as os %}", "an import"),
        ("{% from 'os' import path %}", "an import"),
        ("{% extends 'base' %}", "an import"),
        ("{% macro m() %}x{% endmacro %}", "the construct Macro"),
        ("{% call m() %}x{% endcall %}", "the construct CallBlock"),
        ("{% block b %}x{% endblock %}", "the construct Block"),
        ("{% set x = 'a' %}", "the construct Assign"),
        ("{% set x %}a{% endset %}", "the construct AssignBlock"),
        ("{% with x = 'a' %}{% endwith %}", "the construct With"),
        ("{% filter upper %}x{% endfilter %}", "the construct FilterBlock"),
        ("{% do question %}", "not Jinja: .*unknown tag 'do'"),
        ("{% if question %}", "not Jinja: "),
        ("{{ question", "not Jinja: "),
        ("{{ 'a' * 200000000 }}", r"arithmetic \(\*\)"),
        ("{{ 9 ** 9 }}", r"arithmetic \(\*\*\)"),
        ("{{ choices | length + 1 }}", r"arithmetic \(\+\)"),
        ("{{ 'a' ~ question }}", "the construct Concat"),
        ("{{ question % 3 }}", r"arithmetic \(%\)"),
        ("{{ question | center(99999999) }}", "filter 'center' is not allowed"),
        ("{{ question | replace('a', 'b') }}", "filter 'replace' is not allowed"),
        ("{{ question | no_such_filter }}", "filter 'no_such_filter' is not allowed"),
        ("{{ question | trim('x') }}", "filter 'trim' cannot be used on a text like this"),
        ("{{ choices | upper }}", "filter 'upper' cannot be used on a list like this"),
        ("{{ dialog | lettered }}", "filter 'lettered' cannot be used on a turns like this"),
        ("{{ choices | join }}", "join needs one short separator"),
        ("{{ choices | join(question) }}", "join needs one short separator"),
        ("{{ choices | join('-----------------') }}", "join needs one short separator"),
        ("{{ choices | join(d=', ') }}", "named arguments of filter 'join'"),
        ("{{ choices | join(*choices) }}", "named arguments of filter 'join'"),
        ("{% if question is string %}x{% endif %}", "test 'string'"),
        ("{% if 'c' in choices %}x{% endif %}", "the construct Compare"),
        ("{% if 1 < 2 < 3 %}x{% endif %}", "the construct Compare"),
        ("{% if question < 3 %}x{% endif %}", "a text compared with a number"),
        ("{% if choices == dialog %}x{% endif %}", "a list compared with a turns"),
        ("{% if dialog < dialog %}x{% endif %}", "a turns compared with a turns"),
        ("{{ choices }}", "'choices' is a list and cannot be printed"),
        ("{{ dialog }}", "'dialog' is a turns and cannot be printed"),
        ("{{ label }}", "'label' is a flag and cannot be printed"),
        ("{% for t in dialog %}{{ t }}{% endfor %}", "'t' is a turn and cannot be printed"),
        ("{% for t in dialog %}{{ loop }}{% endfor %}", "'loop' is a loop and cannot be printed"),
        ("{% for t in dialog %}{{ loop.first }}{% endfor %}", "is a flag and cannot be printed"),
        ("{% for t in dialog %}{{ loop.cycle }}{% endfor %}", "attribute access .cycle"),
        ("{{ loop.index }}", "attribute access .index"),
        ("{% for t in dialog %}{% for c in choices %}{% endfor %}{% endfor %}", "a loop inside"),
        ("{% for c in choices if c %}{% endfor %}", "a loop with a filter"),
        ("{% for a, b in dialog %}{% endfor %}", "a loop with a filter, unpacking"),
        ("{% for t in dialog recursive %}{% endfor %}", "unpacking or recursion"),
        ("{% for c in question %}{% endfor %}", "a loop over a text"),
        ("{% for question in choices %}{% endfor %}", "loop variable 'question' hides a field"),
        (
            "{% for loop in choices %}{% endfor %}",
            "not Jinja: .*loop variable 'loop'|hides a field",
        ),
        ("{% for c in choices %}{% endfor %}{{ c }}", "unknown field 'c'"),
        ("{{ question[0] }}", "this index on a text"),
        ("{{ question[:3] }}", "this index on a text"),
        ("{{ choices['a'] }}", "this index on a list"),
        ("{{ choices[question] }}", "this index on a list"),
        ("{{ choices[true] }}", "this index on a list"),
        ("{{ choices[:'a'] | join(',') }}", "this index on a list"),
        ("{{ choices[::2] | join(',') }}", "this index on a list"),
        ("{{ 'yes' if label }}", "the construct CondExpr"),
        ("{{ 'yes' if label else 3 }}", "one branch is a text, the other a number"),
        ("{{ none }}", "a constant that is neither text nor a number"),
        ("{{ 1.5 }}", "a constant that is neither text nor a number"),
        ("{{ 99999999 }}", "a constant that is neither text nor a number up to 65536"),
        ("{{ ['a'] | join(',') }}", "the construct List"),
        ("{{ {'a': 'b'} }}", "the construct Dict"),
        ("{{ -3 }}", "the construct Neg"),
    ],
)
def test_everything_else_of_jinja_is_refused_with_a_remedy(source, match):
    with pytest.raises(UnsupportedSyntaxError, match=match) as caught:
        compile_template(source, KINDS)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "source",
    [
        "{% if label %}" * 40 + "{% endif %}" * 40,
        "{% if label %}" * 110 + "{% endif %}" * 110,
        "{% if " + "not " * 300 + "label %}{% endif %}",
        "{% if " + "not " * 960 + "label %}{% endif %}",
        "{{ question" + "|lower" * 400 + " }}",
        "{{ " + "(" * 1900 + "question" + ")" * 1900 + " }}",
    ],
    ids=["blocks", "many blocks", "nots", "many nots", "filters", "parentheses"],
)
def test_deep_nesting_is_refused_and_not_a_crash(source):
    with pytest.raises(UnsupportedSyntaxError, match="nested too deeply"):
        compile_template(source, KINDS)


@pytest.mark.parametrize("digits", ["0x" + "f" * 3_900, "9" * 3_900])
@pytest.mark.parametrize("source", ["{{ %s }}", "{{ choices[%s] }}", "{{ choices[:%s] | first }}"])
def test_huge_numbers_are_refused_before_python_has_to_print_them(source, digits):
    with pytest.raises(UnsupportedSyntaxError, match="not allowed"):
        compile_template(source % digits, KINDS)


def test_a_huge_template_is_refused_before_it_is_parsed():
    compile_template("x" * MAX_TEMPLATE_CHARS, KINDS)
    with pytest.raises(UnsupportedSyntaxError, match="template of 4001 characters"):
        compile_template("x" * (MAX_TEMPLATE_CHARS + 1), KINDS)


def test_an_unknown_field_names_the_ones_that_the_task_has():
    with pytest.raises(UnsupportedSyntaxError, match="unknown field 'qestion'") as caught:
        compile_template("{{ qestion }}", KINDS)
    assert caught.value.field == "qestion"
    assert "choices, context, dialog, label, question" in caught.value.remedy


def test_a_list_that_is_printed_is_shown_how_to_join_it():
    with pytest.raises(UnsupportedSyntaxError) as caught:
        compile_template("{{ choices }}", KINDS)
    assert "{{ choices | join(', ') }}" in caught.value.remedy


@pytest.mark.parametrize(
    ("source", "required", "optional"),
    [
        ("plain words", "", ""),
        ("{{ question }}", "question", ""),
        ("{% if context %}{{ context }}{% endif %}", "", "context"),
        ("{% if context is defined %}{{ context }}{% endif %}", "", "context"),
        ("{% if context %}{{ context }}{% endif %}{{ context }}", "context", ""),
        ("{% if context %}x{% else %}{{ context }}{% endif %}", "context", ""),
        ("{% if not context %}x{% else %}{{ context }}{% endif %}", "", "context"),
        ("{% if not context %}x{% elif label %}{{ context }}{% endif %}", "label", "context"),
        ("{% if context and question %}{{ context }}{% endif %}", "", "context question"),
        ("{% if context or question %}{{ context }}{% endif %}", "context", "question"),
        ("{{ context if context else question }}", "question", "context"),
        (
            "{% if dialog %}{% for t in dialog %}{{ t['answer'] }}{% endfor %}{% endif %}",
            "",
            "dialog",
        ),
        ("{% for t in dialog %}{{ t['answer'] }}{% endfor %}", "dialog", ""),
        ("{% if label %}x{% endif %}", "label", ""),
        ("{{ 'yes' if label else 'no' }}", "label", ""),
    ],
)
def test_a_field_is_required_unless_the_template_tests_for_it(source, required, optional):
    template = compile_template(source, KINDS)
    assert template.required == set(required.split())
    assert template.optional == set(optional.split())


def test_rendering_without_a_required_field_is_refused():
    template = compile_template("{{ question }}", KINDS)
    for fields in ({}, {"question": None}):
        with pytest.raises(RenderError, match=r"field 'question' is absent, and .* needs it"):
            template.render(fields)


@pytest.mark.parametrize("source", ["{{ choices[7] }}", "{{ choices[2:] | first }}"])
def test_an_index_past_the_end_is_a_render_error(source):
    with pytest.raises(RenderError, match="choices"):
        compile_template(source, KINDS).render(FIELDS)


@pytest.mark.parametrize(
    "source",
    [
        "{{ question }}",
        "{{ question | upper }}",
        "{% for c in choices %}{{ question }}{% endfor %}",
    ],
)
def test_rendered_text_is_bounded(source):
    fields = {**FIELDS, "choices": ["c"]}
    template = compile_template(source, KINDS)
    longest = "x" * MAX_RENDERED_CHARS
    assert len(template.render({**fields, "question": longest})) == MAX_RENDERED_CHARS
    with pytest.raises(RenderError, match="65537 characters, 65536 are allowed"):
        template.render({**fields, "question": longest + "x"})


def test_a_long_loop_stops_at_the_bound():
    served = 0

    class Endless(list):
        def __iter__(self):
            nonlocal served
            while True:
                served += 1
                yield "x" * 1_000

    template = compile_template("{% for c in choices %}{{ c }}{% endfor %}", KINDS)
    with pytest.raises(RenderError, match="65536 are allowed"):
        template.render({"choices": Endless()})
    assert served == 66


def test_templates_of_text_and_text_fields_take_the_fast_path():
    assert compile_template("100 % of {{ question }}", KINDS).is_plain
    for source in ("{{ question | lower }}", "{% if label %}x{% endif %}", "{{ 'x' }}"):
        assert not compile_template(source, KINDS).is_plain


def test_fields_may_be_any_mapping():
    fields = MappingProxyType(FIELDS)
    assert compile_template("{{ question }}", KINDS).render(fields) == "What is it?"
    assert compile_template("{{ choices | first }}", KINDS).render(fields) == "cat"


def test_the_twenty_seventh_choice_has_two_letters():
    assert lettered([]) == ""
    assert lettered("ab") == "(a) a (b) b"
    assert lettered("x" * 26).endswith("(z) x")
    assert lettered("x" * 27).startswith("(aa) x (ab) x")
    assert lettered("x" * 676).endswith("(zz) x")


def test_choices_that_run_out_of_letters_are_not_dropped_in_silence():
    with pytest.raises(RenderError, match="677 choices, and letters for only 676"):
        lettered("x" * 677)


# Jinja itself is the reference: what we render must be what it renders.

TEXTS = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(["%", "%s", "%(question)s", "%%", "{", "}", "{{", "{{ answer }}"])
        | st.sampled_from(
            ["{% if x %}", "{#", "\\", "\\n", "'", '"', "\n", "\r\n", "\0", "<b>", "é"]
        )
    ).map("".join),
)
VALUES = {
    FieldKind.TEXT: TEXTS,
    FieldKind.LIST: st.lists(TEXTS, min_size=1, max_size=5),
    FieldKind.TURNS: st.lists(
        st.fixed_dictionaries({"question": TEXTS, "answer": TEXTS}), min_size=1, max_size=3
    ),
    FieldKind.FLAG: st.booleans(),
}


def jinja_itself() -> jinja2.Environment:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    environment.filters["lettered"] = lambda choices: " ".join(
        f"({chr(ord('a') + position)}) {choice}" for position, choice in enumerate(choices)
    )
    return environment


JINJA = jinja_itself()
by_jinja = lru_cache(maxsize=None)(JINJA.from_string)


def shipped_templates(task: str) -> dict[str, TemplateText]:
    sets = [load_templates(name) for name in SHIPPED_SETS]
    templates = [
        template for shipped in sets for template in shipped.templates if template.task == task
    ]
    return (
        {f"{template.template_id} instruction": template.instruction for template in templates}
        | {f"{template.template_id} target": template.target for template in templates}
        | {
            f"protocol {name}": protocol.prompt
            for name, protocol in sets[0].protocols.items()
            if protocol.task == task
        }
    )


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_shipped_template_renders_as_jinja_itself_renders_it(task, data):
    kinds = TASKS[task].fields
    fields = data.draw(
        st.fixed_dictionaries(
            {
                name: st.none() | VALUES[kind] if name in TASKS[task].optional else VALUES[kind]
                for name, kind in kinds.items()
            }
        )
    )
    templates = shipped_templates(task)
    assert len(templates) >= 6
    for name, template in templates.items():
        expected = by_jinja(template.source).render(fields)
        assert template.render(fields) == expected, name


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(
        st.sampled_from(["{{ question }}", "{{ context }}", "%", "%(question)s", "%s", "\n"])
        | st.text(st.characters(exclude_characters="{}#", exclude_categories=["Cs"])),
        max_size=8,
    ),
    question=TEXTS,
    context=TEXTS,
)
def test_the_fast_path_renders_any_text_as_jinja_itself_does(parts, question, context):
    source = "".join(parts)
    fields = {"question": question, "context": context}
    template = compile_template(source, KINDS)
    assert template.is_plain
    assert template.render(fields) == JINJA.from_string(source).render(fields)
