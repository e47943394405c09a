"""Export of a trained model as a Hugging Face folder: safetensors, processor, both tokenizers, model card.

    InstructBlipForConditionalGeneration.from_pretrained(OUT)
    InstructBlipProcessor.from_pretrained(OUT)

transformers 4.46 and later read it, 5 included.
The tensors are the trainer's own, each in its dtype (trained parts fp32). Read with `dtype=torch.float32`
the logits are those of the trainer; without, transformers casts all to the frozen parts' dtype, which
is what bf16 training computes in.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import (
    BlipImageProcessorPil,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    PreTrainedTokenizerFast,
)
from transformers.image_utils import PILImageResampling

from trainer.errors import ModelError
from trainer.model.model import CLIP_MEAN, CLIP_STD, Model
from trainer.model.parts import text_part
from trainer.model.quiet import quiet
from trainer.model.tokens import IMAGE, Tokenizers
from trainer.model.trained import trained_parameters

CARD = "README.md"


def load_trained(model: Model, weights: Path) -> None:
    """Put a checkpoint's weights (fp32, by name) into a model that was built like the run's.

    Raises:
        ModelError: the file is damaged, or its parameters are not those that the model trains.
    """
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read {weights}: {error}") from error
    trained = trained_parameters(model)
    if wrong := sorted(set(state) ^ set(trained)):
        raise ModelError(
            f"{weights} does not hold what this model trains; only on one side: {', '.join(wrong[:8])}"
        )
    with torch.no_grad():
        for name, parameter in trained.items():
            if parameter.shape != state[name].shape:
                shapes = f"{tuple(state[name].shape)}, not {tuple(parameter.shape)}"
                raise ModelError(f"{weights}: {name} is of shape {shapes}")
            parameter.copy_(state[name])


def export(model: Model, tokenizers: Tokenizers, card: str, out: Path) -> None:
    """Write the folder; it appears whole or not at all.

    The model is changed where transformers needs it: embeddings for the image token, ids at which
    generation starts and stops.

    Raises:
        ModelError: `out` exists, or the tokenizer's image token is not the model's.
    """
    if out.exists():
        raise ModelError(f"{out} exists; export to a new folder")
    unfinished = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        with quiet():
            make_room(model.hf, model.image_token + 1, like=_unused_token(tokenizers))
            _set_special_ids(model, tokenizers)
            processor = _processor(model, tokenizers)
            model.hf.save_pretrained(unfinished, max_shard_size="5GB")
            # The dtype to read in by default; save_pretrained puts that of the query tokens.
            model.config.dtype = next(model.hf.language_model.parameters()).dtype
            model.config.save_pretrained(unfinished)
            processor.save_pretrained(unfinished)
            cast(Any, processor).image_processor.save_pretrained(unfinished)
            _suit_transformers_4(unfinished, type(model.hf.language_model).__name__)
        (unfinished / CARD).write_text(card, encoding="utf-8")
        unfinished.rename(out)
    except OSError as error:
        raise ModelError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _suit_transformers_4(folder: Path, language_model: str) -> None:
    """Write the same facts under the names that transformers 4.46 knows too.

    There, `generate` reads the class of the language model, the base of rotary positions is a key of its own, and
    `tie_word_embeddings` of a T5 ties its output layer and scales its input, which transformers 5 calls
    `scale_decoder_outputs`. `PreTrainedTokenizerFast` reads `tokenizer.json` and adds nothing, in both. The processor
    takes its image processor from `preprocessor_config.json` and fails on a second one.
    """
    config = _read(folder / "config.json")
    text = config["text_config"]
    text["architectures"] = [language_model]
    if "scale_decoder_outputs" in text:
        text["tie_word_embeddings"] = text["scale_decoder_outputs"]
    rope = text.get("rope_parameters", {})
    if "rope_theta" in rope:
        text["rope_theta"] = rope["rope_theta"]
    if rope.get("rope_type", "default") != "default":
        text["rope_scaling"] = {k: v for k, v in rope.items() if k != "rope_theta"}
    config["torch_dtype"] = config["dtype"]
    _write(folder / "config.json", config)
    for tokenizer in (folder, folder / "qformer_tokenizer"):
        path = tokenizer / "tokenizer_config.json"
        _write(path, _read(path) | {"tokenizer_class": "PreTrainedTokenizerFast"})
    path = folder / "processor_config.json"
    _write(path, {k: v for k, v in _read(path).items() if k != "image_processor"})


def _read(path: Path) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))


def _write(path: Path, values: dict[str, Any]) -> None:
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def make_room(hf: InstructBlipForConditionalGeneration, num_rows: int, like: int) -> None:
    """Widen the language model's vocabulary to at least `num_rows`, if it is smaller.

    New rows are copies of that of token `like`, which the model never writes: the placeholder's
    embedding is replaced by a query anyway, and its logit is as low as that token's.
    """
    language_model = cast(Any, hf.language_model)
    before = int(text_part(hf.config).vocab_size)
    if num_rows <= before:
        return
    language_model.resize_token_embeddings(num_rows, mean_resizing=False)
    with torch.no_grad():
        for layer in (language_model.get_input_embeddings(), language_model.lm_head):
            layer.weight[before:] = layer.weight[like]
            layer.weight.requires_grad_(False)
    text_part(hf.config).vocab_size = num_rows


def _unused_token(tokenizers: Tokenizers) -> int:
    unknown = tokenizers.language.unk_token_id
    return tokenizers.pad if unknown is None else int(unknown)


def _set_special_ids(model: Model, tokenizers: Tokenizers) -> None:
    ids = {"eos_token_id": tokenizers.eos, "pad_token_id": tokenizers.pad}
    if tokenizers.bos is not None:
        ids["bos_token_id"] = tokenizers.bos
    language_model = cast(Any, model.hf.language_model)
    for holder in (
        text_part(model.config),
        language_model.config,
        language_model.generation_config,
        cast(Any, model.hf).generation_config,
    ):
        for name, value in ids.items():
            setattr(holder, name, value)


def _processor(model: Model, tokenizers: Tokenizers) -> InstructBlipProcessor:
    language, qformer = tokenizers.language, tokenizers.qformer
    if language.pad_token_id is None:
        language.pad_token = str(language.eos_token)
    for tokenizer in (language, qformer):
        _set_sides(tokenizer)
    images = BlipImageProcessorPil(
        size={"height": model.image_side, "width": model.image_side},
        resample=PILImageResampling.BICUBIC,
        image_mean=list(CLIP_MEAN),
        image_std=list(CLIP_STD),
    )
    made = cast(Any, InstructBlipProcessor)(
        images, language, qformer, num_query_tokens=model.num_query_tokens
    )
    check_exportable(tokenizers)
    return cast(InstructBlipProcessor, made)


def _set_sides(tokenizer: PreTrainedTokenizerFast) -> None:
    """Pad at the right as in training, also in what is saved: that is how the tokenizer was made.

    The processor pads the Q-Former's text on the language model's side. On the left, which a decoder
    needs to continue texts of different lengths together, the Q-Former would see its text at positions
    that it was not trained on, without an error.
    """
    for name, side in (("truncation_side", "left"), ("padding_side", "right")):
        setattr(tokenizer, name, side)
        tokenizer.init_kwargs[name] = side


def check_exportable(tokenizers: Tokenizers) -> None:
    """Check before a run what its export would refuse at the end.

    Raises:
        ModelError: transformers' processor would make other ids of a text than the collator does.
    """
    language = tokenizers.language
    theirs = language.get_vocab().get(IMAGE, len(language))
    if theirs != tokenizers.image_token:
        raise ModelError(
            f"the tokenizer's {IMAGE} is {theirs}, the model's image token {tokenizers.image_token}: transformers' "
            f"processor would put queries at the wrong places. Set image_token_index to {theirs} in the model's "
            "config.json"
        )
    plain = language("a", add_special_tokens=False).input_ids
    first = [] if tokenizers.bos is None else [tokenizers.bos]
    last = [tokenizers.eos] if tokenizers.is_encoder_decoder else []
    if (found := language("a").input_ids) != (wanted := [*first, *plain, *last]):
        raise ModelError(
            f"the language model's tokenizer turns 'a' into {found}, a run trains on {wanted}: transformers' "
            "processor would begin or end a prompt otherwise. Set add_bos_token or add_eos_token in its "
            "tokenizer_config.json, or the template in tokenizer.json, to what the model was trained with"
        )
