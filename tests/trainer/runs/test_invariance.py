"""The same numbers whatever a batch is divided into: processes, accumulation, ZeRO stage."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("invariance_worker.py")


def losses(setup, environment, processes: int, plans: list[str]) -> dict[str, list[float]]:
    """Losses by plan, such as `stage=2 micro=4`, all run by one launch."""
    out = setup.folder / f"losses-{processes}.json"
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    ended = subprocess.run(
        [
            *(
                sys.executable,
                *launcher,
                "--rdzv-backend",
                "c10d",
                "--rdzv-endpoint",
                "127.0.0.1:0",
            ),
            *(str(WORKER), str(setup.config), str(out), *plans),
        ],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(out.read_text())


@pytest.mark.slow
def test_losses_are_equal_over_processes_accumulation_and_all_zero_stages(setup, run_environment):
    alone = losses(setup, run_environment, 1, ["stage=2 micro=8", "stage=0 micro=2"])
    plans = [f"stage={stage} micro={micro}" for stage in range(4) for micro in (4, 2)]
    shared = losses(setup, run_environment, 2, plans)
    reference = alone["stage=2 micro=8"]
    assert len(reference) == 6
    assert max(reference) - min(reference) > 0.01, "the steps must differ for this to say anything"
    found = {**alone, **{f"2 processes, {plan}": values for plan, values in shared.items()}}
    assert len(found) == 10
    for plan, values in found.items():
        worst = max(abs(a - b) for a, b in zip(values, reference, strict=True))
        assert worst < 1e-5, (plan, values, reference)
