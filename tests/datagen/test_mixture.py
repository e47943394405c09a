import math
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import OptionError
from datagen.mixture import FACTORS, MixtureOptions, check_sources, mix
from templates.tasks import SOURCES

PAPER_SIZES = {
    "web_capfilt": 14_000_000,
    "coco_caption": 566_747,
    "textcaps": 109_765,
    "vqav2": 443_757,
    "okvqa": 9_009,
    "aokvqa": 17_056,
    "ocr_vqa": 801_579,
    "llava_conversation": 58_000,
    "llava_detail": 23_000,
    "llava_reasoning": 77_000,
    "vqav2_qg": 443_757,
    "okvqa_qg": 9_009,
    "aokvqa_qg": 17_056,
}
PAPER_PROBABILITIES = {  # with three digits, some of them rounded up
    "web_capfilt": 0.458,
    "ocr_vqa": 0.110,
    "coco_caption": 0.092,
    "vqav2": 0.082,
    "vqav2_qg": 0.082,
    "textcaps": 0.041,
    "llava_reasoning": 0.034,
    "llava_conversation": 0.030,
    "llava_detail": 0.019,
    "aokvqa": 0.016,
    "aokvqa_qg": 0.016,
    "okvqa": 0.012,
    "okvqa_qg": 0.012,
}

sizes_of = st.dictionaries(st.sampled_from(sorted(SOURCES)), st.integers(1, 10**8), min_size=1)
rules = st.builds(
    MixtureOptions,
    rule=st.sampled_from(["sqrt", "proportional", "uniform", "temperature"]),
    temperature=st.floats(0.5, 20),
    cap=st.none() | st.integers(1, 10**6),
    factors=st.dictionaries(st.sampled_from(sorted(SOURCES)), st.floats(0.01, 100)),
)


def probabilities(sizes: Mapping[str, int], **options: Any) -> dict[str, float]:
    parts = mix(sizes, MixtureOptions(**{"factors": {}} | options))
    return {source: part.probability for source, part in parts.items()}


def test_the_papers_sizes_give_the_papers_mixture() -> None:
    found = probabilities(PAPER_SIZES)
    total = sum(size**0.5 for size in PAPER_SIZES.values())
    assert found == pytest.approx({s: size**0.5 / total for s, size in PAPER_SIZES.items()})
    assert found == pytest.approx(PAPER_PROBABILITIES, abs=0.001)
    assert round(found["web_capfilt"], 3) == 0.458


def test_our_factors_change_the_two_sets_that_the_paper_changes() -> None:
    plain, ours = probabilities(PAPER_SIZES), mix(PAPER_SIZES)
    assert FACTORS.keys() == {"aokvqa", "okvqa"}
    assert ours["aokvqa"].probability < plain["aokvqa"]
    assert ours["okvqa"].probability > plain["okvqa"]
    assert (ours["aokvqa"].factor, ours["vqav2"].factor) == (FACTORS["aokvqa"], 1.0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1 / 4, 1 / 2, 1 / 4]),
        ({"rule": "proportional"}, [1 / 6, 4 / 6, 1 / 6]),
        ({"rule": "uniform"}, [1 / 3, 1 / 3, 1 / 3]),
        ({"rule": "temperature", "temperature": 1}, [1 / 6, 4 / 6, 1 / 6]),
        ({"rule": "temperature", "temperature": 2}, [1 / 4, 1 / 2, 1 / 4]),
        ({"rule": "temperature", "temperature": math.inf}, [1 / 3, 1 / 3, 1 / 3]),
        ({"cap": 100}, [1 / 3, 1 / 3, 1 / 3]),
        ({"rule": "proportional", "cap": 200}, [1 / 4, 1 / 2, 1 / 4]),
        ({"factors": {"vqav2": 0.5}}, [1 / 3, 1 / 3, 1 / 3]),
        ({"factors": {"okvqa": 0}}, [0, 2 / 3, 1 / 3]),
        ({"factors": {"visdial": 7}}, [1 / 4, 1 / 2, 1 / 4]),
    ],
)
def test_rules_caps_and_factors(options: dict[str, Any], expected: list[float]) -> None:
    sizes = {"okvqa": 100, "vqav2": 400, "aokvqa": 100}
    assert list(probabilities(sizes, **options).values()) == pytest.approx(expected)


@given(sizes_of, rules)
def test_probabilities_sum_to_one(sizes: dict[str, int], options: MixtureOptions) -> None:
    parts = mix(sizes, options)
    assert list(parts) == list(sizes)
    assert math.fsum(part.probability for part in parts.values()) == pytest.approx(1.0)
    assert all(0 < part.probability <= 1 for part in parts.values())
    assert all(parts[source].size == size for source, size in sizes.items())


@given(sizes_of, rules, st.randoms())
def test_the_order_of_sets_changes_no_bit(
    sizes: dict[str, int], options: MixtureOptions, shuffler: random.Random
) -> None:
    names = list(sizes)
    shuffler.shuffle(names)
    one, other = mix(sizes, options), mix({name: sizes[name] for name in names}, options)
    assert {name: part for name, part in one.items()} == {name: other[name] for name in sizes}


