import socket
from typing import Any

import pytest

from pipelines.fetch.http import Client, Rules
from pipelines.fetch.reasons import RequestError

ANYWHERE = Rules(allow_private=True, connect_seconds=2)


def body(rules: Rules, url: str) -> bytes:
    with Client(rules) as client, client.get(url) as response:
        return b"".join(response.chunks())


def failure(rules: Rules, url: str) -> RequestError:
    with pytest.raises(RequestError) as raised:
        body(rules, url)
    return raised.value


@pytest.fixture
def proxy(web: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The server, as the proxy of the environment."""
    monkeypatch.setenv("http_proxy", web.url(""))
    monkeypatch.setenv("no_proxy", "direct.invalid")
    return web


@pytest.mark.parametrize("rules", [ANYWHERE, Rules()])
def test_the_proxy_of_the_environment_is_asked(proxy: Any, rules: Rules) -> None:
    """Also one with a private address, for a name that only the proxy knows."""
    proxy.pages["http://files.invalid/a?b=c"] = (200, {}, b"by the proxy")
    assert body(rules, "http://files.invalid/a?b=c") == b"by the proxy"
    assert failure(rules, "http://direct.invalid/a").reason == "name_not_resolved"


def test_redirects_are_followed_by_the_proxy(proxy: Any) -> None:
    proxy.pages["http://a.invalid/"] = (302, {"Location": "http://b.invalid/c"}, b"")
    proxy.pages["http://b.invalid/c"] = (200, {}, b"there")
    assert body(ANYWHERE, "http://a.invalid/") == b"there"


def test_a_proxy_is_not_asked_for_private_addresses(proxy: Any) -> None:
    for url in ("http://10.0.0.1/a", "http://169.254.169.254/latest", "http://localhost/a"):
        assert failure(Rules(), url).reason == "private_address"
    assert not proxy.asked


def test_a_proxy_without_a_scheme_is_one_of_http(
    proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url("").removeprefix("http://"))
    proxy.pages["http://files.invalid/a"] = (200, {}, b"by the proxy")
    assert body(ANYWHERE, "http://files.invalid/a") == b"by the proxy"


@pytest.mark.usefixtures("proxy")
def test_a_proxy_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:  # where nothing listens
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{bound.getsockname()[1]}")
        found = failure(ANYWHERE, "http://files.invalid/a")
    assert (found.reason, found.temporary) == ("connection_failed", True)
    monkeypatch.setenv("http_proxy", "ftp://files.invalid")
    assert (
        "proxy 'ftp://files.invalid' cannot be used"
        in failure(ANYWHERE, "http://a.invalid/").message
    )


def test_https_goes_through_a_tunnel(proxy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy.url(""))
    found = failure(ANYWHERE, "https://files.invalid/a")  # the server knows no CONNECT
    assert found.reason == "connection_failed"
    assert "proxy" in found.message
