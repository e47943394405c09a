import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.fetch import http
from pipelines.fetch.http import Client, Rules
from pipelines.fetch.reasons import RequestError


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client(Rules(allow_private=True, connect_seconds=2, read_seconds=0.3))
    yield client
    client.close()


def body(client: Client, url: str) -> bytes:
    with client.get(url) as response:
        return b"".join(response.chunks())


def failure(client: Client, url: str) -> RequestError:
    with pytest.raises(RequestError) as raised:
        body(client, url)
    return raised.value


def raw(text: bytes) -> Any:
    """A page that sends these bytes and closes the connection."""

    def page(handler: Any) -> None:
        handler.wfile.write(text)
        handler.close_connection = True

    return page


def test_a_body_comes_with_its_announced_length_and_connections_are_used_again(
    client: Client, web: Any
) -> None:
    ports = set()

    def page(handler: Any) -> None:
        ports.add(handler.client_address[1])
        handler.server.pages["/plain"] = (200, {}, b"x" * 100_000)
        handler.send_response(200)
        handler.send_header("Content-Length", "3")
        handler.end_headers()
        handler.wfile.write(b"abc")

    web.pages["/a"] = page
    for _ in range(3):
        with client.get(web.url("/a")) as response:
            assert response.num_bytes == 3
            assert b"".join(response.chunks()) == b"abc"
    assert len(ports) == 1
    assert body(client, web.url("/plain")) == b"x" * 100_000


def test_a_connection_is_used_again_after_an_error_and_after_a_redirect(
    client: Client, web: Any
) -> None:
    ports = []

    def page(handler: Any) -> None:
        ports.append(handler.client_address[1])
        handler.send_response(302 if handler.path == "/a" else 404)
        handler.send_header("Location", "/b")
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"no")

    web.pages = dict.fromkeys(("/a", "/b"), page)
    assert [failure(client, web.url("/a")).reason for _ in range(2)] == ["not_found"] * 2
    assert len(ports) == 4
    assert len(set(ports)) == 1


def test_redirects_are_followed_wherever_their_address_begins(client: Client, web: Any) -> None:
    web.pages["/there/b"] = (200, {}, b"here")
    web.pages["/f\u00fcr".encode().decode("latin-1")] = (200, {}, b"non-ascii")
    web.pages["/f%C3%BCr"] = (200, {}, b"non-ascii")
    for number, location in enumerate(
        ["/there/b", "there/b", web.url("/there/b"), web.url("/there/b").removeprefix("http:")]
    ):
        web.pages[f"/{number}"] = (302, {"Location": location}, b"")
        assert body(client, web.url(f"/{number}")) == b"here"
    web.pages["/u"] = (301, {"Location": "/f\u00fcr".encode().decode("latin-1")}, b"")
    assert body(client, web.url("/u")) == b"non-ascii"


def test_circles_and_long_ways_of_redirects_end(client: Client, web: Any) -> None:
    web.pages["/a"] = (302, {"Location": "/b"}, b"")
    web.pages["/b"] = (302, {"Location": "/a"}, b"")
    found = failure(client, web.url("/a"))
    assert (found.reason, found.message) == ("too_many_redirects", "it redirects in a circle")
    for number in range(20):
        web.pages[f"/{number}"] = (302, {"Location": f"/{number + 1}"}, b"")
    assert failure(client, web.url("/0")).message == "it redirects more than 5 times"
    assert web.asked["/5"] == 1
    assert web.asked["/6"] == 0


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("", "bad_redirect"),
        ("http://[::1", "bad_redirect"),
        ("file:///etc/passwd", "unsupported_scheme"),
        ("ftp://example.org/a", "unsupported_scheme"),
    ],
)
def test_redirects_to_what_is_no_web_page_are_not_followed(
    client: Client, web: Any, location: str, reason: str
) -> None:
    web.pages["/a"] = (302, {"Location": location}, b"")
    assert failure(client, web.url("/a")).reason == reason


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "unsupported_scheme"),
        ("ftp://example.org/a.jpg", "unsupported_scheme"),
        ("data:image/png;base64,AAAA", "unsupported_scheme"),
        ("gopher://x/", "unsupported_scheme"),
        ("http://", "bad_url"),
        ("http:///a.jpg", "bad_url"),
        ("http://a:b:c/", "bad_url"),
        ("http://a.example:99999999/", "bad_url"),
        ("example.org/a.jpg", "bad_url"),
        ("", "bad_url"),
        ("http://a.example/" + "x" * 9_000, "bad_url"),
    ],
)
def test_what_is_no_address_of_http_is_not_asked(client: Client, url: str, reason: str) -> None:
    assert failure(client, url).reason == reason


def test_private_addresses_are_refused_by_themselves_by_name_and_behind_redirects(web: Any) -> None:
    client = Client()
    for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "127.1"):
        assert failure(client, web.url("/a", host)).reason == "private_address"
    assert failure(client, "http://169.254.169.254/latest/meta-data/").reason == "private_address"
    assert not web.asked


