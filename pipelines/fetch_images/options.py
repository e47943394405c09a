"""Options of a download of images."""

from dataclasses import dataclass, field

from pipelines.fetch.http import Rules

MAX_WAIT_SECONDS = 300.0
"""The longest rest that a server may ask for; a URL that would have to wait longer fails."""


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """How images are downloaded, by every worker alike.

    Args:
        out: The folder of the images and of the result file.
        max_side: Pixels; larger images are shrunk on the way in.
        max_bytes: Of a body.
        tries: Requests for a URL whose server is busy, silent or out of order for the moment.
        host_rate: Requests a second to one host; None for any number.
        host_connections: Requests to one host at a time.
        connections: Requests of a worker at a time.
        rules: Of each request.
    """

    out: str
    max_side: int | None = None
    max_bytes: int = 20 << 20
    tries: int = 3
    host_rate: float | None = 10.0
    host_connections: int = 4
    connections: int = 64
    rules: Rules = field(default_factory=lambda: Rules(total_seconds=60.0))
