"""The shipped protocols against the code that carries them out."""

import pytest

from templates.library import load_templates
from trainer.evaluation.tasks.paper import paper
from trainer.evaluation.tasks.tasks import GROUPS

PROTOCOLS = load_templates("instruct").protocols
METRICS = {
    "nocaps": "cider",
    "flickr30k": "cider",
    "coco_caption": "cider",
    "textcaps": "cider",
    "gqa": "exact_match_lavis",
    "ocr_vqa": "exact_match_lavis",
    "msvd_qa": "exact_match_lavis",
    "msrvtt_qa": "exact_match_lavis",
    "vqav2": "vqa_lavis",
    "okvqa": "vqa_lavis",
    "textvqa": "vqa_lavis",
    "vizwiz": "vqa_lavis",
    "aokvqa": "aokvqa_direct",
    "aokvqa.multiple_choice": "choice_accuracy",
    "iconqa": "choice_accuracy",
    "scienceqa": "choice_accuracy",
    "vsr": "yes_no_accuracy",
    "hateful_memes": "auroc",
    "visdial": "visdial",
    "ivqa": "ivqa",
}
RANKED = {
    "iconqa": "choices",
    "scienceqa": "choices",
    "aokvqa.multiple_choice": "choices",
    "visdial": "record",
    "msvd_qa": "vocabulary",
    "msrvtt_qa": "vocabulary",
    "vsr": "verbalizers",
    "hateful_memes": "verbalizers",
}


def rules_of(name):
    return PROTOCOLS[name].evaluation


def test_the_groups_are_the_protocols_that_extend_none():
    grouped = [name for group in GROUPS.values() for name in group]
    own = {name for name, protocol in PROTOCOLS.items() if protocol.extends is None}
    assert sorted(grouped) == sorted(own) == sorted(METRICS)


def test_every_default_has_its_metric_and_its_candidates():
    assert {name: rules_of(name).metric for name in METRICS} == METRICS
    ranked = {name: rules_of(name).candidates for name in METRICS if rules_of(name).candidates}
    assert ranked == RANKED


@pytest.mark.parametrize("name", ["vsr", "hateful_memes"])
def test_yes_and_no_have_the_papers_words(name):
    words = rules_of(name).verbalizers
    assert (words.positive, words.negative) == (("yes", "true"), ("no", "false"))


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_protocols_metric_exists_and_normalises_as_the_protocol_says(name):
    from trainer.evaluation.metrics.table import metric

    found = metric(rules_of(name).metric)
    assert (found.name, found.normaliser) == (rules_of(name).metric, rules_of(name).normaliser)


def test_generated_answers_and_captions_are_decoded_as_in_lavis():
    for name in METRICS:
        decoding = rules_of(name).decoding
        if decoding is None:
            continue
        lengths = (decoding.min_new_tokens, decoding.max_new_tokens)
        penalties = (decoding.penalty("t5"), decoding.penalty("llama"), decoding.repetition_penalty)
        assert decoding.beams == 5
        if METRICS[name] == "cider":
            assert (lengths, penalties) == ((9, 80), (1, 1, 1.15))
        else:
            assert (lengths, penalties) == ((0, 10), (-1, 0, 1.5))


def test_variants_after_lavis_have_its_lengths_and_its_images():
    """Its Vicuna counts the start token in `max_length` (`blip2_vicuna_instruct.py`), its T5 does not."""
    expected = {
        "coco_caption.lavis": (80, 79, "center_crop"),
        "nocaps.lavis": (80, 79, "square"),
        "okvqa.lavis": (10, 9, "center_crop"),
        "msvd_qa.lavis": (30, 29, "square"),
        "msrvtt_qa.lavis": (10, 9, "square"),
    }
    assert {name for name in PROTOCOLS if name.endswith(".lavis")} == set(expected)
    for name, (t5, llama, image) in expected.items():
        decoding = rules_of(name).decoding
        assert (decoding.most_new_tokens("t5"), decoding.most_new_tokens("llama")) == (t5, llama)
        assert rules_of(name).image == image
        lowest = 9 if rules_of(name).metric == "cider" else 0
        assert decoding.min_new_tokens == lowest


def test_each_deviation_from_lavis_names_the_variant_that_follows_it():
    """Of the five, TextVQA's metric and the lengths of sets that LAVIS has no evaluation of are only stated."""
    for name, words in {
        "coco_caption": ("clip_image_eval", "coco_caption.lavis"),
        "okvqa": ("clip_image_eval", "okvqa.lavis"),
        "msvd_qa": ("2,423", "msvd_qa.all_splits"),
        "textvqa": ("VQA accuracy", "textvqa.evalai"),
    }.items():
        assert any(all(word in each for word in words) for each in rules_of(name).differences)
        assert words[1] in PROTOCOLS
    for name in METRICS:
        if rules_of(name).decoding is not None:
            assert any("max_length" in each for each in rules_of(name).differences)


def test_lmms_evals_decoding_is_greedy():
    for name, protocol in PROTOCOLS.items():
        if name.endswith(".lmms_eval") and protocol.evaluation.decoding:
            assert protocol.evaluation.decoding.beams == 1


def test_every_held_out_protocol_has_a_number_of_the_paper_beside_it():
    assert set(GROUPS["heldout"]) == set(paper().zero_shot.sets)
