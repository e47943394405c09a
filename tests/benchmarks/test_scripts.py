"""Every benchmark runs to its end at a toy size, so that none rots; rates of such a run mean nothing."""

import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness import measure
from benchmarks.harness.child import clock
from benchmarks.harness.measure import Case
from benchmarks.harness.memory import Memory

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Toy:
    """The arguments of a small run.

    With `here` its cases run in this process: starting one for each of them would be most of the work; and once
    unless outputs are `compared`, which is done after a second run. `names` are what the results have to hold;
    `folder` is the option that takes a scratch folder; `needs` are packages that `dev` leaves out.
    """

    arguments: tuple[str, ...]
    names: tuple[str, ...] = ()
    here: bool = True
    compared: bool = False
    folder: str = "--scratch"
    needs: tuple[str, ...] = ()


ONCE = ("--repetitions", "1")
TOYS = {
    "answers": Toy(
        ("--ranked", "1", "--candidates", "3", "--written", "1", "--scenes", "12", *ONCE),
        ("rank t5, ours", "rank llama, one_by_one", "write gqa, 32", "write nocaps, transformers"),
    ),
    "build_all": Toy(
        ("--share", "0.00001", "--sources", "okvqa,web_capfilt,llava_detail"),
        ("okvqa", "web_capfilt", "llava_detail"),
    ),
    "build_images": Toy(
        ("--rows", "40", *ONCE), ("our Beam build", "bytes through Beam"), compared=True
    ),
    "build_scale": Toy(("--rows", "200"), ("2,000 rows, two workers",)),
    "build_text": Toy(
        ("--rows", "200", *ONCE), ("our Beam build", "Hugging Face, joined rows"), compared=True
    ),
    "captions": Toy(("--rows", "40", *ONCE), ("ours", "ours, 20 times the pictures"), here=False),
    "embed_images": Toy(
        ("--rows", "20", "--here", *ONCE),
        ("our Beam build", "plain pyarrow", "Hugging Face"),
        compared=True,
    ),
    "evaluate": Toy(("--rows", "200"), ("gqa, 200", "visdial, 2")),
    "fetch_images": Toy(("--rows", "20", *ONCE), ("fetch-images, 384 px", "urllib3 alone")),
    "fetch": Toy(("--rows", "4", *ONCE), ("ours, hashed", "curl --parallel, four files")),
    "miniature": Toy(
        ("--scenes", "12", "--seeds", "1", "--steps", "16", "--only", "plain"),
        ("plain", "plain, own wording"),
        folder="--work",
    ),
    "ocr": Toy(("--rows", "12", *ONCE), ("ocr", "ocr, 480 px"), needs=("rapidocr", "onnxruntime")),
    "own_sources": Toy(
        ("--rows", "50", *ONCE), ("source file, JSON lines", "source file, large JSON")
    ),
    "plan": Toy(
        ("--shares", "0.00001", "--only-estimated", "", "--workers", "10", "--patience", "0"),
        ("0.00001, estimated", "0.00001, built"),
    ),
    "read_json": Toy(("--rows", "500", *ONCE), ("long rows: our index", "short rows: msgspec")),
    "scaling": Toy(
        ("--rows", "8", "--processes", "1", "--trained-set", "small", *ONCE),
        ("1 process",),
    ),
    "startup": Toy(("--rows", "10", *ONCE), ("--help", "a build of 10 rows")),
    "stores": Toy(("--rows", "20", *ONCE), ("build, local", "build, bucket", "read, bucket")),
    "stream": Toy(("--rows", "64", *ONCE), ("our stream", "64 readers, a cache each")),
    "train_step": Toy(
        (
            *("--model", "small", "--lengths", "8+4", "--samples", "2", "--steps", "1", *ONCE),
            *("--contestants", "ours", "plain", "cached", "unfrozen", "eager", "fed", "zero0"),
        ),
        ("small ours, 2x8+4", "small plain, 2x8+4", "small fed, 2x8+4"),
    ),
    "workers": Toy(("--rows", "50", *ONCE), ("50 rows, one process", "400 rows, two processes")),
}
"""By script. Left out: libraries in environments of their own, `torch.compile`, two processes of `scaling`, and settings of `miniature` that train alike."""


def test_every_benchmark_has_a_toy() -> None:
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"__init__"}
    assert scripts == set(TOYS)


class RunHere:
    """Stands in for the processes of the harness: seconds are those of this one, memory is none."""

    def __init__(self, compared: bool) -> None:
        self.compared = compared
        self.told: dict[str, Mapping[str, Any]] = {}

    def __call__(
        self, case: Case, source: Path, output: Path, follow: Callable[..., Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        if case.name not in self.told or self.compared:
            self.told[case.name] = self.run(case, source, output)
        told = self.told[case.name]
        timed = follow is measure._wait
        return (time.perf_counter(), told["done"]["cpu_seconds"]) if timed else Memory(0, 0), told

    @staticmethod
    def run(case: Case, source: Path, output: Path) -> Mapping[str, Any]:
        module = importlib.import_module(f"benchmarks.{case.module}")
        if groups := sys.modules.get("deepspeed.utils.groups"):
            groups._WORLD_GROUP = None  # of the case before, which has left it
        ready = clock()
        report = module.run(str(source), str(output), *case.arguments)
        return {"ready": ready, "done": clock(), "report": json.loads(json.dumps(report))}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TOYS))
def test_a_benchmark_runs_to_its_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in TOYS[name].needs:
        pytest.importorskip(package, reason=f"{package} is not part of dev")
    run_toy(name, tmp_path, monkeypatch)


def test_an_opponent_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.read_json.ABSENT", ["orjson", "ijson"])
    found = run_toy("read_json", tmp_path, monkeypatch)
    assert not any("orjson" in name or "ijson" in name for name in found)
    sentence = "Not installed, and left out: orjson, ijson."
    assert sentence in capsys.readouterr().out
    assert sentence in (tmp_path / "results.md").read_text(encoding="utf-8")


def run_toy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """The results by case."""
    toy = TOYS[name]
    script = importlib.import_module(f"benchmarks.{name}")
    out = tmp_path / "results.json"
    arguments = [*toy.arguments, toy.folder, str(tmp_path / "scratch"), "--out", str(out)]
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.setattr(measure, "PATIENCE_SECONDS", 0)
    if toy.here:
        monkeypatch.setattr(measure, "_run", RunHere(toy.compared))
    script.main()
    results = json.loads(out.read_text(encoding="utf-8"))
    found = results["cases"] if "cases" in results else results["found"]
    assert set(toy.names) <= set(found)
    assert all(found.values())
    assert out.with_suffix(".md").read_text(encoding="utf-8").startswith("# ")
    cases: Mapping[str, Any] = found
    return cases
