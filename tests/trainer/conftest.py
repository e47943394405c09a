"""Models of a few thousand parameters, saved in the layout of the released ones; and processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import (
    BlipImageProcessorPil,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    PreTrainedTokenizerFast,
)

SIDE = 28
NUM_QUERIES = 8


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("t5", tmp_path_factory.mktemp("tiny_t5"))


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("llama", tmp_path_factory.mktemp("tiny_llama"))


@pytest.fixture(scope="session", params=["t5", "llama"])
def tiny_model(request: pytest.FixtureRequest) -> Path:
    """Both, one after the other."""
    folder: Path = request.getfixturevalue(f"tiny_{request.param}")
    return folder


class TinyParts:
    """Configurations, weights and tokenizers from which tests of other layouts make their files."""

    @staticmethod
    def config(language_model: str, image_token: int | None) -> InstructBlipConfig:
        return tiny_config(language_model, image_token)

    @staticmethod
    def randomise(module: nn.Module, seed: int) -> None:
        randomise(module, seed)

    @staticmethod
    def language_tokenizer(language_model: str) -> PreTrainedTokenizerFast:
        return byte_tokenizer(**(T5_TOKENS if language_model == "t5" else LLAMA_TOKENS))

    @staticmethod
    def qformer_tokenizer() -> PreTrainedTokenizerFast:
        return byte_tokenizer(**BERT_TOKENS)

    @staticmethod
    def untie(model: nn.Module) -> None:
        """A T5's output layer with a weight of its own, as FlanT5 has it."""
        head = model.language_model.lm_head
        head.weight = nn.Parameter(head.weight.detach().clone())

    @staticmethod
    def save(language_model: str, folder: Path) -> Path:
        return save_tiny(language_model, folder)


@pytest.fixture(scope="session")
def tiny() -> TinyParts:
    return TinyParts()


def save_tiny(language_model: str, folder: Path) -> Path:
    """An InstructBLIP with all its parts; every parameter is random and none is at its default."""
    language = byte_tokenizer(**(T5_TOKENS if language_model == "t5" else LLAMA_TOKENS))
    qformer = byte_tokenizer(**BERT_TOKENS)
    processor = InstructBlipProcessor(
        BlipImageProcessorPil(size={"height": SIDE, "width": SIDE}), language, qformer, NUM_QUERIES
    )
    processor.save_pretrained(folder)
    config = tiny_config(language_model, image_token=language.convert_tokens_to_ids("<image>"))
    hf = InstructBlipForConditionalGeneration(config)
    if language_model == "t5":
        TinyParts.untie(hf)
    randomise(hf, seed=0)
    hf.save_pretrained(folder)
    return folder