@given(sizes_of, rules, st.data())
def test_a_larger_set_is_drawn_from_no_less(
    sizes: dict[str, int], options: MixtureOptions, data: st.DataObject
) -> None:
    grown = data.draw(st.sampled_from(sorted(sizes)))
    larger = sizes | {grown: sizes[grown] * 2}
    before, after = mix(sizes, options), mix(larger, options)
    assert after[grown].probability >= before[grown].probability * (1 - 1e-12)
    for source in sizes.keys() - {grown}:
        assert after[source].probability <= before[source].probability * (1 + 1e-12)


@given(sizes_of)
def test_of_two_sets_the_larger_one_is_drawn_from_more(sizes: dict[str, int]) -> None:
    found = probabilities(sizes)
    for one in sizes:
        for other in sizes:
            if sizes[one] < sizes[other]:
                assert found[one] < found[other]


def test_sets_without_records_take_no_part() -> None:
    assert list(mix({"vqav2": 0, "okvqa": 5})) == ["okvqa"]
    assert mix({"vqav2": 0}) == {}
    assert mix({}) == {}


def test_the_part_says_how_it_came_about() -> None:
    part = mix({"okvqa": 9, "vqav2": 16}, MixtureOptions(factors={"okvqa": 2.0}))["okvqa"]
    assert (part.size, part.weight, part.factor) == (9, 3.0, 2.0)
    assert part.probability == pytest.approx(6 / 10)
    assert part.epochs(300) == pytest.approx(300 * 0.6 / 9)


@given(sizes_of, rules)
def test_the_weight_of_a_record_depends_on_its_own_source_alone(
    sizes: dict[str, int], options: MixtureOptions
) -> None:
    parts = mix(sizes, options)
    for source, part in parts.items():
        (alone,) = mix({source: sizes[source]}, options).values()
        assert part.record_weight == alone.record_weight
    total = math.fsum(part.record_weight * part.size for part in parts.values())
    for part in parts.values():
        assert part.record_weight * part.size / total == pytest.approx(part.probability)


def test_by_default_a_record_weighs_its_factor_over_the_root_of_the_records() -> None:
    part = mix({"okvqa": 9, "vqav2": 16}, MixtureOptions(factors={"okvqa": 2.0}))["okvqa"]
    assert part.record_weight == 2.0 / 3


@pytest.mark.parametrize("factor", [-0.1, -1e9, math.inf, math.nan])
def test_a_factor_that_is_no_weight_is_refused(factor: float) -> None:
    with pytest.raises(OptionError, match=r"mixture factor .* of 'okvqa' is not 0 or more"):
        mix({"okvqa": 5}, MixtureOptions(factors={"okvqa": factor}))


def test_factors_that_leave_nothing_are_refused() -> None:
    with pytest.raises(OptionError, match="the factors leave nothing to draw from"):
        mix({"okvqa": 5}, MixtureOptions(factors={"okvqa": 0}))


def test_numbers_too_large_to_weigh_are_refused() -> None:
    with pytest.raises(OptionError, match="the factors are too large"):
        mix({"okvqa": 5_000}, MixtureOptions(factors={"okvqa": 1e308}))
    options = MixtureOptions(rule="temperature", temperature=0.01)
    with pytest.raises(OptionError, match=r"temperature 0\.01 is too low for 443757 records"):
        mix({"vqav2": 443_757}, options)


@pytest.mark.parametrize(
    "values",
    [
        {"rule": "square"},
        {"temperature": 0},
        {"temperature": -1},
        {"temperature": math.nan},
        {"cap": 0},
        {"weights": {}},
    ],
)
def test_options_that_are_no_options_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="MixtureOptions"):
        MixtureOptions(**values)


def test_sources_that_do_not_exist_are_refused_with_the_nearest_name() -> None:
    check_sources(MixtureOptions(splits={"vqav2": ("train", "val")}), SOURCES)
    for options in (
        MixtureOptions(factors={"okvaq": 1}),
        MixtureOptions(splits={"okvaq": ("val",)}),
    ):
        with pytest.raises(OptionError, match=r"unknown source 'okvaq', did you mean 'okvqa'\?"):
            check_sources(options, SOURCES)


def test_train_is_trained_on_unless_other_splits_are_named() -> None:
    options = MixtureOptions(splits={"vqav2": ("train", "val")})
    assert options.trained_splits("vqav2") == ("train", "val")
    assert options.trained_splits("okvqa") == ("train",)


def test_the_published_defaults_are_pinned() -> None:
    """A changed default changes every mixture and every stored weight."""
    assert dict(FACTORS) == {"aokvqa": 0.5, "okvqa": 2.0}
    assert MixtureOptions().temperature == 2.0
    assert mix({"vqav2": 9}, MixtureOptions(rule="uniform"))["vqav2"].record_weight == 1 / 9


def test_options_and_parts_cannot_be_changed() -> None:
    part = mix({"vqav2": 9}, MixtureOptions())["vqav2"]
    for frozen, name in ((MixtureOptions(), "temperature"), (part, "factor")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(frozen, name, 3.0)
