"""Start from a released InstructBLIP in Hugging Face's layout."""

from dataclasses import dataclass
from typing import cast

import torch
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from trainer.config.model import FromInstructBlip
from trainer.model.parts import vision_part
from trainer.model.starts.assemble import assemble
from trainer.model.starts.configuration import read_config
from trainer.model.starts.folders import model_folder, read_tensors
from trainer.model.starts.preprocessor import check_preprocessor
from trainer.model.starts.start import TokenizerPair
from trainer.model.starts.tokenizer_files import read_pair


@dataclass(frozen=True)
class InstructBlipStart:
    options: FromInstructBlip

    def config(self) -> InstructBlipConfig:
        folder = model_folder(self.options.path)
        config = read_config(folder / "config.json")
        check_preprocessor(folder, cast(int, vision_part(config).image_size))
        return config

    def tokenizers(self) -> TokenizerPair:
        return read_pair(model_folder(self.options.path))

    def weights(
        self, config: InstructBlipConfig, dtype: torch.dtype
    ) -> InstructBlipForConditionalGeneration:
        folder = model_folder(self.options.path)
        return assemble(config, read_tensors(folder), dtype, str(folder))
