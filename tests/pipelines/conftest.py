"""The command line in this process, small drawn raw data, and what must be true of every dataset."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from datagen.dataset import open_dataset
from datagen.files import LocalFiles
from datagen.sample.write import write_sample
from datagen.schema.manifest import (
    MANIFEST_NAME,
    MIXTURE_NAME,
    Manifest,
    content_hash,
    read_manifest,
)
from datagen.schema.rejects import decode_rejections
from datagen.sources import load_source
from pipelines.cli.main import main

NUM_SCENES = 24
SIX = ("coco_caption", "vqav2", "vqav2_qg", "scienceqa", "visdial", "msvd_qa")
"""Sources of six shapes; what holds of every source is shown in `test_all_sources.py`."""


class Outcome(NamedTuple):
    """Exit status and output of a command."""

    status: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """Return the messages to the user, without the lines of progress."""
        assert "Traceback" not in self.err, self.err
        assert "visinstruct" in self.err, self.err
        return self.err[self.err.index("visinstruct") :].strip()


@pytest.fixture(scope="session")
def six() -> tuple[str, ...]:
    """The sources of `raw`."""
    return SIX


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw files of six sources for a few scenes, to be read only."""
    folder = tmp_path_factory.mktemp("sample") / "raw"
    write_sample(folder, num_scenes=NUM_SCENES, sources=SIX)
    return folder


@pytest.fixture(scope="session")
def all_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw files of all sources, to be read only."""
    folder = tmp_path_factory.mktemp("all") / "raw"
    write_sample(folder, num_scenes=NUM_SCENES)
    return folder


@pytest.fixture(scope="session")
def all_embedded(all_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of all sources with its images, to be read only."""
    out = tmp_path_factory.mktemp("all embedded") / "instruct"
    assert main(["build", "--raw", str(all_raw), "--out", str(out), "--images", "embed"]) == 0
    return out


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test cuts the power, so that none needs to wait until bytes are on the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def raw_copy(raw: Path, tmp_path: Path) -> Path:
    """The raw files, to be damaged."""
    return Path(shutil.copytree(raw, tmp_path / "raw"))


