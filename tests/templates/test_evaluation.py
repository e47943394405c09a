import pytest
from pydantic import ValidationError

from templates.evaluation import Decoding, Evaluation, merged, protocol_hash

GENERATE = {
    "split": "val",
    "method": "generate",
    "decoding": {"max_new_tokens": 10, "length_penalty": {"t5": -1, "llama": 0}},
    "metric": "vqa_lavis",
    "normaliser": "vqa_2016",
}
RANK = {
    "split": "test",
    "method": "rank",
    "candidates": "choices",
    "metric": "choice_accuracy",
    "normaliser": "none",
}


def with_places(rules, **changes):
    """Return rules with a place for every key."""
    rules = {**rules, **changes}
    return {**rules, "read_in": {name: "a test" for name, value in rules.items() if value}}


def evaluation(rules, **changes):
    return Evaluation.model_validate(with_places(rules, **changes))


def test_a_length_penalty_may_differ_between_language_models():
    decoding = evaluation(GENERATE).decoding
    assert (decoding.penalty("t5"), decoding.penalty("llama")) == (-1, 0)
    assert Decoding(max_new_tokens=3, length_penalty=2).penalty("llama") == 2


def test_the_most_new_tokens_may_differ_between_language_models():
    decoding = Decoding(max_new_tokens={"t5": 10, "llama": 9})
    assert (decoding.most_new_tokens("t5"), decoding.most_new_tokens("llama")) == (10, 9)
    assert Decoding(max_new_tokens=3).most_new_tokens("llama") == 3


def test_an_end_token_is_ranked_for_t5_only_unless_the_protocol_differs():
    rules = evaluation(RANK)
    assert (rules.ends("t5"), rules.ends("llama")) == (True, False)
    rules = evaluation(RANK, end_token={"t5": 0, "llama": 1})
    assert (rules.ends("t5"), rules.ends("llama")) == (False, True)


@pytest.mark.parametrize(
    ("rules", "changes", "message"),
    [
        (GENERATE, {"decoding": None}, "`decoding` goes with method generate"),
        (RANK, {"decoding": {"max_new_tokens": 3}}, "`decoding` goes with method generate"),
        (RANK, {"candidates": None}, "`candidates` goes with method rank"),
        (GENERATE, {"candidates": "choices"}, "`candidates` goes with method rank"),
        (RANK, {"candidates": "verbalizers"}, "`verbalizers` goes with candidates: verb"),
        (RANK, {"candidates": "answers"}, "candidates\n  Input should be 'choices', 'letters'"),
        (RANK, {"server": "EvalAI"}, "`server` and `validation_split` go together"),
        (RANK, {"records": 0}, "greater than or equal to 1"),
        (GENERATE, {"decoding": {"max_new_tokens": 0}}, "greater than or equal to 1"),
        (GENERATE, {"decoding": {"max_new_tokens": 3, "top_p": 0.9}}, "decoding.top_p\n  Extra"),
        (RANK, {"vocabulary_splits": ["val"]}, "`vocabulary_splits` goes with candidates: vocab"),
        (GENERATE, {"image": "crop"}, "image\n  Input should be 'square' or 'center_crop'"),
        (GENERATE, {"metrics": "cider"}, "metrics\n  Extra inputs are not permitted"),
    ],
)
def test_rules_that_do_not_fit_together_are_refused(rules, changes, message):
    with pytest.raises(ValidationError) as caught:
        evaluation(rules, **changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("decoding", "message"),
    [
        ({"length_penalty": float("inf")}, "inf is neither a finite number nor {t5: number"),
        ({"length_penalty": {"t5": float("nan"), "llama": 1}}, "'t5': nan, 'llama': 1} is neither"),
        ({"length_penalty": {"t5": 1}}, "{'t5': 1} is neither a finite number nor {t5:"),
        ({"length_penalty": True}, "True is neither a finite number"),
        ({"length_penalty": "1"}, "'1' is neither a finite number"),
        ({"length_penalty": 10**400}, "is neither a finite number"),
        ({"repetition_penalty": float("inf")}, "should be a finite number"),
        ({"repetition_penalty": float("nan")}, "should be a finite number"),
        ({"repetition_penalty": True}, "should be a valid number"),
        ({"repetition_penalty": 0}, "should be greater than 0"),
        ({"beams": True}, "should be a valid integer"),
        ({"beams": "3"}, "should be a valid integer"),
        ({"max_new_tokens": 9.0}, "should be a valid integer"),
        ({"max_new_tokens": {"t5": 9}}, "{'t5': 9} is neither a whole number nor {t5: number"),
        ({"max_new_tokens": {"t5": 9, "llama": 0}}, "should be greater than or equal to 1"),
        ({"max_new_tokens": {"t5": 9, "llama": "8"}}, "should be a valid integer"),
        (
            {"max_new_tokens": {"t5": 9, "llama": 4}, "min_new_tokens": 5},
            "min_new_tokens is 5, more than max_new_tokens, 4",
        ),
        ({"min_new_tokens": False}, "should be a valid integer"),
        ({"min_new_tokens": 10}, "min_new_tokens is 10, more than max_new_tokens, 9"),
    ],
)
def test_invalid_decoding_is_one_error_in_one_sentence(decoding, message):
    with pytest.raises(ValidationError) as caught:
        evaluation(GENERATE, decoding={"max_new_tokens": 9, **decoding})
    [error] = caught.value.errors()
    assert message in error["msg"]


def test_decoding_may_be_of_one_length_only():
    rules = evaluation(GENERATE, decoding={"max_new_tokens": 9, "min_new_tokens": 9})
    assert rules.decoding.min_new_tokens == 9


