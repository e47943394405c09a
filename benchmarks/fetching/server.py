"""An image server with a latency, in a process of its own; it answers at every loopback address of this machine.

`python -m benchmarks.fetching.server FOLDER SECONDS` serves the files of FOLDER in turn, whatever is asked for, and
writes its port to `FOLDER.port`.
"""

import asyncio
import sys
from itertools import cycle
from pathlib import Path


class Pages(asyncio.Protocol):
    """A connection: each request gets the next image once the latency is over."""

    def __init__(self, responses: "cycle[bytes]", latency: float) -> None:
        self.responses, self.latency = responses, latency
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            _, _, self.received = self.received.partition(b"\r\n\r\n")
            loop = asyncio.get_running_loop()
            loop.call_later(self.latency, self.transport.write, next(self.responses))


async def serve(folder: Path, latency: float) -> None:
    bodies = [path.read_bytes() for path in sorted(folder.iterdir())]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    responses = cycle([head % len(body) + body for body in bodies])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Pages(responses, latency), "0.0.0.0", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    Path(f"{folder}.port.new").write_text(str(port))
    Path(f"{folder}.port.new").rename(f"{folder}.port")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2])))
