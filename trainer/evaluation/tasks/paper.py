"""The InstructBLIP paper's numbers beside ours: `paper.yaml`, by model, backbone and set.

The averages are like ours: the held-out one is the mean of Table 1 over Figure 4's eight sets, for every
backbone (52.8 and 46.4 for FlanT5-XL, where Figure 4 prints 52.9 and 46.1); the held-in one is that of
Table 2, over four sets, and known of two backbones only.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

Model: TypeAlias = Literal["instructblip", "blip2"]
Backbone: TypeAlias = Literal["flan_t5_xl", "flan_t5_xxl", "vicuna_7b", "vicuna_13b"]

BACKBONES: tuple[Backbone, ...] = ("flan_t5_xl", "flan_t5_xxl", "vicuna_7b", "vicuna_13b")

HELD_OUT_AVERAGE = (
    "gqa",
    "textvqa",
    "vsr",
    "hateful_memes",
    "iconqa",
    "scienceqa",
    "ivqa",
    "vizwiz",
)
"""The sets of Figure 4's held-out average."""

HELD_IN_AVERAGE = ("coco_caption", "okvqa", "aokvqa", "textcaps")
"""The sets of Table 2's held-in average."""

_WIDTHS: Mapping[tuple[str, int], Backbone] = {
    ("t5", 2048): "flan_t5_xl",
    ("t5", 4096): "flan_t5_xxl",
    ("llama", 4096): "vicuna_7b",
    ("llama", 5120): "vicuna_13b",
}


class PaperTable(BaseModel):
    """One table: its numbers by two names of a row, in the order of `sets`.

    `unverified` are the sets whose number in a row is from memory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    read_in: str
    sets: tuple[str, ...]
    rows: Mapping[str, Mapping[str, tuple[float | None, ...]]]
    unverified: Mapping[str, Mapping[str, tuple[str, ...]]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_whole_rows(self) -> "PaperTable":
        for group, rows in self.rows.items():
            for name, numbers in rows.items():
                if len(numbers) != len(self.sets):
                    raise ValueError(
                        f"{group} {name} has {len(numbers)} of {len(self.sets)} numbers"
                    )
        return self

    def number(self, group: str, name: str, column: str) -> float | None:
        """The number of a row and set; None where the table has none."""
        row = self.rows.get(group, {}).get(name)
        return None if row is None or column not in self.sets else row[self.sets.index(column)]

    def is_verified(self, group: str, name: str, column: str) -> bool:
        return column not in self.unverified.get(group, {}).get(name, ())


class Paper(BaseModel):
    """The tables; the keys of `paper.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zero_shot: PaperTable
    ablation: PaperTable
    multitask: PaperTable
    finetuned: PaperTable


@cache
def paper() -> Paper:
    text = files(__package__).joinpath("paper.yaml").read_text(encoding="utf-8")
    return Paper.model_validate(yaml.safe_load(text))


def paper_number(model: Model, backbone: str | None, source: str) -> float | None:
    """The paper's zero-shot number of a set (Table 1); None where it has none, and without a backbone.

    Examples:
        >>> paper_number("instructblip", "vicuna_7b", "gqa")
        49.2
    """
    return None if backbone is None else paper().zero_shot.number(model, backbone, source)


def paper_average(
    model: Model, backbone: str | None, name: Literal["held_in", "held_out"]
) -> float | None:
    """The paper's average to stand beside ours; None where it has none."""
    if backbone is None:
        return None
    if name == "held_in":
        is_ours = model == "instructblip"
        return paper().ablation.number(backbone, "full", "held_in") if is_ours else None
    numbers = {source: paper_number(model, backbone, source) for source in HELD_OUT_AVERAGE}
    return average(numbers, HELD_OUT_AVERAGE)[0]


def average(
    numbers: Mapping[str, float | None], sets: Sequence[str]
) -> tuple[float | None, tuple[str, ...]]:
    """The mean over `sets`, and those without a number; with any of them there is no mean."""
    found = {source: numbers.get(source) for source in sets}
    lacking = tuple(source for source, number in found.items() if number is None)
    if lacking or not sets:
        return None, lacking
    return sum(number for number in found.values() if number is not None) / len(sets), ()


def backbone_of(facts: Mapping[str, Any]) -> Backbone | None:
    """Return the name of the paper's language model that has this kind and width; None for another one.

    `facts` has `language_model` (`t5` or `llama`) and `text_width`.
    """
    kind, width = facts.get("language_model"), facts.get("text_width")
    return _WIDTHS.get((str(kind), width)) if isinstance(width, int) else None