@pytest.mark.parametrize("records", [True, "3", 3.0])
def test_a_count_of_records_is_a_whole_number(records):
    with pytest.raises(ValidationError, match="records\n  Input should be a valid integer"):
        evaluation(GENERATE, records=records)


@pytest.mark.parametrize(
    ("positive", "negative", "word"),
    [(["yes", "true"], ["no", "yes"], "yes"), (["yes", "yes "], ["no"], "yes")],
)
def test_a_word_cannot_stand_for_yes_and_no_or_count_double(positive, negative, word):
    words = {"positive": positive, "negative": negative}
    with pytest.raises(ValidationError, match=f"'{word}' is given twice; a word stands for yes or"):
        evaluation(RANK, candidates="verbalizers", verbalizers=words)


def test_every_key_has_a_source_and_no_other_does():
    rules = with_places(GENERATE)
    del rules["read_in"]["metric"]
    with pytest.raises(ValidationError, match="read_in has no place for metric"):
        Evaluation.model_validate(rules)
    rules = with_places(GENERATE)
    rules["read_in"]["server"] = "nowhere"
    with pytest.raises(ValidationError, match="read_in has a place for server, which is not given"):
        Evaluation.model_validate(rules)


def test_the_hash_covers_prompt_task_and_rules_but_not_where_they_were_read():
    rules = evaluation(GENERATE)
    reread = rules.model_copy(update={"read_in": {}, "differences": ("one",)})
    digest = protocol_hash("a prompt", "vqa", rules)
    assert protocol_hash("a prompt", "vqa", reread) == digest
    assert protocol_hash("a prompt ", "vqa", rules) != digest
    assert protocol_hash("a prompt", "video_qa", rules) != digest
    assert protocol_hash("a prompt", "vqa", evaluation(GENERATE, metric="vqa_evalai")) != digest
    shorter = evaluation(GENERATE, decoding={**GENERATE["decoding"], "beams": 4})
    assert protocol_hash("a prompt", "vqa", shorter) != digest


def test_a_default_that_is_written_out_does_not_change_the_hash():
    spelled = evaluation(GENERATE, decoding={**GENERATE["decoding"], "beams": 5})
    assert protocol_hash("p", "vqa", spelled) == protocol_hash("p", "vqa", evaluation(GENERATE))


def test_rules_that_came_later_change_the_hash_only_where_they_are_used():
    plain = protocol_hash("p", "vqa", evaluation(GENERATE))
    assert plain == "f2f1fe44771b03a2bf27d52417921fc77c6bc48a265786c8fdb401f1e8d14cff"
    assert protocol_hash("p", "vqa", evaluation(GENERATE, image="square")) == plain
    assert protocol_hash("p", "vqa", evaluation(GENERATE, image="center_crop")) != plain
    ranked = {**RANK, "candidates": "vocabulary"}
    more = evaluation(ranked, vocabulary_splits=["train", "val"])
    assert protocol_hash("p", "vqa", more) != protocol_hash("p", "vqa", evaluation(ranked))


def test_rules_survive_json():
    rules = evaluation(GENERATE, records=3, server="EvalAI", validation_split="val")
    assert Evaluation.model_validate(rules.model_dump(mode="json", exclude_unset=True)) == rules


def test_a_variant_inherits_the_keys_that_it_does_not_give():
    own = {"metric": "exact_match", "read_in": {"metric": "elsewhere"}}
    result = Evaluation.model_validate(
        merged({**with_places(GENERATE), "differences": ["one"]}, own)
    )
    assert (result.metric, result.split) == ("exact_match", "val")
    assert (result.read_in["metric"], result.read_in["split"]) == ("elsewhere", "a test")


def test_a_variant_does_not_inherit_its_bases_differences():
    base = {**with_places(GENERATE), "differences": ["the decoding is a guess"]}
    own = {"metric": "exact_match", "read_in": {"metric": "elsewhere"}}
    assert Evaluation.model_validate(merged(base, own)).differences == ()
    own = {**own, "differences": ["compared as they are"]}
    assert Evaluation.model_validate(merged(base, own)).differences == ("compared as they are",)


def test_a_variant_gives_the_sources_of_its_own_keys():
    with pytest.raises(ValidationError, match="read_in has no place for metric"):
        Evaluation.model_validate(merged(with_places(GENERATE), {"metric": "exact_match"}))


def test_a_variant_of_another_method_drops_what_only_the_bases_has():
    base = with_places(
        RANK, candidates="verbalizers", verbalizers={"positive": ["y"], "negative": ["n"]}
    )
    generates = {"method": "generate", "decoding": {"max_new_tokens": 3}}
    read_in = dict.fromkeys(generates, "a test")
    result = Evaluation.model_validate(merged(base, {**generates, "read_in": read_in}))
    assert (result.candidates, result.verbalizers) == (None, None)
    ranks = {"method": "rank", "candidates": "letters"}
    read_in = dict.fromkeys(ranks, "a test")
    result = Evaluation.model_validate(merged(with_places(GENERATE), {**ranks, "read_in": read_in}))
    assert result.decoding is None
    other = {"candidates": "choices", "read_in": {"candidates": "a test"}}
    assert Evaluation.model_validate(merged(base, other)).verbalizers is None


def test_a_variant_takes_a_key_away_by_setting_it_to_null():
    base = with_places(RANK, server="EvalAI", validation_split="val", records=9)
    own = {"server": None, "validation_split": None, "records": None}
    result = Evaluation.model_validate(merged(base, own))
    assert (result.server, result.validation_split, result.records) == (None, None, None)
    assert "server" not in result.read_in
