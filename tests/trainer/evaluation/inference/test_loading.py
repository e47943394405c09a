"""Every name that stands for a model, and those that stand for none."""

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2ForImageTextRetrieval

from templates.evaluation import Decoding
from trainer.config.load import load_config
from trainer.config.model import ModelOptions
from trainer.config.shipped import shipped_folder
from trainer.errors import CheckpointError, ConfigError, EvaluationError, ModelError
from trainer.evaluation.inference.fingerprint import weights_sha256
from trainer.evaluation.inference.loading import load_adapter
from trainer.evaluation.inference.prompts import ModelInput, tokenize
from trainer.model.model import CLIP_MEAN, CLIP_STD
from trainer.model.starts.build import build_model
from trainer.model.trained import trained_parameters
from trainer.run.checkpoint import STATE, RunState, chosen_checkpoint, mark_best, save
from trainer.run.fingerprint import frozen_fingerprint

CPU = torch.device("cpu")
CONFIG = shipped_folder() / "nano_cpu.yaml"
PROMPTS = ("what is it?", "name the colour of the car", "x")


def inputs(side, num_frames=1):
    generator = torch.Generator().manual_seed(0)
    shape = (num_frames, 3, side, side)
    return [
        ModelInput(
            prompt, prompt, torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        )
        for prompt in PROMPTS
    ]


def ranked(adapter):
    some = inputs(adapter.image_side)
    return torch.tensor(adapter.rank(some, [["yes", "no", "red"]] * 3, end_token=False))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with two checkpoints, the older one its best."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copy(CONFIG, folder / "config.yaml")
    config = load_config(CONFIG)
    model = build_model(config.model, config.seed)
    frozen = frozen_fingerprint(model)
    for step in (10, 20):
        with torch.no_grad():
            for number, parameter in enumerate(trained_parameters(model).values()):
                generator = torch.Generator().manual_seed(1000 * step + number)
                parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
        state = {
            name: {
                "weight": p.detach(),
                "exp_avg": torch.zeros_like(p),
                "exp_avg_sq": torch.ones_like(p),
            }
            for name, p in trained_parameters(model).items()
        }
        facts = RunState(
            step=step, next_sample=0, replaced=0, fingerprint={"frozen": frozen}, files={}
        )
        path = save(folder / "checkpoints", state, facts)
        if step == 10:
            mark_best(folder / "checkpoints", path)
    return folder


def test_the_shipped_model_says_what_it_is():
    nano = load_adapter("nano", device=CPU)
    facts = nano.facts
    assert facts["kind"] == "nano"
    assert facts["step"] is None
    assert facts["language_model"] == nano.language_model == "llama"
    assert facts["image_side"] == nano.image_side
    assert facts["reads_instruction"] is True
    assert facts["parameters"] == sum(p.numel() for p in nano.model.parameters())
    assert facts["tokens"]["eos"] == nano.tokenizers.eos
    assert not nano.model.training
    json.dumps(facts)


def test_a_runs_folder_gives_its_best_checkpoint_and_a_checkpoint_itself(run):
    best = load_adapter(str(run), device=CPU)
    older = load_adapter(str(run / "checkpoints/step-00000010"), device=CPU)
    newer = load_adapter(str(run / "checkpoints/step-00000020"), device=CPU)
    assert (best.facts["step"], older.facts["step"], newer.facts["step"]) == (10, 10, 20)
    assert best.facts["weights_sha256"] == older.facts["weights_sha256"]
    assert torch.equal(ranked(best), ranked(older))
    assert not torch.equal(ranked(older), ranked(newer))
    start = load_adapter(str(CONFIG), device=CPU)
    assert (start.facts["kind"], start.facts["step"]) == ("configuration", None)
    assert not torch.equal(ranked(start), ranked(older))


