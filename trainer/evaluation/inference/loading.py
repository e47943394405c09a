"""From the name of a model to its adapter: ours, or one in Hugging Face's layout.

nano                       the miniature model that comes with this package
runs/nano                  a run's folder: its best checkpoint, else its newest
runs/nano/checkpoints/...  a checkpoint
configs/vicuna_7b.yaml     what a run of this configuration starts from, such as LAVIS's files
Salesforce/instructblip-vicuna-7b, or a folder    InstructBLIP, InstructBLIP-Video or BLIP-2
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch

from trainer.config.load import load_config
from trainer.config.model import FromBlip2, FromInstructBlip, ModelOptions
from trainer.errors import EvaluationError, ModelError, TrainingError
from trainer.evaluation.inference.adapter import ModelAdapter
from trainer.evaluation.inference.fingerprint import describe, weights_sha256
from trainer.model.export import load_trained
from trainer.model.model import Model
from trainer.model.starts.architecture import model_config
from trainer.model.starts.build import build_model
from trainer.model.starts.folders import model_folder
from trainer.model.starts.preprocessor import crop_of_preprocessor
from trainer.model.starts.tokenizers import load_tokenizers
from trainer.run.checkpoint import CONFIG, FOLDER, STATE, WEIGHTS, chosen_checkpoint, read_run_state
from trainer.run.fingerprint import frozen_fingerprint

NANO = "nano"
SUPPORTED = "instructblip, instructblipvideo and blip-2, with a t5 or llama language model"

LONGEST = 300
"""Characters of a library's message that are quoted."""

DType = Literal["float32", "bfloat16"]
Attention = Literal["eager", "sdpa", "flash_attention_2"]


@dataclass(frozen=True)
class Found:
    """The model that a name stands for; `checkpoint` lies over the model that `options` describe."""

    kind: str
    options: ModelOptions
    seed: int = 0
    checkpoint: Path | None = None


def load_adapter(
    place: str,
    overrides: Sequence[str] = (),
    *,
    device: torch.device,
    dtype: DType = "float32",
    attention: Attention = "sdpa",
    qformer_instruction: bool | None = None,
    max_instruction_tokens: int | None = None,
) -> ModelAdapter:
    """Load the model of this name for inference.

    `overrides` are `key=value` of a run's configuration. `qformer_instruction` and
    `max_instruction_tokens` are by default what a run was trained with; else the Q-Former reads the last 128
    tokens of the instruction if it can read at all.

    Raises:
        EvaluationError: the model is of an unsupported kind.
        TrainingError: files are missing, damaged, or do not fit each other.
    """
    found = find(place, overrides, dtype)
    changes: dict[str, Any] = {"attention": attention, "gradient_checkpointing": False}
    if max_instruction_tokens is not None:
        changes["max_instruction_tokens"] = max_instruction_tokens
    options = found.options.model_copy(update=changes)
    file = Path(place, "config.json")
    described = f"{file}" if file.is_file() else f"the configuration of {place}"
    with _explained(f"read {described}"):
        model_config(options)
    with _explained(f"read the tokenizers of {place}"):
        tokenizers = load_tokenizers(options)
    with _explained(f"build the model that {described} describes", attention):
        model, step = _built(found, options)
    if qformer_instruction is not None:
        _check_can_read(place, options, qformer_instruction)
        model.qformer_instruction = qformer_instruction
    if attention == "flash_attention_2":
        # Ranking hides candidates from each other, which flash attention's masks cannot say.
        cast(Any, model.hf.language_model).set_attn_implementation("sdpa")
    compute_dtype = cast(torch.dtype, getattr(torch, dtype))
    model = model.to(dtype=compute_dtype)
    facts = {
        "place": place,
        "kind": found.kind,
        "step": step,
        "dtype": dtype,
        "attention": attention,
        **describe(model, tokenizers),
        **_ignored_preprocessor(options, model.image_side),
        "weights_sha256": weights_sha256(model),
    }
    return ModelAdapter(model, tokenizers, device, compute_dtype, facts=facts)


def _ignored_preprocessor(options: ModelOptions, side: int) -> dict[str, str]:
    if not isinstance(options.init, FromInstructBlip | FromBlip2):
        return {}  # the other kinds of start have no image processor's file
    asked = crop_of_preprocessor(model_folder(options.init.path), side)
    return {"preprocessor_not_followed": ", ".join(asked)} if asked else {}


