"""The same line under every launcher: the same losses. Without a C++ compiler as well."""

import os

import pytest

from trainer.launch.distributed import free_port


@pytest.fixture
def losses(warm, setup, read_events):
    def read(output) -> list[float]:
        return [line["loss"] for line in read_events(output)]

    warm.run(setup, f"output={setup.output('alone')}").check()
    alone = read(setup.output("alone"))
    assert len(alone) == 6
    assert max(alone) - min(alone) > 0.01, "the steps must differ for this to say anything"
    return lambda output: (read(output), alone)


def test_tasks_of_srun_find_each_other_and_reach_the_losses_of_one_process(warm, setup, losses):
    """Its variables, set by hand; the host's name is resolved as a cluster's would be."""
    job = {
        "SLURM_NTASKS": "2",
        "SLURM_STEP_ID": "0",
        "SLURM_JOB_ID": str(free_port()),
        "SLURM_TASKS_PER_NODE": "2",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NODEID": "0",
    }
    tasks = [
        warm.start(setup, **job, SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank))
        for rank in range(2)
    ]
    assert [task.end().status for task in tasks] == [0, 0], [task.printed for task in tasks]
    found, alone = losses(setup.output())
    assert found == pytest.approx(alone, abs=1e-5)


@pytest.mark.slow
def test_processes_started_by_hand_reach_the_losses_of_one(warm, setup, losses):
    processes = warm.start_all(setup, 2)
    assert [process.end().status for process in processes] == [0, 0]
    found, alone = losses(setup.output())
    assert found == pytest.approx(alone, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "deepspeed", "visinstruct"])
def test_launchers_reach_the_losses_of_one_process_without_a_compiler(
    setup, losses, launcher, tmp_path
):
    """Nothing at all is on PATH, and there is nowhere a compiled extension could come from."""
    nothing, extensions = tmp_path / "bin", tmp_path / "extensions"
    nothing.mkdir()
    extensions.mkdir()
    variables = {"PATH": str(nothing), "TORCH_EXTENSIONS_DIR": str(extensions)}
    setup.run(processes=2, launcher=launcher, **variables).check()
    assert os.listdir(extensions) == []
    found, alone = losses(setup.output())
    assert found == pytest.approx(alone, abs=1e-5)


@pytest.mark.slow
def test_plain_python_reaches_the_same_losses_without_a_compiler(setup, losses, tmp_path):
    setup.run(PATH=str(tmp_path), TORCH_EXTENSIONS_DIR=str(tmp_path / "extensions")).check()
    found, alone = losses(setup.output())
    assert found == alone
    assert not (tmp_path / "extensions").exists()