def test_a_configurations_overrides_change_the_model_and_others_have_none(run, tiny_t5):
    changed = load_adapter(str(CONFIG), ["model.qformer_instruction=false"], device=CPU)
    assert changed.facts["reads_instruction"] is False
    with pytest.raises(ConfigError, match="unknown key"):
        load_adapter(str(run), ["model.nothing=1"], device=CPU)
    for place in ("nano", str(tiny_t5)):
        with pytest.raises(EvaluationError, match="no configuration that 'seed=1' could change"):
            load_adapter(place, ["seed=1"], device=CPU)


def test_a_checkpoint_over_other_frozen_weights_is_refused(run, tmp_path):
    copy = Path(shutil.copytree(run / "checkpoints/step-00000020", tmp_path / "checkpoints/x"))
    shutil.copy(CONFIG, tmp_path / "config.yaml")
    state = json.loads((copy / STATE).read_text())
    (copy / STATE).write_text(json.dumps(state | {"made_of": {"frozen": "0" * 64}, "digests": {}}))
    with pytest.raises(ModelError, match="other frozen weights than those that model"):
        load_adapter(str(copy), device=CPU)


def test_a_run_without_checkpoints_says_so(tmp_path):
    shutil.copy(CONFIG, tmp_path / "config.yaml")
    with pytest.raises(CheckpointError, match="is not a checkpoint, and holds no checkpoints/step"):
        load_adapter(str(tmp_path), device=CPU)
    with pytest.raises(CheckpointError):
        chosen_checkpoint(tmp_path)


def test_a_folder_of_hugging_face_gives_its_logits(tiny_model):
    adapter = load_adapter(str(tiny_model), device=CPU)
    assert adapter.facts["kind"] == "instructblip"
    deaf = load_adapter(str(tiny_model), device=CPU, qformer_instruction=False)
    assert deaf.facts["reads_instruction"] is False
    assert not torch.equal(ranked(adapter), ranked(deaf))
    short = load_adapter(str(tiny_model), device=CPU, max_instruction_tokens=5)
    assert short.facts["max_instruction_tokens"] == 5
    ranked(short)
    assert short.num_cut_prompts == 2


def save_blip2(folder, language_model, tiny):
    """Stage 2 of BLIP-2 as transformers saves it: a Q-Former without a text branch."""
    parts = tiny.config(language_model, image_token=None).to_dict()
    config = Blip2Config(
        vision_config=parts["vision_config"] | {"model_type": "blip_2_vision_model"},
        qformer_config=parts["qformer_config"] | {"model_type": "blip_2_qformer"},
        text_config=parts["text_config"],
        num_query_tokens=parts["num_query_tokens"],
    )
    blip2 = Blip2ForConditionalGeneration(config)
    if language_model == "t5":
        tiny.untie(blip2)
    tiny.randomise(blip2, seed=2)
    blip2.save_pretrained(folder)
    tiny.language_tokenizer(language_model).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["t5", "llama"])
def blip2(request, tmp_path_factory, tiny):
    return save_blip2(tmp_path_factory.mktemp(request.param), request.param, tiny)


def test_blip2_writes_and_ranks_as_transformers_does(blip2):
    adapter = load_adapter(str(blip2), device=CPU)
    assert adapter.facts["kind"] == "blip-2"
    assert adapter.facts["reads_instruction"] is False
    hf = Blip2ForConditionalGeneration.from_pretrained(blip2).eval()
    tokens = adapter.tokenizers
    hf.config.image_token_index = tokens.image_token
    assert adapter.facts["parameters"] == sum(p.numel() for p in hf.parameters())
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    some = inputs(28)
    texts = adapter.generate(some, Decoding(beams=3, max_new_tokens=9))
    scores = ranked(adapter)
    for row, each in enumerate(some):
        (text,) = tokenize([each.prompt], tokens, for_qformer=False).language
        ids = torch.tensor([[tokens.image_token] * tokens.num_query_tokens + text])
        given = {"pixel_values": (each.pixels.float() / 255 - mean) / std}
        out = hf.generate(
            **given,
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            num_beams=3,
            do_sample=False,
            min_new_tokens=1,
            max_new_tokens=9,
            eos_token_id=tokens.eos,
            pad_token_id=tokens.pad,
        )
        new = out if tokens.is_encoder_decoder else out[:, ids.shape[1] :]
        wanted = tokens.language.batch_decode(new, skip_special_tokens=True)[0].strip()
        assert texts[row] == wanted
        target = torch.tensor(tokens.language(["red"], add_special_tokens=False).input_ids)
        with torch.no_grad():
            if tokens.is_encoder_decoder:
                logits = hf(**given, input_ids=ids, labels=target).logits[0]
            else:
                whole = torch.cat([ids, target], 1)
                logits = hf(**given, input_ids=whole).logits[0, ids.shape[1] - 1 : -1]
        score = float(logits.log_softmax(-1).gather(1, target.T).sum())
        assert float(scores[row, 2]) == pytest.approx(score, abs=3e-5)


