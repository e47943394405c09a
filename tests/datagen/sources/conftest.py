"""A Hub of our own: the few addresses that `huggingface_hub` asks for, from a server in this process."""

import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from huggingface_hub import constants

SHA = "7d5be0f9a868f835ee26f74cba3baa743c1be07d"


class FakeHub:
    """Repositories by name, each the same at every commit; `status` is what it answers in place of them."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.requests: list[str] = []
        self.status: int | None = None

    def put(self, repo: str, name: str, data: bytes | str) -> None:
        content = data if isinstance(data, bytes) else data.encode()
        self.repositories.setdefault(repo, {})[name] = content

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        self.requests.append(path)
        if self.status is not None:
            return self.status, b"", {}
        parts = path.partition("?")[0].strip("/").removeprefix("api/").split("/")
        repo, rest = "/".join(parts[1:3]), "/".join(parts[5:])
        what = parts[3] if len(parts) > 3 else "revision"
        commit = parts[4] if len(parts) > 4 and len(parts[4]) == len(SHA) else SHA
        files = self.repositories.get(repo)
        if files is None:
            return 404, b"{}", {"X-Error-Code": "RepoNotFound"}
        if what == "revision":
            return 200, _json({"id": repo, "sha": commit, "siblings": []}), {}
        if what == "tree":
            listed = [
                {"type": "file", "path": name, "size": len(data), "oid": _digest(data)}
                for name, data in files.items()
            ]
            return 200, _json(listed), {}
        if rest not in files:
            return 404, b"", {"X-Error-Code": "EntryNotFound"}
        return 200, files[rest], {"ETag": f'"{_digest(files[rest])}"', "X-Repo-Commit": commit}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _digest(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def fake_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """The Hub, and a cache of it that is empty."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = hub.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()
