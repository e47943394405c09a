"""Generation: a batch gives the texts that each question gives alone, and those of transformers."""

import pytest
import torch
from transformers import GenerationConfig

from templates.evaluation import Decoding, PerModel
from trainer.errors import EvaluationError
from trainer.evaluation.inference.generation import settings
from trainer.evaluation.inference.loading import load_adapter
from trainer.evaluation.inference.prompts import ModelInput, tokenize
from trainer.model.model import CLIP_MEAN, CLIP_STD

CPU = torch.device("cpu")
PROMPTS = ("what is it?", "name the colour of the car " * 9, "x", "count them all now", "")
DECODINGS = {
    "greedy": Decoding(beams=1, max_new_tokens=12),
    "beams": Decoding(beams=5, max_new_tokens=10, length_penalty=PerModel(t5=-1, llama=0)),
    "long": Decoding(beams=3, min_new_tokens=8, max_new_tokens=16, length_penalty=1),
}


def model_inputs(side, num_frames=1, prompts=PROMPTS):
    generator = torch.Generator().manual_seed(0)
    shape = (num_frames, 3, side, side)
    return [
        ModelInput(
            f"okvqa/val/{number}",
            prompt,
            torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8),
        )
        for number, prompt in enumerate(prompts)
    ]


@pytest.fixture(scope="module", params=["tiny_t5", "tiny_llama", "nano"])
def adapter(request):
    name = request.param
    place = name if name == "nano" else str(request.getfixturevalue(name))
    return load_adapter(place, device=CPU)


def by_transformers(adapter, each, decoding):
    """The text of InstructBLIP's own `generate` for one prompt."""
    tokens, hf = adapter.tokenizers, adapter.model.hf
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    made = tokenize([each.prompt], tokens, for_qformer=True)
    image = [tokens.image_token] * tokens.num_query_tokens
    ids = torch.tensor([image + made.language[0]])
    read = torch.tensor(made.qformer)
    config = settings(adapter.model, tokens, decoding)
    config.repetition_penalty = decoding.repetition_penalty
    out = hf.generate(
        pixel_values=(each.pixels.float() / 255 - mean) / std,
        qformer_input_ids=read,
        qformer_attention_mask=torch.ones_like(read),
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        generation_config=config,
    )
    new = out if tokens.is_encoder_decoder else out[:, ids.shape[1] :]
    return tokens.language.batch_decode(new, skip_special_tokens=True)[0].strip()


@pytest.mark.parametrize("name", DECODINGS)
def test_together_as_alone_as_in_transformers(adapter, name):
    some, decoding = model_inputs(adapter.image_side), DECODINGS[name]
    together = adapter.generate(some, decoding)
    assert together == [adapter.generate([each], decoding)[0] for each in some]
    assert together == [by_transformers(adapter, each, decoding) for each in some]
    assert len(set(together)) > 1, "the model says the same to everything, the test shows nothing"


def test_a_repetition_penalty_looks_at_what_was_written_alone(adapter):
    some = model_inputs(adapter.image_side)
    plain = Decoding(beams=2, max_new_tokens=12)
    penalised = plain.model_copy(update={"repetition_penalty": 3.0})
    together = adapter.generate(some, penalised)
    assert together == [adapter.generate([each], penalised)[0] for each in some]
    assert together != adapter.generate(some, plain)
    if adapter.language_model == "t5":  # transformers gives a decoder its prompt to look at
        assert together == [by_transformers(adapter, each, penalised) for each in some]


def test_videos_and_images_may_be_asked_together(adapter):
    images = model_inputs(adapter.image_side, 1, PROMPTS[:2])
    videos = model_inputs(adapter.image_side, 4, PROMPTS[:2])
    mixed = [videos[0], images[0], images[1], videos[1]]
    decoding = DECODINGS["beams"]
    assert adapter.generate(mixed, decoding) == [
        adapter.generate([each], decoding)[0] for each in mixed
    ]


