"""`visinstruct engines`."""

import json
import socket
import sys

import pytest

from pipelines.build import dask_cluster, needs


@pytest.fixture(autouse=True)
def nothing_but_python(monkeypatch, tmp_path):
    """A machine without Prism, Java and Slurm, where no service is waited for."""
    for name in ("GOPATH", "HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    monkeypatch.setattr(needs, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 0.2)


@pytest.fixture
def engines(run):
    """Returns the exit status and the engines by name."""

    def engines(*options):
        outcome = run("engines", "--json", *options)
        return outcome.status, {each["name"]: each for each in json.loads(outcome.out)}

    return engines


def test_every_engine_has_a_line_and_its_command(run):
    outcome = run("engines")
    assert outcome.status == 0
    for name in ("this process", "worker processes", "Prism", "portable job service", "Dask"):
        assert f"\n{name}: visinstruct build --raw RAW --out OUT" in outcome.out
    for name in ("Slurm", "Flink", "Spark", "Dataflow"):
        assert f"\n{name}: visinstruct " in outcome.out
    assert "not run" in outcome.out
    assert "Java is missing" in outcome.out


def test_what_is_not_installed_is_named_and_is_no_failure(engines):
    status, found = engines()
    assert status == 0
    assert found["this process"]["is_usable"]
    for name, words in {
        "Prism": "go install github.com/apache/beam/sdks/v2/go/cmd/prism@v",
        "Slurm": "sbatch and srun are not on PATH",
        "Flink": "Java is missing",
    }.items():
        assert not found[name]["is_usable"]
        assert found[name]["installed"] is None
        assert words in found[name]["problem"]


def test_a_service_that_the_options_name_must_answer(engines, closed):
    status, found = engines(f"--job_endpoint={closed}")
    assert status == 1
    assert found["portable job service"]["reachable"] is False
    assert "no job service answers there" in found["portable job service"]["problem"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"127.0.0.1:{server.getsockname()[1]}"
        status, found = engines(f"--job_endpoint={endpoint}")
    assert status == 0
    assert found["portable job service"]["reachable"] is True
    assert f"--job_endpoint={endpoint} " in found["portable job service"]["command"]


def test_a_dask_scheduler_that_the_options_name_must_answer(engines, closed):
    pytest.importorskip("distributed")
    status, found = engines(f"--dask_client_address=tcp://{closed}")
    assert status == 1
    assert found["Dask"]["reachable"] is False
    assert "no Dask scheduler answers there" in found["Dask"]["problem"]
    assert found["Dask"]["command"].endswith(f"--dask_client_address=tcp://{closed}")


def test_a_prism_that_the_options_name_must_be_one(engines, tmp_path):
    prism = tmp_path / "prism"
    prism.write_text(f"#!{sys.executable}\nprint('-job_port')\n")
    status, found = engines(f"--prism_location={prism}")
    assert status == 1
    assert "cannot be run" in found["Prism"]["problem"]
    prism.chmod(0o755)
    status, found = engines(f"--prism_location={prism}")
    assert status == 0
    assert found["Prism"]["installed"] == str(prism)


def test_a_misspelt_option_is_refused_with_the_nearest(refused):
    assert "unknown option --job_endpont, did you mean '--job_endpoint'?" in refused(
        "engines", "--job_endpont=x"
    )