def randomise(module: nn.Module, seed: int) -> None:
    """Random values everywhere, so that a tensor in the wrong place shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:
                center = 1.0 if name.endswith("norm.weight") or "Norm.weight" in name else 0.0
                parameter.copy_(center + 0.1 * noise)
            else:
                parameter.copy_(noise * (0.5 if "query_tokens" in name else 0.15))


def tiny_config(language_model: str, image_token: int | None) -> InstructBlipConfig:
    text = T5_TEXT if language_model == "t5" else LLAMA_TEXT
    return InstructBlipConfig(
        vision_config=VISION,
        qformer_config=QFORMER,
        text_config=text,
        num_query_tokens=NUM_QUERIES,
        image_token_index=image_token,
    )


def byte_tokenizer(before: list[str], **roles: str) -> PreTrainedTokenizerFast:
    """A tokenizer of 256 bytes behind a few special tokens: it encodes any text."""
    vocabulary = before + sorted(ByteLevel.alphabet())
    raw = Tokenizer(BPE({token: i for i, token in enumerate(vocabulary)}, []))
    raw.pre_tokenizer = ByteLevel(add_prefix_space=False)
    raw.decoder = ByteLevelDecoder()
    first = roles.get("bos_token", roles.get("cls_token"))
    last = roles.get("sep_token") or ("</s>" if "bos_token" not in roles else None)
    used = [token for token in (first, last) if token]
    raw.post_processor = TemplateProcessing(
        single=" ".join([*([first] if first else []), "$A", *([last] if last else [])]),
        special_tokens=[(token, vocabulary.index(token)) for token in used],
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, **roles)


T5_TOKENS = {
    "before": ["<pad>", "</s>", "<unk>"],
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
}
LLAMA_TOKENS = {
    "before": ["<unk>", "<s>", "</s>"],
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
}
BERT_TOKENS = {
    "before": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": 14,
    "initializer_range": 0.02,
}
QFORMER = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 261,
    "max_position_embeddings": 160,
}
T5_TEXT = {
    "model_type": "t5",
    "vocab_size": 264,
    "d_model": 48,
    "d_kv": 8,
    "num_heads": 4,
    "d_ff": 96,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
    "decoder_start_token_id": 0,
}
LLAMA_TEXT = {
    "model_type": "llama",
    "vocab_size": 264,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
}


@dataclass(frozen=True)
class Ended:
    status: int
    printed: str

    def check(self) -> "Ended":
        assert self.status == 0, self.printed
        return self


class WarmProcess:
    """A process, leader of its own group, forked from one that has imported everything."""

    def __init__(self, starter: "WarmStarter", pid: int, printed: Path) -> None:
        self._starter, self.pid, self._printed = starter, pid, printed
        self.status: int | None = None

    def poll(self) -> int | None:
        if self.status is None:
            self.status = self._starter.ask({"pid": self.pid})
        return self.status

    @property
    def printed(self) -> str:
        return self._printed.read_text()

    def wait_for(self, words: str, timeout: float = 120) -> None:
        """Wait until it has printed `words`."""
        deadline = time.monotonic() + timeout
        while words not in self.printed:
            assert self.poll() is None and time.monotonic() < deadline, self.printed
            threading.Event().wait(0.02)

    def end(self, timeout: float = 120) -> Ended:
        """Wait for its end; it is killed after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self.poll() is None and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        late = self.poll() is None
        self.kill()
        assert not late, f"still there after {timeout} s:\n{self.printed}"
        assert self.status is not None
        return Ended(self.status, self.printed)

    def kill(self) -> None:
        """The whole group, with -9."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        while self.poll() is None:
            threading.Event().wait(0.01)


class WarmStarter:
    """Starts training and evaluation processes in a fraction of a second; see `warm_starts.py`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0
        self._started: list[WarmProcess] = []
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm_starts.py"))],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, request: dict[str, Any]) -> Any:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def start_program(self, program: str, *arguments: str, **variables: str) -> WarmProcess:
        """Start `train`, `evaluate` or `many_runs`."""
        self._number += 1
        printed = self._folder / f"printed-{self._number}"
        pid = self.ask(
            {
                "program": program,
                "arguments": arguments,
                "variables": variables,
                "printed": str(printed),
            }
        )
        printed.touch()
        self._started.append(WarmProcess(self, pid, printed))
        return self._started[-1]

    def start_ranks(
        self, count: int, program: str, *arguments: str, **variables: str
    ) -> list[WarmProcess]:
        """The processes of one launch, by rank, with nothing above them that ends some with others."""
        from trainer.launch.distributed import free_port

        together = variables | {
            "WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(free_port()),
        }
        return [
            self.start_program(program, *arguments, RANK=str(r), LOCAL_RANK=str(r), **together)
            for r in range(count)
        ]

    def start(self, setup: Any, *arguments: str, **variables: str) -> WarmProcess:
        """Start a training run of `setup.config`."""
        return self.start_program("train", str(setup.config), *arguments, **variables)

    def run(self, setup: Any, *arguments: str, **variables: str) -> Ended:
        return self.start(setup, *arguments, **variables).end()

    def start_all(
        self, setup: Any, count: int, *arguments: str, **variables: str
    ) -> list[WarmProcess]:
        """The processes of one training run, by rank."""
        return self.start_ranks(count, "train", str(setup.config), *arguments, **variables)

    def close(self) -> None:
        """End it, and whatever a test that failed has left."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
        assert self._server.stdin and self._server.stdout
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStarter]:
    starter = WarmStarter(tmp_path_factory.mktemp("printed"))
    yield starter
    starter.close()


class ColdStarter:
    """Starts commands as users do: each imports everything, for seconds."""

    @staticmethod
    def start(command: Sequence[str], **variables: str) -> "subprocess.Popen[str]":
        """Start a command in a group of its own; its output goes to the returned process's pipes."""
        return subprocess.Popen(
            command,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: Sequence[str], **variables: str) -> Ended:
        """Run a command to its end; no process of it outlives it."""
        process = self.start(command, **variables)
        try:
            printed, _ = process.communicate(timeout=300)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return Ended(process.returncode, printed)


@pytest.fixture(scope="session")
def cold() -> ColdStarter:
    return ColdStarter()


def environment(**variables: str) -> dict[str, str]:
    bare = {
        k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "RANK", "WORLD_SIZE"))
    }
    return bare | {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", **variables}
