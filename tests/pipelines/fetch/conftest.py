"""A server whose file can be resumed, changes, stalls, lies or asks to wait."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest


class ServedFile:
    """A page of `web` that serves `body` by ranges; each of `before` answers one request in its place."""

    def __init__(self, body: bytes, etag: str | None = '"1"', *, ranges: bool = True) -> None:
        self.body, self.etag, self.ranges = body, etag, ranges
        self.before: list[Callable[[Any], None]] = []
        self.requests: list[dict[str, str]] = []

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def __call__(self, handler: Any) -> None:
        self.requests.append({k: v for k, v in handler.headers.items() if "Range" in k})
        if self.before:
            self.before.pop(0)(handler)
        else:
            self.send(handler)

    def send(self, handler: Any, *, only: int | None = None) -> None:
        """Answer as a server does, but break off after `only` bytes of the body."""
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1]) if self.ranges else 0
        if handler.headers.get("If-Range", self.etag) != self.etag:
            start = 0
        if start >= len(self.body) > 0:
            handler.send_response(416)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            last = len(self.body) - 1
            handler.send_header("Content-Range", f"bytes {start}-{last}/{len(self.body)}")
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.send_header("Content-Length", str(len(self.body) - start))
        handler.end_headers()
        end = len(self.body) if only is None else start + only
        handler.wfile.write(self.body[start:end])
        handler.wfile.flush()
        if only is not None:
            handler.close_connection = True

    def breaks_after(self, num_bytes: int) -> Callable[[Any], None]:
        return lambda handler: self.send(handler, only=num_bytes)


@pytest.fixture
def serve(web: Any) -> Iterator[Callable[..., ServedFile]]:
    """Serve a body at a path of `web`."""

    def serve(path: str, body: bytes, etag: str | None = '"1"', **options: Any) -> ServedFile:
        page = ServedFile(body, etag, **options)
        web.pages[path] = page
        return page

    return serve
