"""Tables of the miniature ablations: means and standard errors over seeds."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TypeAlias

from benchmarks.ablations.runs import HELD_IN, HELD_OUT
from benchmarks.harness.report import _machine as machine
from benchmarks.harness.report import _versions as versions

Numbers: TypeAlias = Mapping[str, float]
"""A number for each source."""

_T_95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
"""Student's t, two-sided, for 1, 2, ... degrees of freedom."""

GROUPS = {"held-in": HELD_IN, "held-out": HELD_OUT}


@dataclass(frozen=True)
class Mean:
    """Over seeds; the standard error is None of a single one."""

    value: float
    error: float | None
    num_seeds: int = 1

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
        return cls(mean(values), error, len(values))

    @property
    def bound(self) -> float:
        """Bound that chance alone stays below in 95 of 100 cases, by Student's t."""
        degrees = self.num_seeds - 1
        t = _T_95[min(degrees, len(_T_95)) - 1]
        return math.inf if self.error is None else t * self.error

    def __str__(self) -> str:
        error = "" if self.error is None else f" ± {100 * self.error:.1f}"
        return f"{100 * self.value:.1f}{error}"


@dataclass(frozen=True)
class Comparison:
    """Advantage of one setting over another, in means over a group of sources, seed by seed."""

    what: str
    paper: str
    held_in: Mean
    held_out: Mean

    @classmethod
    def of(
        cls, what: str, paper: str, one: str, other: str, found: Mapping[str, Sequence[Numbers]]
    ) -> "Comparison":
        means = {
            name: Mean.of(
                [
                    group_mean(a, sources) - group_mean(b, sources)
                    for a, b in zip(found[one], found[other], strict=True)
                ]
            )
            for name, sources in GROUPS.items()
        }
        return cls(what, paper, means["held-in"], means["held-out"])

    def verdict(self, difference: Mean) -> str:
        if difference.error is None or abs(difference.value) <= difference.bound:
            return "undecided"
        return "the first" if difference.value > 0 else "**the second**"


def group_mean(numbers: Numbers, sources: Sequence[str]) -> float:
    return mean(numbers[source] for source in sources)


@dataclass(frozen=True)
class Document:
    """All that a run of the benchmark found."""

    question: str
    settings: Mapping[str, str]
    num_scenes: int
    steps: int
    counts: Mapping[str, int]
    found: Mapping[str, Sequence[Numbers]]
    controls: Mapping[str, Numbers]
    comparisons: Sequence[Comparison]
    notes: Sequence[str] = ()

    def write(self, path: Path) -> None:
        """The JSON at `path`, and the Markdown beside it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), **asdict(self)}
        path.write_text(f"{json.dumps(content, indent=1)}\n")
        path.with_suffix(".md").write_text(self.text())

    def text(self) -> str:
        facts = machine() | versions(("torch", "transformers", "deepspeed"))
        about = ", ".join(f"{name} {value}" for name, value in facts.items())
        num_seeds = max((len(runs) for runs in self.found.values()), default=0)
        return "\n\n".join(
            [
                "# The paper's ablations in miniature",
                self.question,
                f"{time.strftime('%Y-%m-%d')}; {about}. {self.num_scenes} scenes a collection, "
                f"{self.steps} steps, {num_seeds} seeds, which decide the order of the samples and the "
                "new weights. Percent of greedy answers that equal one of the references; mean ± "
                "standard error over seeds.",
                self._scores(),
                "Questions: " + ", ".join(f"{n} {s}" for s, n in self.counts.items()) + ".",
                self._differences(),
                "\n".join(f"- **{name}**: {what}" for name, what in self.settings.items()),
                *self.notes,
                "",
            ]
        )

    def _scores(self) -> str:
        sources = [*HELD_IN, *HELD_OUT]
        rows = [["", *GROUPS, *sources]]
        for name, runs in self.found.items():
            groups = [Mean.of([group_mean(run, some) for run in runs]) for some in GROUPS.values()]
            each = [Mean.of([run[source] for run in runs]) for source in sources]
            rows.append([name, *map(str, (*groups, *each))])
        for name, numbers in self.controls.items():
            groups_of = [
                Mean.of([group_mean(numbers, some)]) if set(some) <= set(numbers) else ""
                for some in GROUPS.values()
            ]
            known = [Mean.of([numbers[s]]) if s in numbers else "" for s in sources]
            rows.append([name, *map(str, (*groups_of, *known))])
        return _table(rows)

    def _differences(self) -> str:
        rows = [["", "in the paper", "held-in", "", "held-out", ""]]
        for each in self.comparisons:
            rows.append(
                [
                    each.what,
                    each.paper,
                    str(each.held_in),
                    each.verdict(each.held_in),
                    str(each.held_out),
                    each.verdict(each.held_out),
                ]
            )
        return (
            "Differences within seeds, the first minus the second, and which is better; undecided: not "
            f"distinguished from zero at 95% by Student's t.\n\n{_table(rows)}"
        )


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *others = rows
    lines = [head, ["---"] * len(head), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