def test_blip2_cannot_be_told_to_read_the_instruction(blip2):
    with pytest.raises(EvaluationError, match="has no text branch, it reads no instruction"):
        load_adapter(str(blip2), device=CPU, qformer_instruction=True)


def test_a_configuration_that_starts_from_stage_2_alone_may_not_read_the_instruction(blip2):
    init = {"from": "blip2", "path": str(blip2)}
    with pytest.raises(ValidationError, match="stage 2 reads no instruction; name stage 1 as init"):
        ModelOptions.model_validate({"init": init})
    assert ModelOptions.model_validate({"init": init, "qformer_instruction": False})


def test_a_model_of_another_kind_says_what_it_is(tmp_path, blip2):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llava"}))
    with pytest.raises(EvaluationError, match="is a llava; what can be evaluated is instructblip"):
        load_adapter(str(tmp_path), device=CPU)
    config = json.loads((blip2 / "config.json").read_text())
    config["text_config"]["model_type"] = "opt"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(EvaluationError, match="a blip-2 with a language model of kind opt"):
        load_adapter(str(tmp_path), device=CPU)
    config["architectures"] = [Blip2ForImageTextRetrieval.__name__]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(EvaluationError, match="Blip2ForImageTextRetrieval, which writes no text"):
        load_adapter(str(tmp_path), device=CPU)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(EvaluationError, match="cannot read the configuration"):
        load_adapter(str(tmp_path), device=CPU)


def test_what_is_missing_is_named(tmp_path, tiny_t5):
    for place in (str(tmp_path / "none"), "./none", "none", "none/"):
        with pytest.raises(ModelError, match="no such folder"):
            load_adapter(place, device=CPU)
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        load_adapter(str(tmp_path), device=CPU)
    copy = Path(shutil.copytree(tiny_t5, tmp_path / "copy"))
    (copy / "tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match="holds no tokenizer"):
        load_adapter(str(copy), device=CPU)


def test_the_hash_tells_weights_apart_also_where_it_only_samples(tiny_llama):
    model = load_adapter(str(tiny_llama), device=CPU).model
    again = load_adapter(str(tiny_llama), device=CPU).model
    for whole_bytes in (10**9, 0):
        before = weights_sha256(model, whole_bytes)
        assert before == weights_sha256(again, whole_bytes)
        with torch.no_grad():
            model.hf.language_model.lm_head.weight[0, 0] += 1
        assert before != weights_sha256(model, whole_bytes)
        with torch.no_grad():
            model.hf.language_model.lm_head.weight.copy_(again.hf.language_model.lm_head.weight)


@pytest.fixture
def copied(tiny_t5, tmp_path):
    """A model's folder, to be damaged."""
    return Path(shutil.copytree(tiny_t5, tmp_path / "copied"))


def configure(folder, part, key, value):
    config = json.loads((folder / "config.json").read_text())
    (config if part is None else config[part])[key] = value
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(("text", "kind"), [("[1]", "a list"), ("null", "null"), ("3", "a number")])
def test_a_configuration_that_is_no_object_says_what_it_is(copied, text, kind):
    (copied / "config.json").write_text(text)
    with pytest.raises(EvaluationError, match=rf"config\.json is {kind}, not an object"):
        load_adapter(str(copied), device=CPU)


@pytest.mark.parametrize(("value", "kind"), [("x", "a text"), ([1], "a list"), (5, "a number")])
def test_a_language_model_that_is_no_object_says_what_it_is(copied, value, kind):
    configure(copied, None, "text_config", value)
    with pytest.raises(EvaluationError, match=rf"config\.json: `text_config` is {kind}"):
        load_adapter(str(copied), device=CPU)


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("vision_config", "num_attention_heads", 5, "divisible by num_heads"),
        ("vision_config", "num_attention_heads", 0, "ZeroDivisionError"),
        ("vision_config", "hidden_act", "nope", "KeyError: 'nope'"),
        ("qformer_config", "hidden_size", 33, "33"),
        ("text_config", "num_heads", -1, "negative dimension"),
        ("text_config", "d_model", "wide", "expected int, got str"),
        (None, "num_query_tokens", -1, "negative dimension"),
        (None, "vision_config", 3, "vision_config"),
    ],
)
def test_sizes_that_no_model_can_have_name_the_file(copied, part, key, value, message):
    configure(copied, part, key, value)
    with pytest.raises(ModelError, match=r"cannot [a-z ]+ \S+config\.json") as raised:
        load_adapter(str(copied), device=CPU)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["{", "{}", "[]", "null"])
