"""Bundles, sentences and the loss of the nano language model."""

from random import Random

import pytest
import torch

from pipelines.nano.architecture import Shape, make_config, make_model
from pipelines.nano.language import NUM_SLOTS, answer_logits, answer_loss, bundles
from pipelines.nano.rows import Row

ROWS = [
    Row(((5, 6), (7, 8, 9)), (5, 6), (10, 11, 1), (False, True, True)),
    Row(((9,),), (9, 8, 7), (12, 13, 14, 15, 1), (False, False, False, True, True)),
]


@pytest.fixture(scope="module")
def model():
    config = make_config(Shape(language_layers=1), 20)
    return make_model(config, 0).language_model.eval()


@torch.no_grad()
def test_a_bundle_is_the_sum_of_its_words_in_order_among_empty_slots(model):
    front = bundles(model, ROWS, Random(0), None)
    assert front.shape == (2, NUM_SLOTS, 128)
    embed = model.get_input_embeddings().weight
    empty = [slot for slot in range(NUM_SLOTS) if torch.equal(front[0, slot], embed[1])]
    first, second = sorted(set(range(NUM_SLOTS)) - set(empty))
    torch.testing.assert_close(front[0, first], embed[5] + embed[6])
    torch.testing.assert_close(front[0, second], embed[7] + embed[8] + embed[9])


@torch.no_grad()
def test_each_learned_token_is_said_from_what_stands_before_it(model):
    front = bundles(model, ROWS, Random(0), None)
    logits, labels, row_of = answer_logits(model, ROWS, front)
    assert labels.tolist() == [11, 1, 15, 1]
    assert row_of.tolist() == [0, 0, 1, 1]
    embedded = model.get_input_embeddings()(torch.tensor([ROWS[1].text]))
    alone = model(inputs_embeds=torch.cat([front[1:], embedded], 1)).logits[0]
    torch.testing.assert_close(logits[2:], alone[NUM_SLOTS + 2 : NUM_SLOTS + 4])


@torch.no_grad()
def test_without_bundles_the_sentence_stands_in_front(model):
    logits, labels, _ = answer_logits(model, ROWS, None)
    alone = model(input_ids=torch.tensor([[*ROWS[0].sentence, *ROWS[0].text]])).logits[0]
    torch.testing.assert_close(logits[:2], alone[2:4])
    loss = torch.nn.functional.cross_entropy(logits, labels)
    torch.testing.assert_close(answer_loss(model, ROWS, None), loss)
