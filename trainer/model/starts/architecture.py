"""The configuration of a model, known without its weights: for the plan, the tokenizers and the counts."""

from transformers import InstructBlipConfig

from trainer.config.model import ModelOptions
from trainer.errors import ModelError
from trainer.model.parts import qformer_part, text_part
from trainer.model.starts.choose import choose_start


def model_config(options: ModelOptions) -> InstructBlipConfig:
    """Return the configuration of the model that `options` describe.

    Raises:
        ModelError: a folder or file is missing or holds another kind of model.
    """
    config = choose_start(options.init).config()
    if (kind := text_part(config).model_type) not in ("t5", "llama"):
        raise ModelError(f"the language model is of type {kind}; t5 and llama are supported")
    if options.qformer_dropout is not None:
        qformer = qformer_part(config)
        qformer.hidden_dropout_prob = options.qformer_dropout
        qformer.attention_probs_dropout_prob = options.qformer_dropout
    return config
