"""Ranking gives what one forward of transformers gives for each candidate alone."""

import pytest
import torch

from trainer.errors import EvaluationError
from trainer.evaluation.inference.loading import load_adapter
from trainer.evaluation.inference.prompts import ModelInput, read, tokenize
from trainer.evaluation.inference.ranking import rank, tokenize_candidates
from trainer.model.model import CLIP_MEAN, CLIP_STD

CPU = torch.device("cpu")
PROMPTS = ("what is it?", "name the colour of the car " * 9, "x", "")
CANDIDATES = ("a", "ab", "abc", "abd", "b", "yes", "no", "yes it is", "a", "\U0001f40d", "zebra")


def inputs(side, num_frames=1, prompts=PROMPTS):
    generator = torch.Generator().manual_seed(0)
    shape = (num_frames, 3, side, side)
    return [
        ModelInput(
            f"iconqa/test/{number}",
            prompt,
            torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8),
        )
        for number, prompt in enumerate(prompts)
    ]


@pytest.fixture(scope="module", params=["tiny_t5", "tiny_llama", "nano"])
def adapter(request):
    return load(request, request.param)


def load(request, name, **options):
    place = name if name == "nano" else str(request.getfixturevalue(name))
    return load_adapter(place, device=CPU, **options)


@torch.no_grad()
def by_transformers(adapter, each, candidate, end_token):
    """A candidate's log-probability by the whole model's own forward, nothing shared, nothing padded."""
    tokens, hf = adapter.tokenizers, adapter.model.hf
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    made = tokenize([each.prompt], tokens, for_qformer=True)
    prompt = [tokens.image_token] * tokens.num_query_tokens + made.language[0]
    target = tokens.language(candidate, add_special_tokens=False).input_ids
    target = torch.tensor([target + ([tokens.eos] if end_token else [])])
    given = {
        "pixel_values": (each.pixels.float() / 255 - mean) / std,
        "qformer_input_ids": (ids := torch.tensor([made.qformer[0]])),
        "qformer_attention_mask": torch.ones_like(ids),
    }
    if tokens.is_encoder_decoder:
        logits = hf(**given, input_ids=torch.tensor([prompt]), labels=target).logits[0]
    else:
        row = torch.cat([torch.tensor([prompt]), target], 1)
        logits = hf(**given, input_ids=row).logits[0, len(prompt) - 1 : -1]
    return float(logits.log_softmax(-1).gather(1, target.T).sum())


@pytest.mark.parametrize("end_token", [False, True])
def test_scores_and_order_are_those_of_one_forward_a_candidate(adapter, end_token):
    some = inputs(adapter.image_side)
    got = torch.tensor(adapter.rank(some, [CANDIDATES] * len(some), end_token=end_token))
    wanted = torch.tensor(
        [[by_transformers(adapter, e, c, end_token) for c in CANDIDATES] for e in some]
    )
    torch.testing.assert_close(got, wanted, atol=3e-5, rtol=1e-5)
    assert torch.equal(got.argsort(dim=1, stable=True), wanted.argsort(dim=1, stable=True))
    assert len(set(got.argmax(1).tolist())) > 1 or adapter.facts["kind"] == "nano"


def test_eager_attention_ranks_alike(request):
    for name in ("tiny_t5", "tiny_llama"):
        some = inputs(28)
        fast, eager = (load(request, name, attention=a) for a in ("sdpa", "eager"))
        torch.testing.assert_close(
            torch.tensor(fast.rank(some, [CANDIDATES] * len(some), end_token=True)),
            torch.tensor(eager.rank(some, [CANDIDATES] * len(some), end_token=True)),
            atol=3e-5,
            rtol=1e-5,
        )


def test_each_question_may_have_candidates_of_its_own(adapter):
    some = inputs(adapter.image_side)
    lists = [CANDIDATES, ("yes", "no"), ("one that is long", "b"), ("q",)]
    together = adapter.rank(some, lists, end_token=False)
    for each, candidates, scores in zip(some, lists, together, strict=True):
        (alone,) = adapter.rank([each], [candidates], end_token=False)
        assert scores == pytest.approx(alone, abs=3e-5)
        assert len(scores) == len(candidates)


def test_equal_candidates_have_equal_scores(adapter):
    (scores,) = adapter.rank(inputs(adapter.image_side)[:1], [CANDIDATES], end_token=True)
    assert scores[CANDIDATES.index("a")] == scores[8]
    assert CANDIDATES[8] == "a"


def test_videos_and_images_may_be_ranked_together(adapter):
    side = adapter.image_side
    mixed = [*inputs(side, 4)[:1], *inputs(side, 1)[1:3], *inputs(side, 4)[3:]]
    together = adapter.rank(mixed, [CANDIDATES] * 4, end_token=False)
    for each, scores in zip(mixed, together, strict=True):
        (alone,) = adapter.rank([each], [CANDIDATES], end_token=False)
        assert scores == pytest.approx(alone, abs=3e-5)


