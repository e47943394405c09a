"""`visinstruct export`: a checkpoint of a run becomes a Hugging Face folder."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.console import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="a checkpoint's folder, or a run's: then its best one, else its newest",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    from trainer.checkpoint import WEIGHTS, read_run_state
    from trainer.model.build import build_model
    from trainer.model.card import model_card
    from trainer.model.export import export, load_trained
    from trainer.model.options import ModelOptions
    from trainer.model.tokens import load_tokenizers
    from trainer.model.trained import count_parameters

    folder = chosen_checkpoint(Path(parsed.checkpoint))
    out = Path(parsed.out)
    state = read_run_state(folder)
    section = state.made_of["model"]
    options = ModelOptions.model_validate(section)
    model = build_model(options, int(state.made_of["seed"]))
    load_trained(model, folder / WEIGHTS)
    counts = count_parameters(model)
    card = model_card(
        out.resolve().name,
        section,
        _facts(state.step, state.next_sample, state.made_of),
        counts.trained,
        counts.paper + counts.frozen,
    )
    export(model, load_tokenizers(options), card, out)
    output().print(f"{folder} (step {state.step:,}) is exported to {out}")
    return 0


def chosen_checkpoint(folder: Path) -> Path:
    """The folder itself, or the best or newest checkpoint of a run's folder.

    Raises:
        CheckpointError: there is none.
    """
    from trainer.checkpoint import STATE, checkpoints
    from trainer.errors import CheckpointError

    if (folder / STATE).is_file():
        return folder
    inside = folder / "checkpoints"
    if (inside / "best" / STATE).is_file():
        return (inside / "best").resolve()
    newest = next(checkpoints(inside), None)
    if newest is None:
        raise CheckpointError(f"{folder} is no checkpoint, and holds no checkpoints/step-*")
    return newest


def _facts(step: int, samples: int, made_of: Mapping[str, object]) -> dict[str, object]:
    facts: dict[str, object] = {"step": step, "samples": samples, "seed": made_of["seed"]}
    data = made_of.get("data")
    if isinstance(data, Mapping):
        facts |= {f"data {k}": v for k, v in data.items() if isinstance(v, str | int)}
    return facts