def find(place: str, overrides: Sequence[str] = (), dtype: DType = "float32") -> Found:
    """Find the model that a name stands for; only configurations are read.

    Raises:
        EvaluationError: the model is of another kind, or takes no overrides.
        TrainingError: there is no such model, or its configuration is invalid.
    """
    path = Path(place)
    if path.suffix in (".yaml", ".yml"):
        config = load_config(path, overrides)
        return Found("configuration", config.model, config.seed)
    if _is_ours(path):
        checkpoint = chosen_checkpoint(path)
        config = load_config(checkpoint.parent.parent / CONFIG, overrides)
        return Found("checkpoint", config.model, config.seed, checkpoint)
    if overrides:
        raise EvaluationError(
            f"{place} is no run, it has no configuration that {overrides[0]!r} could change"
        )
    start = {"from": "nano"} if place == NANO else _start(place)
    reads = start["from"] != "blip2"
    options = {"init": start, "frozen_dtype": dtype, "qformer_instruction": reads}
    kind = "blip-2" if start["from"] == "blip2" else start["from"]
    return Found(kind, ModelOptions.model_validate(options))


def _is_ours(path: Path) -> bool:
    """Return whether the path is a run or a checkpoint of ours, not a Hugging Face folder."""
    marks = (path / CONFIG, path / STATE, path / FOLDER)
    return not (path / "config.json").exists() and any(mark.exists() for mark in marks)


def _start(place: str) -> dict[str, str]:
    """Return the `init` of a configuration that starts from a Hugging Face folder."""
    folder = model_folder(place)
    config = _read_object(folder / "config.json", place)
    kind = config.get("model_type")
    if kind not in ("instructblip", "instructblipvideo", "blip-2"):
        raise EvaluationError(f"{place} is a {kind}; what can be evaluated is {SUPPORTED}")
    named = config.get("architectures")
    architecture = next(iter(named), "") if isinstance(named, list) else ""
    if kind == "blip-2" and architecture not in ("Blip2ForConditionalGeneration", ""):
        raise EvaluationError(
            f"{place} is a {architecture}, which writes no text; what can be evaluated is "
            "Blip2ForConditionalGeneration"
        )
    text = config.get("text_config")
    if text is not None and not isinstance(text, dict):
        raise EvaluationError(
            f"{folder / 'config.json'}: `text_config` is {_kind(text)}, not an object that describes a model"
        )
    language = (text or {}).get("model_type", "opt")
    if language not in ("t5", "llama"):
        raise EvaluationError(
            f"{place} is a {kind} with a language model of kind {language}; what can be evaluated is "
            f"{SUPPORTED}"
        )
    return {"from": "blip2" if kind == "blip-2" else "instructblip", "path": str(folder)}


def _read_object(path: Path, place: str) -> Mapping[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EvaluationError(
            f"cannot read the configuration of {place}, {path}: {error}"
        ) from error
    if not isinstance(read, dict):
        raise EvaluationError(f"{path} is {_kind(read)}, not an object that describes a model")
    return read


def _kind(value: object) -> str:
    """Return the JSON type of a value, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case _:
            return "a list" if isinstance(value, list) else "an object"


@contextmanager
def _explained(what: str, attention: Attention = "sdpa") -> Iterator[None]:
    """Turn any error of a library, such as the plain `Exception` of tokenizers, into one that names the file."""
    try:
        yield
    except TrainingError:
        raise
    except ImportError as error:
        if attention != "flash_attention_2":
            raise ModelError(f"cannot {what}: {_in_a_line(error)}") from error
        raise EvaluationError(
            f"--attention flash_attention_2 cannot be used here ({_in_a_line(error)}); take sdpa"
        ) from error
    except Exception as error:
        raise ModelError(f"cannot {what}: {_in_a_line(error)}") from error


def _in_a_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    plain = isinstance(error, ValueError | ImportError | OSError) and text
    return text[:LONGEST] if plain else f"{type(error).__name__}: {text}"[:LONGEST]


def _built(found: Found, options: ModelOptions) -> tuple[Model, int | None]:
    """The model, and the step of the run that its checkpoint is of."""
    if found.checkpoint is None:
        return build_model(options, found.seed), None
    state = read_run_state(found.checkpoint)
    model = build_model(options, found.seed)
    if frozen_fingerprint(model) != state.fingerprint["frozen"]:
        raise ModelError(
            f"{found.checkpoint} was trained on other frozen weights than those that model.init names now"
        )
    load_trained(model, found.checkpoint / WEIGHTS)
    return model, state.step


def _check_can_read(place: str, options: ModelOptions, wanted: bool) -> None:
    if wanted and isinstance(options.init, FromBlip2) and options.init.text_branch is None:
        raise EvaluationError(
            f"the Q-Former of {place} has no text branch, it reads no instruction"
        )
