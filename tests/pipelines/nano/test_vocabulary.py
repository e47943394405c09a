"""The nano tokenizer knows the sample's words and spells out all others."""

import pytest

from datagen.sample.scenes import WORDS
from pipelines.nano.vocabulary import EOS, IMAGE, PAD, START, UNKNOWN, make_tokenizer
from templates.library import SHIPPED_SETS, load_templates


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(load_templates("instruct"), 0)


def test_special_tokens_have_their_ids(tokenizer):
    names = ["[PAD]", "</s>", "[UNK]", "[CLS]", "<image>"]
    assert [tokenizer.token_to_id(name) for name in names] == [PAD, EOS, UNKNOWN, START, IMAGE]


def test_the_qformers_text_begins_with_cls_and_the_language_models_with_nothing(tokenizer):
    assert tokenizer.encode("Red star").tokens == ["[CLS]", "red", "star"]
    assert tokenizer.encode("Red star", add_special_tokens=False).tokens == ["red", "star"]


def test_printed_words_and_templates_are_whole_words(tokenizer):
    literal = [
        w.instruction.source for name in SHIPPED_SETS for w in load_templates(name).templates
    ]
    for text in [*WORDS, *literal]:
        tokens = tokenizer.encode(text, add_special_tokens=False).tokens
        assert not [token for token in tokens if token.startswith(("##", "[UNK]"))], text


def test_an_unknown_word_is_spelled_out_and_comes_back(tokenizer):
    encoded = tokenizer.encode("a zebra", add_special_tokens=False)
    assert encoded.tokens == ["a", "z", "##e", "##b", "##r", "##a"]
    assert tokenizer.decode(encoded.ids) == "a zebra"


def test_two_runs_make_the_same_tokenizer(tokenizer):
    again = make_tokenizer(load_templates("instruct"), 0)
    assert again.to_str() == tokenizer.to_str()
