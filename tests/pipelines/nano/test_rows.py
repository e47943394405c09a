"""Training rows of the nano language model, token by token."""

from random import Random

import pytest

from pipelines.nano.rows import Row, Writer, batches
from pipelines.nano.vocabulary import EOS, make_tokenizer
from templates.library import load_templates


@pytest.fixture(scope="module")
def writer():
    templates = load_templates("instruct")
    return Writer(make_tokenizer(templates, 0), templates, 0)


def words(writer, ids):
    return [writer.tokenizer.id_to_token(token) for token in ids]


def learned(writer, row):
    return [
        w for w, is_target in zip(words(writer, row.text), row.learned, strict=True) if is_target
    ]


def test_a_drill_says_things_of_the_scene_from_any_of_their_words_on(writer):
    row = writer.drill("test", 3)
    scene = [set(words(writer, bundle)) for bundle in row.bundles]
    phrases = " ".join(words(writer, row.text)).split(" , ")
    for phrase in phrases:
        assert set(phrase.replace(" ,", "").split()) in scene
    firsts = [phrase.split()[0] for phrase in phrases]
    assert len(set(firsts)) > len(scene)
    assert "," not in learned(writer, row)


def test_a_lesson_asks_before_it_tells(writer):
    for index in range(20):
        row = writer.lesson("test", index)
        text = words(writer, row.text)
        assert row.text.count(EOS) >= 3
        assert "?" in text[:30]
        assert row.learned[0] is False
        assert row.learned[-2 if text[-1] == "," else -1] is True


def test_an_instruction_is_learned_to_be_answered_and_ended(writer):
    rows = [row for index in range(20) for row in writer.instructions("test", index)]
    assert len(rows) == 20 * 8
    for row in rows:
        start = row.learned.index(True)
        assert all(row.learned[start:])
        assert not any(row.learned[:start])
        assert row.text[-1] == EOS
    without = [row for row in rows if row.learned[0]]
    assert without, "some captions have no instruction"
    assert words(writer, without[0].text)[0] in ("a", "the")


def test_batches_hold_every_row_once_and_rows_of_like_length_together():
    rows = [Row((), (), (1,) * length, (True,) * length) for length in range(1, 65)]
    found = batches(rows, 8, Random(0))
    assert sorted(len(row) for batch in found for row in batch) == list(range(1, 65))
    assert all(max(map(len, batch)) - min(map(len, batch)) == 7 for batch in found)
