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


def test_lmms_evals_decoding_is_greedy():
    for name, protocol in PROTOCOLS.items():
        if name.endswith(".lmms_eval") and protocol.evaluation.decoding:
            assert protocol.evaluation.decoding.beams == 1


def test_every_held_out_protocol_has_a_number_of_the_paper_beside_it():
    assert set(GROUPS["heldout"]) == set(paper().zero_shot.sets)
