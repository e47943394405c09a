"""HTTP requests that are safe to make for addresses of strangers, on urllib3.

A `Client` follows a bounded number of redirects, connects to public addresses only, bounds the time of a
request as a whole and that of each silence, and turns every failure into a `RequestError`. Threads share it.
Proxies are those of the environment.
"""

import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from http.client import IncompleteRead
from importlib.metadata import version
from typing import Any
from urllib.parse import urljoin

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    DecodeError,
    HTTPError,
    LocationParseError,
    ProtocolError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as UrllibTimeoutError
from urllib3.util import Timeout, Url, parse_url

from pipelines.fetch.addresses import PrivateAddressError, connect, resolve
from pipelines.fetch.proxies import Proxies, check_target, proxy_of
from pipelines.fetch.reasons import FetchReason, RequestError, status_error

CHUNK_BYTES = 1 << 16
MAX_URL_CHARS = 8_000
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_MAX_DRAINED_BYTES = 1 << 14
_WATCH_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of requests.

    `read_seconds` bounds a silence, `total_seconds` a request with its redirects, and `head_seconds` the same up to the
    first byte of the body, where `total_seconds` is None.
    """

    connect_seconds: float = 10.0
    read_seconds: float = 20.0
    total_seconds: float | None = None
    head_seconds: float | None = None
    max_redirects: int = 5
    allow_private: bool = False
    user_agent: str = f"visinstruct/{version('visinstruct')}"
    connections_per_host: int = 8
    max_hosts: int = 256
    """Hosts to which connections are kept open."""


def parse(url: str) -> Url:
    """Return the parts of an address; the host is in lower case.

    Raises:
        RequestError: it is no address of http or https.
    """
    try:
        found = parse_url(url.strip())
    except LocationParseError:
        raise RequestError(FetchReason.BAD_URL, f"{_shown(url)} is no URL") from None
    if found.scheme is not None and found.scheme not in _PORTS and ":" in url:
        raise RequestError(
            FetchReason.UNSUPPORTED_SCHEME, f"{_shown(url)} is neither http nor https"
        )
    if found.scheme is None or not found.host or len(url) > MAX_URL_CHARS:
        raise RequestError(FetchReason.BAD_URL, f"{_shown(url)} is no URL")
    return found


def _shown(url: str) -> str:
    return repr(url if len(url) <= 200 else f"{url[:200]}..")


class Response:
    """The head of a successful response, and its body in chunks."""

    def __init__(self, response: urllib3.BaseHTTPResponse, url: str, call: "_Call") -> None:
        self._response, self._call = response, call
        self.url, self.status = url, response.status
        self.headers: Mapping[str, str] = response.headers

    @property
    def num_bytes(self) -> int | None:
        """The length that the server announces; None if it does not."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the body.

        Raises:
            RequestError: it is shorter than announced, or takes too long.
        """
        with self._call.errors():
            yield from self._response.stream(size)

    def arriving(self, size: int = 1 << 20) -> Iterator[bytes]:
        """Yield the body as it arrives and as it is sent, in chunks of at most `size`: no encoding is undone.

        Raises:
            RequestError: it is shorter than announced, or takes too long.
        """
        with self._call.errors():
            while data := self._response.read1(size, decode_content=False):
                yield data


class Client:
    """Makes requests by the same rules; keeps connections open for the next one to the same host."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self._pools: OrderedDict[tuple[str, str, int], urllib3.HTTPConnectionPool] = OrderedDict()
        self._lock = threading.Lock()
        self._watch = _Watch()
        own: dict[str, Any] = {"watch": self._watch, "allow_private": True}
        pools: dict[str, Callable[..., urllib3.HTTPConnectionPool]] = {
            "http": partial(_HttpPool, **own),
            "https": partial(_HttpsPool, **own),
        }
        self._proxies = Proxies(pools, self.rules.connections_per_host)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._watch.close()
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()
        self._proxies.close()

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Response]:
        """Request a URL, follow redirects, and give the response while the context lasts.

        Raises:
            RequestError: there is no successful response (200 or 206).
        """
        total = self.rules.total_seconds
        with self._watch.call(self.rules.head_seconds if total is None else total) as call:
            response, final = self._follow(url, headers or {}, call)
            if total is None:
                call.ends = None
            try:
                if response.status not in (200, 206):
                    error = status_error(response.status, response.headers.get("Retry-After"))
                    _drain(response)
                    raise error
                yield Response(response, final, call)
            finally:
                if response.length_remaining == 0:
                    response.release_conn()
                else:  # nothing happens if the body was read to its end
                    response.close()

    def _follow(
        self, url: str, headers: Mapping[str, str], call: "_Call"
    ) -> tuple[urllib3.BaseHTTPResponse, str]:
        seen: list[str] = []
        while True:
            parts = parse(url)
            if url in seen or len(seen) > self.rules.max_redirects:
                what = (
                    "in a circle" if url in seen else f"more than {self.rules.max_redirects} times"
                )
                raise RequestError(FetchReason.TOO_MANY_REDIRECTS, f"it redirects {what}")
            seen.append(url)
            response = self._request(parts, headers, call)
            if response.status not in _REDIRECTS:
                return response, url
            location = response.headers.get("Location", "")
            _drain(response)
            url = _target(url, location)

    def _request(
        self, url: Url, headers: Mapping[str, str], call: "_Call"
    ) -> urllib3.BaseHTTPResponse:
        rules = self.rules
        with call.errors():
            return self._sender(url)(
                headers={
                    "User-Agent": rules.user_agent,
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",
                    **headers,
                },
                retries=False,
                redirect=False,
                preload_content=False,
                timeout=Timeout(connect=rules.connect_seconds, read=rules.read_seconds),
            )

    def _sender(self, url: Url) -> Callable[..., urllib3.BaseHTTPResponse]:
        """Return the function that sends a GET request to a URL."""
        proxy = proxy_of(url)
        if proxy is None:
            return partial(self._pool(url).urlopen, "GET", url.request_uri, assert_same_host=False)
        if not self.rules.allow_private:
            check_target(url, url.port or _PORTS[url.scheme or "http"])
        return partial(self._proxies.manager(proxy, _tls()).urlopen, "GET", url.url)

    def _pool(self, url: Url) -> urllib3.HTTPConnectionPool:
        scheme, host = url.scheme or "http", url.host or ""
        key = scheme, host, url.port or _PORTS[scheme]
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = self._new_pool(*key)
                if len(self._pools) > self.rules.max_hosts:
                    self._pools.popitem(last=False)  # closed once its last response is
            else:
                self._pools.move_to_end(key)
            return pool

    def _new_pool(self, scheme: str, host: str, port: int) -> urllib3.HTTPConnectionPool:
        own: dict[str, Any] = {"watch": self._watch, "allow_private": self.rules.allow_private}
        size = self.rules.connections_per_host
        if scheme == "https":
            return _HttpsPool(host, port, maxsize=size, ssl_context=_tls(), **own)
        return _HttpPool(host, port, maxsize=size, **own)


