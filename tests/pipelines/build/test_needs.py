"""What an engine lacks is said before a build starts, with the command that brings it."""

import socket
import stat
import sys
import zipfile

import pytest

from datagen.errors import OptionError
from pipelines.build import dask_cluster, needs
from pipelines.build.beam_options import DASK_RUNNER, beam_options
from pipelines.build.dask_cluster import DaskCluster, check_workers
from pipelines.build.fingerprint import different_versions, worker_versions
from pipelines.build.needs import can_connect, check_engine, engine_name, find_prism

PRISM = "go install github.com/apache/beam/sdks/v2/go/cmd/prism@v"


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """No test waits for a service that is not there."""
    monkeypatch.setattr(needs, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(dask_cluster, "WORKER_SECONDS", 0.2)


@pytest.fixture
def listening():
    """An address at which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def program(tmp_path):
    """Writes a program that prints a text; returns its path."""

    def program(text, mode=0o755):
        path = tmp_path / "prism"
        path.write_text(f"#!{sys.executable}\nprint({text!r})\n")
        path.chmod(mode)
        return path

    return program


def check(*arguments):
    said = []
    options = beam_options(arguments, [])
    check_engine(options, said.append)
    return options, said


def refusal(*arguments):
    with pytest.raises(OptionError) as error:
        check(*arguments)
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "fnapi"),
        (["--runner=PrismRunner"], "prism"),
        (["--runner=PortableRunner", "--job_endpoint=embed"], "portable"),
        ([f"--runner={DASK_RUNNER}"], "dask"),
        (["--runner=DaskRunner"], "dask"),
        (["--runner", "dask"], "dask"),
    ],
)
def test_an_engine_has_a_short_name(arguments, name):
    if name == "dask":
        pytest.importorskip("distributed")
    assert engine_name(beam_options(arguments, [])) == name


def test_this_process_needs_nothing():
    assert check()[1] == []


def test_a_prism_that_is_not_there_is_refused(tmp_path, program):
    runner = "--runner=PrismRunner"
    where = f"--prism_location={tmp_path / 'prism'}"
    assert refusal(runner, where).startswith(f"{where}: no such file; {PRISM}")
    program("-job_port int", stat.S_IRUSR)
    assert refusal(runner, where).startswith(f"{where} cannot be run (Permission denied); {PRISM}")
    program("another one")
    assert refusal(runner, where).startswith(f"{where} is another program than Prism; {PRISM}")
    program("-job_port int")
    assert check(runner, where)[1] == []
    with zipfile.ZipFile(tmp_path / "prism", "w") as archive:
        archive.writestr("prism", "")
    assert check(runner, where)[1] == []


def test_an_installed_prism_is_found_and_none_is_downloaded(tmp_path, program, monkeypatch):
    for name in ("GOPATH", "HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    assert refusal("--runner=PrismRunner").startswith(
        f"--runner=PrismRunner needs Prism, which is not installed: {PRISM}"
    )
    path = str(program("-job_port int"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_prism() == path
    options, _ = check("--runner=PrismRunner")
    assert options.get_all_options()["prism_location"] == path


def test_a_pool_of_workers_must_listen(closed, listening, program):
    prism = ("--runner=PrismRunner", f"--prism_location={program('-job_port int')}")
    pool = "--environment_type=EXTERNAL"
    message = refusal(*prism, pool, f"--environment_config={closed}")
    assert message.startswith(f"--environment_config={closed}: no pool of workers answers there;")
    assert message.endswith(f"worker_pool_main --service_port {closed.rpartition(':')[2]}")
    assert check(*prism, pool, f"--environment_config={listening}")[1] == []


def test_a_job_service_must_listen(closed, listening):
    runner = "--runner=PortableRunner"
    message = refusal(runner, f"--job_endpoint={closed}")
    assert message.startswith(f"--job_endpoint={closed}: no job service answers there;")
    assert message.endswith(f"local_job_service_main --port {closed.rpartition(':')[2]}")
    check(runner, f"--job_endpoint={listening}")
    check(runner, "--job_endpoint=embed")


def test_flink_and_spark_need_java_their_jar_and_a_master(
    closed, listening, tmp_path, monkeypatch, program
):
    flink = "--runner=FlinkRunner"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs Java, which is not installed" in refusal(flink)
    program("").rename(tmp_path / "java")
    check(flink)
    check(flink, f"--flink_master={listening}")
    assert "no Flink master answers there" in refusal(flink, f"--flink_master={closed}")
    assert "no Flink master answers there" in refusal(flink, f"--flink_master=http://{closed}")
    jar = "--flink_job_server_jar=/nowhere/server.jar"
    assert f"{jar}: no such file" in refusal(flink, jar)
    spark = "--runner=SparkRunner"
    check(spark)
    check(spark, f"--spark_master_url=spark://{listening}")
    assert "no Spark master answers there" in refusal(spark, f"--spark_master_url=spark://{closed}")


def test_addresses_that_are_none_cannot_be_reached(closed):
    for place in (closed, "", "localhost", "localhost:http", "localhost:99999999", "no.invalid:80"):
        assert not can_connect(place)


def test_a_dask_scheduler_must_answer(closed, tmp_path):
    pytest.importorskip("distributed")
    option = f"--dask_client_address=tcp://{closed}"
    message = refusal("--runner=DaskRunner", option)
    assert message.startswith(f"{option}: no Dask scheduler answers there (")
    assert message.endswith("start one by dask scheduler --host HOST --port 8786")
    file = tmp_path / "scheduler.json"
    option = f"--dask_scheduler_file={file}"
    assert refusal("--runner=DaskRunner", option).startswith(f"{option}: no such file;")
    for text in ("", "[]", "{}"):
        file.write_text(text)
        assert "is not a file that a Dask scheduler wrote" in refusal("--runner=DaskRunner", option)


def test_a_dask_scheduler_without_workers_is_told(tmp_path):
    distributed = pytest.importorskip("distributed")
    said = []
    with distributed.LocalCluster(
        n_workers=0, processes=False, dashboard_address=None, protocol="tcp"
    ) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(OptionError) as error:
            DaskCluster(address, None).check(said.append)
    assert said == [f"waiting for a worker to connect to the Dask scheduler at {address}"]
    assert str(error.value) == (
        f"--dask_client_address={address}: no worker is connected to the scheduler; start one by "
        f"dask worker {address} --nthreads 1"
    )


def test_a_dask_worker_with_our_versions_is_accepted():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, processes=False, dashboard_address=None, protocol="tcp"
    ) as cluster:
        assert DaskCluster(cluster.scheduler_address, None).check(print) == 1
    assert DaskCluster(None, None).check(print) == 0  # Beam starts one, of this process's versions


def test_a_worker_of_other_versions_is_refused_with_names_and_versions():
    ours = worker_versions()
    assert {"visinstruct", "code", "python", "pyarrow", "apache-beam"} <= set(ours)
    check_workers({"tcp://one": ours})
    theirs = {**ours, "apache-beam": "2.70.0", "pyarrow": "1.0"}
    with pytest.raises(OptionError) as error:
        check_workers({"tcp://one": ours, "tcp://two": theirs})
    assert str(error.value) == (
        f"the Dask worker tcp://two has pyarrow 1.0 instead of {ours['pyarrow']}, apache-beam 2.70.0 "
        f"instead of {ours['apache-beam']}; install the same versions on all machines"
    )


def test_a_worker_without_visinstruct_is_refused():
    error = ModuleNotFoundError("No module named 'pipelines'")
    with pytest.raises(OptionError, match=r"tcp://two cannot load visinstruct .*'pipelines'"):
        check_workers({"tcp://two": error})


def test_a_version_that_is_missing_is_a_difference():
    assert different_versions({"a": "1"}, {}) == "a missing instead of 1"
    assert different_versions({"a": "1"}, {"a": "1", "b": "2"}) == ""
