"""A server that costs as little as it can: `python -m benchmarks.downloading.server FOLDER` prints its port."""

import functools
import os
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file by the kernel, without its bytes in this process."""
        self.wfile.flush()
        file: IO[bytes] = source
        offset, size = 0, os.fstat(file.fileno()).st_size
        while offset < size:
            offset += os.sendfile(
                self.connection.fileno(), file.fileno(), offset, min(size - offset, 1 << 22)
            )

    def log_message(self, format: str, *arguments: Any) -> None:
        """Print nothing."""


def main() -> None:
    handler = functools.partial(_Handler, directory=sys.argv[1])
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
