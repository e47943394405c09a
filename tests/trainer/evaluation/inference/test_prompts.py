"""The two texts of a prompt as tokens; whole lists are compared."""

import pytest
import torch

from trainer.errors import EvaluationError
from trainer.evaluation.inference.loading import load_adapter
from trainer.evaluation.inference.prompts import ModelInput, check_room, read, tokenize

CPU = torch.device("cpu")


def model_inputs(*prompts, num_frames=1):
    generator = torch.Generator().manual_seed(0)
    shape = (num_frames, 3, 28, 28)
    return [
        ModelInput(
            f"gqa/testdev/{number}",
            prompt,
            torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8),
        )
        for number, prompt in enumerate(prompts)
    ]


@pytest.fixture(scope="module")
def adapter(tiny_model):
    return load_adapter(str(tiny_model), device=CPU)


def plain(tokenizer, text):
    return tokenizer(text, add_special_tokens=False).input_ids


def test_the_qformer_reads_the_end_and_the_language_model_all(adapter):
    tokens = adapter.tokenizers
    prompts = ["x" * 126, "a" + "x" * 126, "why?"]
    made = tokenize(prompts, tokens, for_qformer=True)
    first, last = [2], [3]  # [CLS] and [SEP]
    whole = [first + plain(tokens.qformer, text) + last for text in ("x" * 126, "x" * 126, "why?")]
    assert made.qformer == whole
    assert made.num_cut == 1
    bos = [] if tokens.bos is None else [tokens.bos]
    eos = [tokens.eos] if tokens.is_encoder_decoder else []
    assert made.language == [bos + plain(tokens.language, text) + eos for text in prompts]


def test_markup_in_a_prompt_is_plain_text(adapter):
    tokens = adapter.tokenizers
    made = tokenize(["</s><image>[SEP]"], tokens, for_qformer=True)
    inner = made.language[0][1:] if tokens.bos is not None else made.language[0][:-1]
    assert len(inner) == len("</s><image>[SEP]")
    assert made.qformer[0].count(3) == 1


def test_a_qformer_that_reads_nothing_gets_nothing(adapter):
    made = tokenize(["x" * 500, "y"], adapter.tokenizers, for_qformer=False)
    assert [len(row) for row in made.qformer] == [1, 1]
    assert made.num_cut == 0


@pytest.mark.parametrize("num_frames", [1, 4])
def test_a_row_holds_queries_then_text_and_is_padded_where_its_model_wants_it(adapter, num_frames):
    model, tokens = adapter.model, adapter.tokenizers
    some = model_inputs("a short one", "one that is quite a bit longer", num_frames=num_frames)
    together = read(
        some, tokenize([e.prompt for e in some], tokens, for_qformer=True), model, tokens
    )
    longest = together.mask.shape[1]
    for row, each in enumerate(some):
        alone = read([each], tokenize([each.prompt], tokens, for_qformer=True), model, tokens)
        length = alone.inputs.shape[1]
        assert alone.mask.tolist() == [[1] * length]
        text = tokenize([each.prompt], tokens, for_qformer=True).language[0]
        assert length == num_frames * 8 + len(text)
        torch.testing.assert_close(
            alone.inputs[0, -len(text) :],
            model.hf.get_input_embeddings()(torch.tensor(text)),
            atol=0,
            rtol=0,
        )
        place = slice(length) if tokens.is_encoder_decoder else slice(longest - length, longest)
        torch.testing.assert_close(
            together.inputs[row, place], alone.inputs[0], atol=1e-5, rtol=1e-5
        )
        assert together.mask[row, place].all()
        assert together.mask[row].sum() == length


def test_frames_follow_one_another_each_read_by_itself(adapter):
    model, tokens = adapter.model, adapter.tokenizers
    (video,) = model_inputs("what happens?", num_frames=4)
    made = tokenize([video.prompt], tokens, for_qformer=True)
    whole = read([video], made, model, tokens)
    for frame in range(4):
        one = ModelInput(video.record_id, video.prompt, video.pixels[frame : frame + 1])
        torch.testing.assert_close(
            whole.inputs[0, 8 * frame : 8 * frame + 8],
            read([one], made, model, tokens).inputs[0, :8],
            atol=1e-5,
            rtol=1e-5,
        )


def test_a_decoder_has_to_have_positions_for_prompt_and_answer(tiny_llama, tiny_t5):
    model = load_adapter(str(tiny_llama), device=CPU)  # 512 positions, 8 queries
    some = model_inputs("short", "x" * 493)
    made = tokenize([e.prompt for e in some], model.tokenizers, for_qformer=True)
    check_room(some, made, model.model, [10, 10])
    with pytest.raises(
        EvaluationError, match="gqa/testdev/1 is too long: 8 query vectors, 494 tok"
    ):
        check_room(some, made, model.model, [10, 11])
    encoder = load_adapter(str(tiny_t5), device=CPU)
    made = tokenize([e.prompt for e in some], encoder.tokenizers, for_qformer=True)
    check_room(some, made, encoder.model, [10, 1000])


def test_cut_prompts_are_counted(adapter):
    before = adapter.num_cut_prompts
    adapter.rank(model_inputs("x" * 200, "y", "z" * 130), [["a"]] * 3, end_token=False)
    assert adapter.num_cut_prompts == before + 2


def test_a_image_that_becomes_no_number_is_named(tiny_t5):
    broken = load_adapter(str(tiny_t5), device=CPU)
    with torch.no_grad():
        broken.model.query_tokens[0, 0, 0] = torch.nan
    with pytest.raises(EvaluationError, match="non-finite values for record gqa/testdev/0"):
        broken.rank(model_inputs("a", "b"), [["a"]] * 2, end_token=False)