@pytest.mark.parametrize("folder", ["", "qformer_tokenizer"])
def test_a_broken_tokenizer_names_its_folder(copied, folder, text):
    (copied / folder / "tokenizer.json").write_text(text)
    named = re.escape(str(copied / folder))
    with pytest.raises(
        ModelError, match=rf"cannot read the tokenizer of {named} \(tokenizer\.json"
    ):
        load_adapter(str(copied), device=CPU)


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}']
)
def test_a_broken_index_of_weights_is_named(copied, text):
    (copied / "model.safetensors.index.json").write_text(text)
    with pytest.raises(
        ModelError, match=r"model\.safetensors\.index\.json(:| has no `weight_map`)"
    ):
        load_adapter(str(copied), device=CPU)


def test_weights_of_integers_are_named(copied):
    path = copied / "model.safetensors"
    state = load_file(path)
    state["query_tokens"] = state["query_tokens"].to(torch.int8)
    save_file(state | {"vision_model.embeddings.position_ids": torch.arange(5)}, path)
    with pytest.raises(ModelError, match=r"model\.safetensors holds query_tokens as int8"):
        load_adapter(str(copied), device=CPU)


@pytest.mark.skipif(find_spec("flash_attn") is not None, reason="flash attention is installed")
def test_an_attention_that_is_not_installed_is_named(tiny_t5):
    with pytest.raises(EvaluationError, match=r"--attention flash_attention_2 .* take sdpa"):
        load_adapter(str(tiny_t5), device=CPU, attention="flash_attention_2")


def test_a_preprocessor_that_cuts_out_the_centre_is_in_the_facts(tiny_model, tmp_path):
    copy = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    assert "preprocessor_not_followed" not in load_adapter(str(copy), device=CPU).facts
    path = copy / "processor_config.json"
    settings = json.loads(path.read_text())
    settings["image_processor"]["do_center_crop"] = True
    path.write_text(json.dumps(settings))
    facts = load_adapter(str(copy), device=CPU).facts
    assert facts["preprocessor_not_followed"] == "do_center_crop true"


def test_a_preprocessor_that_asks_for_other_pixels_is_refused(tiny_model, tmp_path):
    copy = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    path = copy / "processor_config.json"
    settings = json.loads(path.read_text())
    settings["image_processor"]["image_mean"] = [0.5, 0.5, 0.5]
    path.write_text(json.dumps(settings))
    message = (
        r"processor_config\.json asks for image_mean \[0\.5, 0\.5, 0\.5\]; here .* remove the file"
    )
    with pytest.raises(ModelError, match=message):
        load_adapter(str(copy), device=CPU)
