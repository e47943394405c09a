"""Start from a released InstructBLIP in Hugging Face's layout."""

from dataclasses import dataclass

import torch
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from trainer.config.model import FromInstructBlip
from trainer.model.starts.assemble import assemble
from trainer.model.starts.configuration import read_config
from trainer.model.starts.folders import model_folder, read_tensors
from trainer.model.starts.start import TokenizerPair
from trainer.model.starts.tokenizer_files import read_pair


@dataclass(frozen=True)
class InstructBlipStart:
    options: FromInstructBlip

    def config(self) -> InstructBlipConfig:
        return read_config(model_folder(self.options.path) / "config.json")

    def tokenizers(self) -> TokenizerPair:
        return read_pair(model_folder(self.options.path))

    def weights(
        self, config: InstructBlipConfig, dtype: torch.dtype
    ) -> InstructBlipForConditionalGeneration:
        folder = model_folder(self.options.path)
        return assemble(config, read_tensors(folder), dtype, str(folder))