@cache
def _tls() -> ssl.SSLContext:
    """Return the context of all connections, since reading the system's certificates takes 50 ms."""
    return ssl.create_default_context()


def _target(url: str, location: str) -> str:
    """Return the URL that a response redirects to.

    Raises:
        RequestError: there is none.
    """
    if not location:
        raise RequestError(FetchReason.BAD_REDIRECT, "it redirects without an address")
    with suppress(UnicodeError):  # header values are read as Latin-1
        location = location.encode("latin-1").decode()
    try:
        target = urljoin(url, location)
        parse(target)
    except (ValueError, RequestError) as error:
        if isinstance(error, RequestError) and error.reason is FetchReason.UNSUPPORTED_SCHEME:
            raise
        raise RequestError(
            FetchReason.BAD_REDIRECT, f"it redirects to {_shown(location)}, which is no URL"
        ) from None
    return target


def _drain(response: urllib3.BaseHTTPResponse) -> None:
    """Read a short body to its end, so that the connection can be used again; else close it."""
    remaining = response.length_remaining
    try:
        if remaining is not None and remaining <= _MAX_DRAINED_BYTES:
            response.read(_MAX_DRAINED_BYTES)
            response.release_conn()
            return
    except (HTTPError, OSError):
        pass
    response.close()


class _Call:
    """One request with its redirects. `handle` is a duplicate of the socket that it waits for."""

    def __init__(self, ends: float | None) -> None:
        self.ends, self.expired = ends, False
        self.handle: socket.socket | None = None
        self.closed: list[socket.socket] = []  # their connection is, their body may not be

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn exceptions of urllib3 into `RequestError`s.

        Raises:
            RequestError: what was raised, or the time is up.
        """
        try:
            yield
        except (HTTPError, OSError, ValueError) as error:
            raise self._late() if self.expired else _request_error(error) from None
        if self.expired:
            raise self._late()

    def _late(self) -> RequestError:
        return RequestError(
            FetchReason.TIMEOUT, "it did not end within the time of a request", temporary=True
        )


def _request_error(error: Exception) -> RequestError:
    cause = error.args[-1] if error.args and isinstance(error.args[-1], Exception) else error
    if isinstance(error, ProxyError):
        message = f"the proxy cannot be used: {cause}"
        return RequestError(FetchReason.CONNECTION_FAILED, message, temporary=True)
    for each in (error, cause):
        if isinstance(each, SSLError | ssl.SSLError):
            return RequestError(FetchReason.TLS_FAILED, _tls_message(cause))
        if isinstance(each, UrllibTimeoutError | TimeoutError):
            return RequestError(FetchReason.TIMEOUT, "the server went silent", temporary=True)
        if isinstance(each, IncompleteRead):
            message = "the connection ended before the body did"
            return RequestError(FetchReason.TRUNCATED, message, temporary=True)
        if isinstance(each, ConnectionError):
            message = f"the connection was lost: {each}"
            return RequestError(FetchReason.CONNECTION_FAILED, message, temporary=True)
    if isinstance(error, DecodeError | ProtocolError | HTTPError | ValueError):
        return RequestError(FetchReason.BAD_RESPONSE, f"the response is not HTTP: {cause}")
    return RequestError(FetchReason.CONNECTION_FAILED, str(error), temporary=True)


def _tls_message(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the server's certificate is refused: {error.verify_message}; check this machine's date, and name "
            "your network's own certificates in SSL_CERT_FILE"
        )
    return f"no secure connection: {error}"


class _Watch:
    """Ends requests whose time is up, from a thread: neither time-outs nor reads bound a server that drips."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._calls: set[_Call] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def call(self, seconds: float | None) -> Iterator[_Call]:
        call = _Call(None if seconds is None else time.monotonic() + seconds)
        self._local.call = call
        if seconds is not None:
            with self._lock:
                self._calls.add(call)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, daemon=True)
                    self._thread.start()
        try:
            yield call
        finally:
            with self._lock:
                self._calls.discard(call)
            call.handle = self._local.call = None
            for handle in call.closed:
                handle.close()

    def waits_for(self, handle: socket.socket | None) -> None:
        call: _Call | None = getattr(self._local, "call", None)
        if call is not None:
            call.handle = handle

    def drop(self, handle: socket.socket) -> None:
        """Close a handle once no body is read from its socket any more."""
        call: _Call | None = getattr(self._local, "call", None)
        if call is not None and call.handle is handle:
            call.closed.append(handle)
        else:
            handle.close()

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(_WATCH_SECONDS):
            now = time.monotonic()
            with self._lock:
                for call in self._calls:
                    if call.ends is not None and call.ends < now:
                        call.expired = True
                        if call.handle is not None:
                            with suppress(OSError):
                                call.handle.shutdown(socket.SHUT_RDWR)


