import pytest
import torch

from trainer.errors import TrainingError
from trainer.launch.distributed import World, choose_device, first_host, read_launch


def test_without_a_launcher_there_is_one_process():
    launch = read_launch({})
    assert (launch.rank, launch.world_size, launch.launcher) == (0, 1, "none")


def test_variables_of_deepspeed_and_torchrun_are_read():
    launch = read_launch(
        {
            "RANK": "5",
            "WORLD_SIZE": "8",
            "LOCAL_RANK": "1",
            "LOCAL_WORLD_SIZE": "4",
            "MASTER_ADDR": "10.0.0.1",
            "MASTER_PORT": "1234",
        }
    )
    assert (launch.rank, launch.world_size, launch.local_rank, launch.local_world_size) == (
        5,
        8,
        1,
        4,
    )
    assert (launch.address, launch.port) == ("10.0.0.1", 1234)


SLURM = {
    "SLURM_PROCID": "5",
    "SLURM_NTASKS": "6",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_STEP_ID": "0",
    "SLURM_TASKS_PER_NODE": "4,2",
    "SLURM_NODELIST": "gpu[07-08]",
    "SLURM_JOB_ID": "123456",
}


def test_variables_of_srun_are_read():
    launch = read_launch(SLURM)
    assert (launch.rank, launch.world_size, launch.local_rank, launch.local_world_size) == (
        5,
        6,
        1,
        2,
    )
    assert (launch.address, launch.port, launch.launcher) == ("gpu07", 23456, "slurm")


def test_all_tasks_of_a_job_agree_on_the_port_and_another_job_has_another():
    ports = {read_launch({**SLURM, "SLURM_PROCID": str(rank)}).port for rank in range(6)}
    assert len(ports) == 1
    assert read_launch({**SLURM, "SLURM_JOB_ID": "123457"}).port not in ports


def test_a_batch_script_that_forgot_srun_is_told_so():
    alone = {key: value for key, value in SLURM.items() if key != "SLURM_STEP_ID"}
    with pytest.raises(TrainingError, match="start the tasks with srun"):
        read_launch(alone)


@pytest.mark.parametrize(
    ("nodes", "first"), [("gpu[07-08]", "gpu07"), ("a,b", "a"), ("n[3,9]", "n3"), ("one", "one")]
)
def test_the_first_host_of_a_node_list_is_found(nodes, first):
    assert first_host(nodes) == first


def test_the_cpu_is_chosen_where_it_is_asked_for():
    assert choose_device("cpu", read_launch({})).type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(TrainingError, match="would use GPU 0 of its host, which has 0"):
        choose_device("cuda", read_launch({}))


def test_a_world_of_one_sums_and_gathers_its_own_values():
    world = World(read_launch({}), torch.device("cpu"))
    assert world.sum([1, 2.5]) == [1.0, 2.5]
    assert world.gather("x") == ["x"]
    assert world.broadcast({"a": 1}) == {"a": 1}
