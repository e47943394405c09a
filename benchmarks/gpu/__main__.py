"""Checks what runs on a GPU against fp32 on the CPU, then measures it, within a time limit.

`python -m benchmarks.gpu [--rehearse] [--seconds S] [--only PART ...] [--wheels DIR] [--out FILE.json]`

Each part is a process of its own with its own time limit, in order of worth: when the time is over, the
rest is skipped. The results are written after every part, so that a run that is cut short leaves what it
has found. `--rehearse` runs every part on the CPU with small models. `--wheels` takes a folder that
`python -m benchmarks.gpu.wheels` filled, for a machine without a package index.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results"
PACKAGES_FOLDER = "visinstruct-gpu-packages"
KILLED_AFTER_SECONDS = 5.0


@dataclass(frozen=True)
class Part:
    """A process: `module` has a `run(source, output, *arguments)`; `seconds` is its time limit."""

    name: str
    module: str
    seconds: float
    arguments: tuple[str, ...]


def parts(rehearse: bool) -> list[Part]:
    """All parts, in order of worth."""
    device = "cpu" if rehearse else "cuda"
    found = [
        Part("machine", "benchmarks.gpu.machine", 60, (device,)),
        Part("numerics", "benchmarks.gpu.numerics", 90, (device,)),
        Part("engine", "benchmarks.gpu.engine", 90, (device, "small" if rehearse else "shallow")),
        Part("inference", "benchmarks.gpu.inference", 90, (device,)),
    ]
    models = ("middle", "small") if rehearse else ("flan_t5_xl", "vicuna_7b")
    small, large = (2, 4) if rehearse else (24, 48)
    ways = {
        "ours": ("benchmarks.step.ours", ("ready", "as it is")),
        "plain": ("benchmarks.step.hugging_face", ("frozen",)),
        "fed": ("benchmarks.step.ours", ("2" if rehearse else "8", "as it is")),
    }
    steps = [(small, model, way) for model in models for way in ("ours", "plain")]
    steps += [(small, model, "fed") for model in models]
    steps += [(large, model, way) for model in models for way in ("ours", "plain")]
    for samples, model, way in steps:
        module, first = ways[way]
        given = (model, device, "3" if rehearse else "6", "1", "sdpa", f"{samples}x32+16")
        found.append(Part(f"{model} {samples} {way}", module, 90, (*first, *given)))
    return found


def main() -> None:
    chosen = parse()
    if chosen.wheels is not None:
        os.environ["PYTHONPATH"] = os.pathsep.join(
            [str(install(chosen.wheels)), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
    started = time.monotonic()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="gpu-", dir=chosen.scratch) as folder:
        for part in parts(chosen.rehearse):
            if chosen.only and part.name.partition(" ")[0] not in chosen.only:
                continue
            left = chosen.seconds - (time.monotonic() - started)
            found[part.name] = run(part, min(part.seconds, left), Path(folder), chosen.rehearse)
            write(chosen.out, found, rehearsed=chosen.rehearse)
            print(line(part.name, found[part.name]), flush=True)
    print(*table(found), sep="\n")
    bad = [name for name, each in found.items() if each["status"] in ("failed", "timed out")]
    if bad:
        raise SystemExit(f"{len(bad)} of {len(found)} parts found nothing: {', '.join(bad)}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__)
    add = parser.add_argument
    add("--rehearse", action="store_true", help="every part on the CPU, with small models")
    add("--seconds", type=float, default=540.0, help="of the whole run (default: 540)")
    add("--only", nargs="+", metavar="PART", help="such as numerics, or flan_t5_xl")
    add("--wheels", type=Path, metavar="DIR", help="install these first, without an index")
    add("--scratch", metavar="DIR")
    add("--out", type=Path, default=RESULTS / "gpu.json", metavar="FILE.json")
    return parser.parse_args()


def install(wheels: Path) -> Path:
    """Install the folder's wheels beside the packages that are there; returns where to."""
    target = Path(tempfile.gettempdir(), PACKAGES_FOLDER)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    files = sorted(map(str, wheels.glob("*.whl")))
    if not files:
        raise SystemExit(
            f"no wheel in {wheels}; `python -m benchmarks.gpu.wheels {wheels}` fills it"
        )
    subprocess.run([*pip, "--upgrade", "--target", str(target), *files], check=True)
    return target


def run(part: Part, seconds: float, folder: Path, rehearse: bool) -> dict[str, Any]:
    """Run one part; returns its status, seconds, and its report or the end of what it printed."""
    if seconds < 1:
        return {"status": "skipped", "seconds": 0.0, "why": "the time was over"}
    source, output = folder / part.name.partition(" ")[0], folder / part.name / "output"
    source.mkdir(exist_ok=True)
    output.mkdir(parents=True)
    report = folder / part.name / "report.json"
    environment = os.environ | ({"DS_ACCELERATOR": "cpu"} if rehearse else {})
    command = [sys.executable, "-m", "benchmarks.harness.child", str(report), part.module]
    before = time.monotonic()
    process = subprocess.Popen(
        [*command, str(source), str(output), *part.arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # its loader processes end with it
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed, _ = process.communicate(timeout=KILLED_AFTER_SECONDS)
        return {"status": "timed out", "seconds": seconds, "printed": printed[-2_000:]}
    spent = round(time.monotonic() - before, 1)
    if process.returncode != 0 or not report.is_file():
        return {"status": "failed", "seconds": spent, "printed": printed[-4_000:]}
    return {"status": "ok", "seconds": spent, "says": json.loads(report.read_text())["report"]}


def write(out: Path, found: Mapping[str, Any], *, rehearsed: bool) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    whole = {"date": time.strftime("%Y-%m-%d"), "rehearsed": rehearsed, "parts": found}
    out.write_text(json.dumps(whole, indent=1) + "\n")


def line(name: str, found: Mapping[str, Any]) -> str:
    """One part on one line, or more where it failed."""
    first = f"{name:20} {found['status']:9} {found['seconds']:6.1f} s"
    if found["status"] in ("failed", "timed out"):
        return f"{first}\n{found['printed']}"
    reported = found.get("says", {})
    shown = {key: value for key, value in reported.items() if not isinstance(value, dict)}
    return " ".join([first, *(f"{key}={_short(value)}" for key, value in shown.items())])


def table(found: Mapping[str, Any]) -> Sequence[str]:
    """Steps of every model and shape: samples/s, share of the measured ceiling, waiting, memory."""
    lines = [f"\n{'step':34} {'samples/s':>10} {'MFU':>6} {'waiting':>8} {'GPU GB':>7}"]
    for name, each in found.items():
        reported = each.get("says", {})
        for shape, step in reported.get("shapes", {}).items():
            if step is None:
                lines.append(f"{name + ', ' + shape:34} {'out of memory':>10}")
                continue
            share = step["flops_per_s"] / reported["ceiling"]
            memory = (step["peak_gpu_bytes"] or 0) / 1e9
            lines.append(
                f"{name + ', ' + shape:34} {step['samples_per_s']:10.1f} {share:6.1%} "
                f"{step['data_wait']:8.1%} {memory:7.1f}"
            )
    return lines


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
