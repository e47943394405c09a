"""From options to a model that is ready to be trained."""

import torch
from transformers import InstructBlipForConditionalGeneration
from transformers.utils.import_utils import is_flash_attn_2_available

from trainer.config.model import ModelOptions
from trainer.errors import ModelError
from trainer.model.model import Model
from trainer.model.starts.architecture import model_config
from trainer.model.starts.choose import choose_start
from trainer.model.starts.tokenizers import load_tokenizers
from trainer.model.trained import is_papers, mark_trained


def build_model(options: ModelOptions, seed: int) -> Model:
    """Build the model on the CPU (a random one: on torch's default device), in training mode.

    Parameters that no checkpoint gives are drawn from `seed`; torch's own generator is left as it was.
    Those of the paper's trained set are fp32, the others `options.frozen_dtype`.

    Raises:
        ModelError: checkpoint, configuration and tokenizers do not fit each other.
    """
    tokenizers = load_tokenizers(options)
    config = model_config(options)
    config.image_token_index = tokenizers.image_token
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        hf = choose_start(options.init).weights(config, getattr(torch, options.frozen_dtype))
    return wrap(hf, options)


def check_attention(options: ModelOptions) -> None:
    """Check that the attention's code is installed, before weights are read.

    Raises:
        ModelError: it is not, or there is no GPU for it.
    """
    if options.attention == "flash_attention_2" and not is_flash_attn_2_available():
        raise ModelError(
            "model.attention is flash_attention_2, which needs a GPU and the package flash-attn (pip install "
            "flash-attn); or set model.attention=sdpa, which gives the same to rounding"
        )


def wrap(hf: InstructBlipForConditionalGeneration, options: ModelOptions) -> Model:
    """Wrap Hugging Face's module: set dtypes, trained parts, attention and gradient checkpointing."""
    dtype = getattr(torch, options.frozen_dtype)
    for name, parameter in hf.named_parameters():
        parameter.data = parameter.data.to(torch.float32 if is_papers(name) else dtype)
    hf.set_attn_implementation(options.attention)
    mark_trained(hf, options.qformer_instruction, options.train_post_layernorm)
    if options.gradient_checkpointing:
        for part in (hf.language_model, hf.qformer):
            part.activation_checkpointing_enable({"use_reentrant": False})
    image_token = hf.config.image_token_index
    if image_token is None:
        raise ModelError("the configuration names no image token")
    model = Model(
        hf,
        image_token,
        qformer_instruction=options.qformer_instruction,
        lm_dropout=options.lm_dropout,
    )
    return model.train()
