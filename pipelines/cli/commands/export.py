"""`visinstruct export`: a checkpoint of a run becomes a Hugging Face folder."""

import argparse
from collections.abc import Mapping, Sequence

from pipelines.cli.paths import local_path
from pipelines.console import output

MIXES_ARGUMENTS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        type=local_path,
        metavar="CHECKPOINT",
        help="a checkpoint's folder, or a run's: then its best one, else its newest",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="of the run's configuration, such as model.init.path=/where/it/is/now",
    )
    parser.add_argument("--out", type=local_path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument(
        "--config", metavar="FILE", help="the run's configuration (default: that of its folder)"
    )


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    from trainer.config.load import load_config
    from trainer.errors import ModelError
    from trainer.model.card import model_card
    from trainer.model.export import export, load_trained
    from trainer.model.starts.build import build_model
    from trainer.model.starts.tokenizers import load_tokenizers
    from trainer.model.trained import count_parameters
    from trainer.run.checkpoint import CONFIG, WEIGHTS, chosen_checkpoint, read_run_state
    from trainer.run.fingerprint import frozen_fingerprint

    folder = chosen_checkpoint(parsed.checkpoint)
    out = parsed.out
    state = read_run_state(folder)
    config = load_config(parsed.config or folder.parent.parent / CONFIG, parsed.overrides)
    model = build_model(config.model, config.seed)
    if frozen_fingerprint(model) != state.fingerprint["frozen"]:
        raise ModelError(
            f"{folder} was trained on other frozen weights than those that model.init names now"
        )
    load_trained(model, folder / WEIGHTS)
    section = config.model.model_dump(mode="json", by_alias=True, exclude_none=True)
    card = model_card(
        out.resolve().name,
        section,
        _facts(state.step, state.next_sample, state.fingerprint),
        count_parameters(model),
        decoder_only=not model.is_encoder_decoder,
    )
    export(model, load_tokenizers(config.model), card, out)
    output().print(f"{folder} (step {state.step:,}) is exported to {out}")
    return 0


def _facts(step: int, samples: int, fingerprint: Mapping[str, object]) -> dict[str, object]:
    facts: dict[str, object] = {"step": step, "samples": samples, "seed": fingerprint["seed"]}
    data = fingerprint.get("data")
    if isinstance(data, Mapping):
        facts |= {f"data {k}": v for k, v in data.items() if isinstance(v, str | int)}
    return facts