def test_a_redirect_to_a_private_address_is_refused(
    web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.pages["/a"] = (302, {"Location": web.url("/secret", "127.0.0.2")}, b"")
    monkeypatch.setattr("pipelines.fetch.addresses.is_public", lambda a: a == "127.0.0.1")
    found = failure(Client(), web.url("/a"))
    assert (found.reason, found.message) == (
        "private_address",
        "127.0.0.2 is not a public address",
    )
    assert not web.asked["/secret"]


def test_the_connection_goes_to_the_address_that_was_checked(
    client: Client, web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that resolves to another address a moment later (DNS rebinding) is not asked for again."""
    calls = []

    def once(host: str, port: int, **options: Any) -> list[Any]:
        calls.append(host)
        address = "127.0.0.1" if len(calls) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", once)
    hosts = []

    def page(handler: Any) -> None:
        hosts.append(handler.headers["Host"])
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(handler)

    web.pages["/a"] = page
    assert body(client, web.url("/a", "a.example")) == b"ok"
    assert calls == ["a.example"]
    assert hosts == [f"a.example:{web.server_port}"]


def test_a_server_that_goes_silent_is_left(client: Client, web: Any) -> None:
    def stalls(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        handler.wfile.flush()
        handler.server.ended.wait(20)

    web.pages["/body"] = stalls
    web.pages["/head"] = lambda handler: handler.server.ended.wait(20)
    for path in ("/body", "/head"):
        found = failure(client, web.url(path))
        assert (found.reason, found.temporary) == ("timeout", True)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
def test_a_server_that_drips_is_left_when_the_time_of_a_request_is_over(
    web: Any, head: bytes
) -> None:
    def drips(handler: Any) -> None:
        handler.wfile.write(head)
        while not handler.server.ended.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    web.pages["/a"] = drips
    client = Client(Rules(allow_private=True, read_seconds=5, total_seconds=0.3))
    found = failure(client, web.url("/a"))
    assert found.message == "it did not end within the time of a request"
    client.close()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense", "truncated"),
        (b"\x89PNG\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n", "bad_response"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
            "bad_response",
        ),
        (b"", "connection_failed"),
    ],
)
def test_responses_that_are_cut_off_or_no_http_are_failures(
    client: Client, web: Any, text: bytes, reason: str
) -> None:
    web.pages["/a"] = raw(text)
    assert failure(client, web.url("/a")).reason == reason


def test_a_length_that_is_too_short_does_not_spoil_the_next_response(
    client: Client, web: Any
) -> None:
    def page(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdefgh")

    web.pages |= {"/a": page, "/b": (200, {}, b"b")}
    assert body(client, web.url("/a")) == b"abc"
    assert body(client, web.url("/b")) == b"b"


def test_a_port_where_nothing_listens_is_a_failed_connection(client: Client) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/"
        assert failure(client, url).reason == "connection_failed"


def test_a_name_without_an_address_is_not_asked_for_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, temporary in ((socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)):

        def fails(*arguments: Any, number: int = number, **options: Any) -> Any:
            raise socket.gaierror(number, "no such name")

        monkeypatch.setattr(socket, "getaddrinfo", fails)
        found = failure(client, "http://nothing.example/a.jpg")
        assert (found.reason, found.temporary) == ("name_not_resolved", temporary)


def test_no_more_hosts_are_kept_than_allowed(web: Any) -> None:
    client = Client(Rules(allow_private=True, max_hosts=2))
    web.pages["/a"] = (200, {}, b"a")
    for number in range(1, 6):
        assert body(client, web.url("/a", f"127.0.0.{number}")) == b"a"
    assert len(client._pools) == 2
    client.close()


def test_tls_is_checked_for_the_name_of_the_host(client: Client, web: Any) -> None:
    assert failure(client, web.url("/a").replace("http", "https")).reason == "tls_failed"


@pytest.fixture
def tls_web(web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Let the server speak TLS with a certificate of `localhost`, which clients trust; makes its URLs."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl, to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    )
    names = ("-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate)
    subprocess.run(["openssl", *command.split(), *names], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    web.socket = server.wrap_socket(web.socket, server_side=True)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(http, "_tls", lambda: trusting)
    return lambda path, host: web.url(path, host).replace("http:", "https:")


def test_a_certificate_is_that_of_the_name_and_not_of_the_address(
    client: Client, web: Any, tls_web: Any
) -> None:
    web.pages["/a"] = (200, {}, b"secret")
    assert [body(client, tls_web("/a", "localhost")) for _ in range(2)] == [b"secret"] * 2
    found = failure(client, tls_web("/a", "127.0.0.1"))
    assert found.reason == "tls_failed"
    assert "the server's certificate is refused: IP address mismatch" in found.message


def test_time_is_bounded_with_tls_too(web: Any, tls_web: Any) -> None:
    def drips(handler: Any) -> None:
        while not handler.server.ended.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    web.pages["/a"] = drips
    with Client(Rules(allow_private=True, total_seconds=0.3)) as client:
        assert failure(client, tls_web("/a", "localhost")).reason == "timeout"


def test_what_arrives_is_not_decoded(client: Client, web: Any) -> None:
    web.pages["/a"] = (200, {"Content-Encoding": "gzip"}, b"as it is")
    with client.get(web.url("/a")) as response:
        assert b"".join(response.arriving(3)) == b"as it is"


def test_a_head_that_drips_is_left_while_a_long_body_is_not(web: Any) -> None:
    def drips(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not handler.server.ended.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    def slow(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n")
        for _ in range(25):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            handler.server.ended.wait(0.02)

    web.pages |= {"/head": drips, "/body": slow}
    with Client(Rules(allow_private=True, read_seconds=5, head_seconds=0.3)) as client:
        assert failure(client, web.url("/head")).reason == "timeout"
        assert len(body(client, web.url("/body"))) == 25