def test_a_text_has_as_many_tokens_as_are_asked_for(adapter):
    some = model_inputs(adapter.image_side)
    rows = []
    language_model = adapter.model.hf.language_model
    original = language_model.generate

    def spied(**given):
        rows.append(original(**given))
        return rows[-1]

    language_model.generate = spied
    try:
        adapter.generate(some, Decoding(beams=2, min_new_tokens=5, max_new_tokens=7))
    finally:
        del language_model.generate
    new = rows[0][:, 1:] if adapter.language_model == "t5" else rows[0]
    assert new.shape[1] <= 7
    assert not (new[:, :5] == adapter.tokenizers.eos).any()


def test_nothing_comes_from_the_checkpoints_own_settings(adapter):
    some, decoding = model_inputs(adapter.image_side), DECODINGS["greedy"]
    before = adapter.generate(some, decoding)
    language_model = adapter.model.hf.language_model
    own = language_model.generation_config
    sampling = GenerationConfig(
        do_sample=True, temperature=9.0, no_repeat_ngram_size=1, suppress_tokens=[5, 6, 7, 40, 41]
    )
    language_model.generation_config = sampling
    try:
        assert adapter.generate(some, decoding) == before
        assert language_model.generation_config is sampling
    finally:
        language_model.generation_config = own


def test_an_output_that_is_no_number_names_its_record(tiny_model):
    broken = load_adapter(str(tiny_model), device=CPU)
    some = model_inputs(28, prompts=("a", "b", "c"))

    def only_the_second(module, inputs, logits):
        return logits.index_fill(0, torch.tensor([2, 3]), torch.nan)  # two beams each

    broken.model.hf.language_model.lm_head.register_forward_hook(only_the_second)
    with pytest.raises(EvaluationError, match="record okvqa/val/1 is NaN"):
        broken.generate(some, Decoding(beams=2, max_new_tokens=3))


def test_a_prompt_without_room_names_its_record(tiny_llama):
    adapter = load_adapter(str(tiny_llama), device=CPU)
    with pytest.raises(EvaluationError, match="prompt of record okvqa/val/1 is too long"):
        adapter.generate(model_inputs(28, prompts=("a", "b" * 600)), DECODINGS["greedy"])


def test_eager_attention_writes_alike(tiny_model):
    some, decoding = model_inputs(28), DECODINGS["beams"]
    fast, eager = (
        load_adapter(str(tiny_model), device=CPU, attention=a) for a in ("sdpa", "eager")
    )
    assert fast.generate(some, decoding) == eager.generate(some, decoding)


def test_a_prompt_is_read_once_whatever_the_number_of_beams(adapter):
    some, lengths = model_inputs(adapter.image_side), []
    language_model = adapter.model.hf.language_model
    reader = language_model.encoder if adapter.language_model == "t5" else language_model.model

    def note(module, args, given):
        if (embedded := given.get("inputs_embeds")) is not None:
            lengths.append(tuple(embedded.shape[:2]))

    hook = reader.register_forward_pre_hook(note, with_kwargs=True)
    try:
        adapter.generate(some, Decoding(beams=4, max_new_tokens=3))
    finally:
        hook.remove()
    whole = [shape for shape in lengths if shape[1] > 1]
    assert len(whole) == 1, "the last token alone may be read again"
    assert whole[0][0] == len(some)


def test_a_failure_leaves_the_model_as_it_was(tiny_model):
    adapter = load_adapter(str(tiny_model), device=CPU)
    some, decoding = model_inputs(28), DECODINGS["beams"]
    before = adapter.generate(some, decoding), adapter.rank(some, [["a"]] * 5, end_token=True)

    def fail(module, args):
        raise RuntimeError("out of luck")

    hook = adapter.model.hf.language_model.lm_head.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        adapter.generate(some, decoding)
    hook.remove()
    after = adapter.generate(some, decoding), adapter.rank(some, [["a"]] * 5, end_token=True)
    assert after == before