def many(num, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 7, (num,), generator=generator)
    letters = [torch.randint(97, 123, (int(n),), generator=generator) for n in lengths]
    return ["".join(map(chr, each.tolist())) for each in letters]


def test_thousands_of_candidates_in_parts_have_the_scores_of_all_at_once(adapter):
    some = inputs(adapter.image_side)[:2]
    texts = [many(3000), many(40, seed=1)]
    rows = tokenize_candidates(some, texts, adapter.tokenizers, end_token=True)
    prompts = tokenize([e.prompt for e in some], adapter.tokenizers, for_qformer=True)
    prefix = read(some, prompts, adapter.model, adapter.tokenizers)
    whole = rank(adapter.model, adapter.tokenizers, prefix, texts, rows)
    parts = rank(adapter.model, adapter.tokenizers, prefix, texts, rows, budget_bytes=2_000_000)
    for all_at_once, in_parts in zip(whole, parts, strict=True):
        assert in_parts == pytest.approx(all_at_once, abs=3e-5)


def test_memory_is_bounded_by_the_budget_whatever_the_number_of_candidates(adapter, monkeypatch):
    some = inputs(adapter.image_side)[:2]
    largest = []
    head = adapter.model.hf.language_model.lm_head
    hook = head.register_forward_hook(lambda module, given, out: largest.append(out.numel()))
    sizes = {}
    try:
        for num in (400, 4000):
            largest.clear()
            texts = [many(num)] * 2
            rows = tokenize_candidates(some, texts, adapter.tokenizers, end_token=False)
            prompts = tokenize([e.prompt for e in some], adapter.tokenizers, for_qformer=True)
            prefix = read(some, prompts, adapter.model, adapter.tokenizers)
            budget = 3_000_000
            rank(adapter.model, adapter.tokenizers, prefix, texts, rows, budget_bytes=budget)
            sizes[num] = max(largest)
            assert max(largest) * 12 <= budget // 2
    finally:
        hook.remove()
    assert sizes[4000] <= 1.1 * sizes[400]


def test_the_prompt_is_read_once_for_all_candidates(adapter):
    some = inputs(adapter.image_side)
    vision, read_tokens = [], []
    model = adapter.model.hf
    first = model.language_model
    first = first.encoder if adapter.language_model == "t5" else first.model
    hooks = [
        model.vision_model.encoder.register_forward_hook(lambda *given: vision.append(1)),
        first.register_forward_pre_hook(
            lambda module, args, given: read_tokens.append(given.get("inputs_embeds") is not None),
            with_kwargs=True,
        ),
    ]
    try:
        adapter.rank(some, [many(2000)] * len(some), end_token=True)
    finally:
        for hook in hooks:
            hook.remove()
    assert len(vision) == 1
    assert sum(read_tokens) == 1


def test_a_candidate_without_tokens_is_named(adapter):
    some = inputs(adapter.image_side)[:2]
    with pytest.raises(
        EvaluationError, match=r"iconqa/test/1: candidate '' \(number 2\) has no tok"
    ):
        adapter.rank(some, [["a"], ["a", "b", ""]], end_token=True)
    with pytest.raises(EvaluationError, match="iconqa/test/1 has no candidates"):
        adapter.rank(some, [["a"], []], end_token=False)


def test_a_score_that_is_no_number_names_record_and_candidate(request):
    for name in ("tiny_t5", "tiny_llama"):
        broken = load(request, name)
        unseen = broken.tokenizers.language.convert_tokens_to_ids("z")
        with torch.no_grad():
            broken.model.hf.get_input_embeddings().weight[unseen] = torch.nan
        some = inputs(28, prompts=("what?", "why?"))
        broken.rank(some, [["a", "bz"]] * 2, end_token=False)  # nothing is asked behind z
        with pytest.raises(EvaluationError, match=r"iconqa/test/1: the log-prob.*'zb' is nan"):
            broken.rank(some, [["a", "az"], ["zb"]], end_token=False)


def test_a_prompt_without_room_for_the_longest_candidate_is_named(tiny_llama):
    adapter = load_adapter(str(tiny_llama), device=CPU)
    some = inputs(28, prompts=("x", "x" * 495))
    adapter.rank(some, [["a" * 8]] * 2, end_token=False)
    with pytest.raises(EvaluationError, match="iconqa/test/1 is too long"):
        adapter.rank(some, [["a" * 8]] * 2, end_token=True)


def test_in_bfloat16_the_scores_are_those_of_fp32_but_for_rounding(request):
    for name in ("tiny_t5", "tiny_llama"):
        some = inputs(28)
        exact, rounded = (load(request, name, dtype=d) for d in ("float32", "bfloat16"))
        assert {p.dtype for p in rounded.model.parameters()} == {torch.bfloat16}
        wanted = torch.tensor(exact.rank(some, [CANDIDATES] * 4, end_token=False))
        got = torch.tensor(rounded.rank(some, [CANDIDATES] * 4, end_token=False))
        assert (got - wanted).abs().median() < 0.3
        assert (got - wanted).abs().max() > 0
