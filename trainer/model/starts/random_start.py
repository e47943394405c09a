"""Start from random weights, for benchmarks: of one of the paper's sizes, or of a `config.json`."""

from dataclasses import dataclass

import torch
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from trainer.config.model import FromRandom
from trainer.model.starts.configuration import paper_config, read_config
from trainer.model.starts.folders import model_folder
from trainer.model.starts.nano.tokenizers import nano_tokenizers
from trainer.model.starts.random_weights import default_dtype, random_model
from trainer.model.starts.start import TokenizerPair
from trainer.model.starts.tokenizer_files import read_pair


@dataclass(frozen=True)
class RandomStart:
    options: FromRandom

    def config(self) -> InstructBlipConfig:
        if self.options.size is not None:
            return paper_config(self.options.size)
        assert self.options.config is not None  # the options have one of the two
        return read_config(self.options.config)

    def tokenizers(self) -> TokenizerPair:
        if self.options.tokenizers is None:
            return nano_tokenizers(None)  # stands in: any ids do for a benchmark
        return read_pair(model_folder(self.options.tokenizers, "tokenizer_config.json"))

    def weights(
        self, config: InstructBlipConfig, dtype: torch.dtype
    ) -> InstructBlipForConditionalGeneration:
        with default_dtype(dtype):  # 13 billion parameters in fp32 would be 52 GB
            return random_model(config)