class _HttpConnection(HTTPConnection):
    """Connects to checked addresses, and can be ended from another thread."""

    _handle: socket.socket | None = None

    def __init__(self, *arguments: Any, watch: _Watch, allow_private: bool, **options: Any) -> None:
        self._watch, self._allow_private = watch, allow_private
        super().__init__(*arguments, **options)

    def _new_conn(self) -> socket.socket:
        host = self._dns_host
        try:
            addresses = resolve(host, self.port, allow_private=self._allow_private)
        except PrivateAddressError as error:
            raise RequestError(FetchReason.PRIVATE_ADDRESS, str(error)) from None
        except OSError as error:
            raise RequestError(
                FetchReason.NAME_NOT_RESOLVED,
                f"{host}: {error.strerror or error}",
                temporary=error.errno == socket.EAI_AGAIN,
            ) from None
        try:
            sock = connect(addresses, self.timeout, [*(self.socket_options or ())])
        except TimeoutError:
            message = f"{host} does not answer within {self.timeout:g} seconds"
            raise RequestError(FetchReason.TIMEOUT, message, temporary=True) from None
        except OSError as error:
            raise RequestError(
                FetchReason.CONNECTION_FAILED, f"{host}: {error.strerror or error}", temporary=True
            ) from None
        self._handle = sock.dup()
        self._watch.waits_for(self._handle)
        return sock

    def putrequest(self, *arguments: Any, **options: Any) -> None:
        self._watch.waits_for(self._handle)
        super().putrequest(*arguments, **options)

    def close(self) -> None:
        super().close()
        if self._handle is not None:
            self._watch.drop(self._handle)
            self._handle = None


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    """The same with TLS; certificates are those of the host's name, not of the address."""


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection
