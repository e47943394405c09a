"""The paper's numbers, as data."""

import pytest
from pydantic import ValidationError

from templates.library import load_templates
from trainer.evaluation.tasks.paper import (
    BACKBONES,
    HELD_IN_AVERAGE,
    HELD_OUT_AVERAGE,
    PaperTable,
    average,
    backbone_of,
    paper,
    paper_average,
    paper_number,
)
from trainer.evaluation.tasks.tasks import HELD_OUT


@pytest.mark.parametrize(
    ("model", "backbone", "source", "number"),
    [
        ("instructblip", "flan_t5_xl", "nocaps", 119.9),
        ("instructblip", "vicuna_7b", "scienceqa", 60.5),
        ("instructblip", "vicuna_13b", "ivqa", 51.0),
        ("blip2", "flan_t5_xxl", "vsr", 68.2),
        ("blip2", "vicuna_13b", "vizwiz", 19.6),
        ("blip2", "flan_t5_xl", "okvqa", None),
        ("instructblip", "opt_6b", "gqa", None),
        ("instructblip", None, "gqa", None),
    ],
)
def test_a_number_is_found_by_model_backbone_and_set(model, backbone, source, number):
    assert paper_number(model, backbone, source) == number


def test_table_1_has_every_held_out_set_for_both_models_and_four_backbones():
    table = paper().zero_shot
    assert table.sets == HELD_OUT
    for model in ("instructblip", "blip2"):
        assert tuple(table.rows[model]) == BACKBONES
        for backbone in BACKBONES:
            assert all(paper_number(model, backbone, source) for source in HELD_OUT)
    assert paper().zero_shot.number("flamingo", "80b", "flickr30k") == 67.2
    assert paper().zero_shot.number("flamingo", "80b", "gqa") is None


def test_the_ablations_full_rows_are_those_of_table_1():
    table = paper().ablation
    for backbone in table.rows:
        for source in set(table.sets) - {"held_in"}:
            full = table.number(backbone, "full", source)
            assert full == paper_number("instructblip", backbone, source)


def test_numbers_from_memory_are_told_apart():
    table = paper().ablation
    assert not table.is_verified("vicuna_7b", "no_balancing", "gqa")
    assert table.is_verified("vicuna_7b", "no_balancing", "iconqa")
    assert table.is_verified("flan_t5_xl", "no_balancing", "gqa")
    for group, rows in table.unverified.items():
        for name, sets in rows.items():
            assert all(table.number(group, name, each) is not None for each in sets)


def test_figure_4_and_table_3_are_there():
    assert paper().multitask.number("flan_t5_xl", "instructblip", "held_out") == 52.9
    assert paper().finetuned.number("instructblip", "vicuna_7b", "okvqa") == 62.1
    assert "page 9" in paper().finetuned.read_in


def test_the_held_out_average_is_figure_4s_but_for_rounding():
    ours = paper_average("instructblip", "flan_t5_xl", "held_out")
    assert ours == pytest.approx(52.825)
    printed = paper().multitask
    assert ours == pytest.approx(printed.number("flan_t5_xl", "instructblip", "held_out"), abs=0.1)
    blip2 = paper_average("blip2", "flan_t5_xl", "held_out")
    assert blip2 == pytest.approx(printed.number("flan_t5_xl", "blip2", "held_out"), abs=0.31)


def test_the_held_in_average_is_known_of_two_backbones():
    known = {each: paper_average("instructblip", each, "held_in") for each in BACKBONES}
    assert known == {
        "flan_t5_xl": 94.1,
        "flan_t5_xxl": None,
        "vicuna_7b": 100.8,
        "vicuna_13b": None,
    }
    assert paper_average("blip2", "flan_t5_xl", "held_in") is None
    assert paper_average("instructblip", None, "held_in") is None


def test_the_averages_are_over_sets_that_have_a_default_protocol():
    assert (len(HELD_OUT_AVERAGE), len(HELD_IN_AVERAGE)) == (8, 4)
    assert set(HELD_OUT_AVERAGE) <= set(HELD_OUT)
    assert not set(HELD_IN_AVERAGE) & set(HELD_OUT)
    protocols = load_templates("instruct").protocols
    assert all(protocols[each].evaluation for each in HELD_OUT_AVERAGE + HELD_IN_AVERAGE)


def test_an_average_with_a_set_missing_is_none_and_names_it():
    assert average({"a": 1.0, "b": 3.0}, ["a", "b"]) == (2.0, ())
    assert average({"a": 1.0, "b": None}, ["a", "b", "c"]) == (None, ("b", "c"))
    assert average({}, []) == (None, ())


@pytest.mark.parametrize(
    ("facts", "backbone"),
    [
        ({"language_model": "t5", "text_width": 2048}, "flan_t5_xl"),
        ({"language_model": "t5", "text_width": 4096}, "flan_t5_xxl"),
        ({"language_model": "llama", "text_width": 4096}, "vicuna_7b"),
        ({"language_model": "llama", "text_width": 5120}, "vicuna_13b"),
        ({"language_model": "llama", "text_width": 2048}, None),
        ({"language_model": "t5", "text_width": 128}, None),
        ({}, None),
    ],
)
def test_a_backbone_is_known_by_kind_and_width(facts, backbone):
    assert backbone_of(facts) == backbone


def test_a_table_with_a_row_cut_short_is_refused():
    with pytest.raises(ValidationError, match="blip2 vicuna_7b has 1 of 2 numbers"):
        PaperTable(title="t", read_in="r", sets=("a", "b"), rows={"blip2": {"vicuna_7b": (1.0,)}})