@pytest.fixture(scope="session")
def built(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with references to its images, to be read only."""
    out = tmp_path_factory.mktemp("built") / "instruct"
    assert main(["build", "--raw", str(raw), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def embedded(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with its images, to be read only."""
    out = tmp_path_factory.mktemp("embedded") / "instruct"
    assert main(["build", "--raw", str(raw), "--out", str(out), "--images", "embed"]) == 0
    return out


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs a command in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = int(stop.code or 0)
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture
def build(run: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Runs a build in this process."""

    def build(raw: Path, out: Path, *options: object) -> Outcome:
        return run("build", "--raw", raw, "--out", out, *options)

    return build


@pytest.fixture
def refused(run: Callable[..., Outcome]) -> Callable[..., str]:
    """Runs a command that must be refused; returns the message."""

    def refused(*arguments: object) -> str:
        outcome = run(*arguments)
        assert outcome.status == 2, outcome
        return outcome.message

    return refused


class Process(subprocess.Popen):
    """A command in a process, and a process group, of its own."""

    def __init__(self, *arguments: object, **options: Any) -> None:
        module = options.pop("module", "pipelines.cli")
        command = [sys.executable, "-m", module, *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        super().__init__(command, start_new_session=True, **{**pipes, **options})

    def end(self, timeout: float = 120) -> Outcome:
        out, err = self.communicate(timeout=timeout)
        return Outcome(self.returncode, out, err)


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Process]]:
    """Starts a command as a process; whatever still runs when the test ends is killed."""
    started: list[Process] = []
    temporary = str(tmp_path_factory.mktemp("temporary"))  # Beam leaves folders when it is killed

    def start(*arguments: object, **options: Any) -> Process:
        options["env"] = {**options.get("env", os.environ), "TMPDIR": temporary}
        started.append(Process(*arguments, **options))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.communicate()


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("report.json", "media_states.parquet")
    }


@pytest.fixture(scope="session")
def digests() -> Callable[[Path], dict[str, str]]:
    """sha256 of every file of a dataset but the report, which names time and machine."""
    return _digests


@pytest.fixture(scope="session")
def manifest_of() -> Callable[[Path], Manifest]:
    return lambda out: read_manifest(str(out), LocalFiles())


@pytest.fixture(scope="session")
def verify() -> Callable[[Path, Path], Manifest]:
    """Compares a manifest, number by number, with the files beside it and those it was made of."""

    def verify(out: Path, raw: Path) -> Manifest:
        manifest = read_manifest(str(out), LocalFiles())
        expected = {MANIFEST_NAME, MIXTURE_NAME, "README.md"}
        rejected: Counter[tuple[str, str, str]] = Counter()
        for source, splits in manifest.splits.items():
            for split, entry in splits.items():
                lost = sum(entry.rejected.values()) + sum(entry.filtered.values())
                assert entry.read == entry.written + lost, (source, split, entry)
                assert entry.written == sum(shard.rows for shard in entry.shards)
                for shard in entry.shards:
                    path = out / shard.path
                    data = path.read_bytes()
                    assert len(data) == shard.num_bytes
                    assert hashlib.sha256(data).hexdigest() == shard.sha256
                    assert pq.read_metadata(path).num_rows == shard.rows
                    expected.add(shard.path)
                rejected.update({(source, split, r): n for r, n in entry.rejected.items()})
        logged: Counter[tuple[str, str, str]] = Counter()
        for source, sha256 in manifest.rejected_files.items():
            data = (out / f"rejected/{source}.jsonl").read_bytes()
            assert hashlib.sha256(data).hexdigest() == sha256
            lines = data.decode("ascii").splitlines()
            assert all(json.loads(line)["source"] == source for line in lines)
            logged.update((r.source, r.split, r.reason.value) for r in decode_rejections(data))
            expected.add(f"rejected/{source}.jsonl")
        assert logged == rejected
        for entry in manifest.candidates.values():
            if entry.path is not None:
                data = (out / entry.path).read_bytes()
                assert hashlib.sha256(data).hexdigest() == entry.sha256
                expected.add(entry.path)
        for source, files in manifest.inputs.items():
            for name, file in files.items():
                data = (raw / load_source(source).card.folder / name).read_bytes()
                assert len(data) == file["num_bytes"]
                assert hashlib.sha256(data).hexdigest() == file["sha256"]
        hashed = content_hash(manifest.splits, manifest.template_hash, manifest.mixture)
        assert hashed == manifest.content_hash
        assert set(_digests(out)) == expected
        assert not list(out.parent.glob(f"{out.name}.staging-*"))
        return manifest

    return verify


@pytest.fixture(scope="session")
def records_of() -> Callable[..., list[Any]]:
    """All records of a dataset, or of one of its sources or splits."""

    def records_of(out: Path, source: str | None = None, split: str | None = None) -> list[Any]:
        dataset = open_dataset(str(out))
        return [
            record
            for each, splits in dataset.manifest.splits.items()
            for name in splits
            if source in (None, each) and split in (None, name)
            for record in dataset.records(each, name)
        ]

    return records_of


@pytest.fixture(scope="session")
def edit_json() -> Callable[[Path, Callable[[Any], Any]], None]:
    """Rewrites a JSON file by a function, which may change the document or return another."""

    def edit_json(path: Path, change: Callable[[Any], Any]) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        changed = change(document)
        path.write_text(json.dumps(document if changed is None else changed), encoding="utf-8")

    return edit_json


class Web(ThreadingHTTPServer):
    """A server of this process. A page is a status, headers and a body, or a function that answers as it likes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("", 0), _Pages)  # on every address of this machine
        self.pages: dict[str, tuple[int, dict[str, str], bytes] | Callable[[Any], None]] = {}
        self.asked: Counter[str] = Counter()
        self.ended = threading.Event()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_port}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that hang up."""


class _Pages(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Web

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        page = self.server.pages.get(self.path, (404, {}, b"nothing here"))
        if callable(page):
            page(self)
            return
        status, headers, body = page
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Print nothing."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """An empty server, reached at 127.0.0.1 and every other loopback address, without a proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Web() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def closed() -> Iterator[str]:
    """An address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{probe.getsockname()[1]}"
