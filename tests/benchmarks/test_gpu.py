"""The GPU benchmark on a CPU: its runner, and a rehearsal of its shorter parts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import Part, install, line, parts, run, table, write

ROOT = Path(__file__).resolve().parents[2]


def test_every_part_of_a_rehearsal_is_a_part_on_a_gpu() -> None:
    rehearsed, real = parts(rehearse=True), parts(rehearse=False)
    assert [part.module for part in rehearsed] == [part.module for part in real]
    assert sum(part.seconds for part in real[:4]) < 540


def test_a_part_that_fails_leaves_what_it_printed(tmp_path: Path) -> None:
    found = run(Part("machine", "benchmarks.gpu.machine", 60, ("abacus",)), 60, tmp_path, True)
    assert found["status"] == "failed"
    assert "abacus" in found["printed"]
    assert "abacus" in line("machine", found)


def test_a_part_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    found = run(Part("engine", "benchmarks.gpu.engine", 60, ("cpu", "small")), 1.0, tmp_path, True)
    assert found["status"] == "timed out"


def test_when_the_time_is_over_the_rest_is_skipped(tmp_path: Path) -> None:
    found = run(parts(rehearse=True)[0], 0.5, tmp_path, True)
    assert (found["status"], found["seconds"]) == ("skipped", 0.0)


def test_results_are_written_as_they_come(tmp_path: Path) -> None:
    step = {"samples_per_s": 8.0, "flops_per_s": 1.0, "data_wait": 0.5, "peak_gpu_bytes": None}
    found = {
        "nano 2 ours": {
            "status": "ok",
            "seconds": 1.0,
            "says": {"ceiling": 4.0, "shapes": {"2x32+16": step, "4x32+16": None}},
        }
    }
    write(tmp_path / "new" / "gpu.json", found, rehearsed=True)
    assert json.loads((tmp_path / "new" / "gpu.json").read_text())["parts"] == found
    assert table(found)[1].split() == [
        "nano",
        "2",
        "ours,",
        "2x32+16",
        *["8.0", "25.0%", "50.0%", "0.0"],
    ]
    assert "out of memory" in table(found)[2]


def test_a_folder_without_wheels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no wheel in .*benchmarks\.gpu\.wheels"):
        install(tmp_path)


@pytest.mark.slow
def test_the_checks_pass_in_a_rehearsal(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    command = [sys.executable, "-m", "benchmarks.gpu", "--rehearse", "--out", str(out)]
    done = subprocess.run(
        [*command, "--only", "machine", "numerics", "engine", "inference"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())["parts"]
    assert {name: each["status"] for name, each in found.items()} == dict.fromkeys(
        ("machine", "numerics", "engine", "inference"), "ok"
    )
