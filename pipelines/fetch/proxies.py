"""Proxies of the environment: `http_proxy`, `https_proxy`, and `no_proxy` for hosts that are asked directly."""

import os
import ssl
import threading
import urllib.request
from collections.abc import Callable, Mapping

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Url

from pipelines.fetch.addresses import PrivateAddressError, resolve
from pipelines.fetch.reasons import FetchReason, RequestError


def proxy_of(url: Url) -> str | None:
    """Return the proxy that the environment names for a URL, None if its host is asked directly."""
    name = f"{url.scheme}_proxy"
    if name not in os.environ and name.upper() not in os.environ:  # what follows takes 0.1 ms
        return None
    proxy = urllib.request.getproxies().get(url.scheme or "")
    if not proxy or urllib.request.proxy_bypass(url.netloc or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def check_target(url: Url, port: int) -> None:
    """Refuse to ask a proxy for what is private, as far as its name can be resolved here.

    Raises:
        RequestError: the address of its host is not public.
    """
    try:
        resolve(url.host or "", port, allow_private=False)
    except PrivateAddressError as error:
        raise RequestError(FetchReason.PRIVATE_ADDRESS, str(error)) from None
    except OSError:
        pass  # a name that only the proxy can resolve


class Proxies:
    """The connections to proxies, of a client's pools; threads share them. A proxy may have a private address."""

    def __init__(
        self, pools: Mapping[str, Callable[..., urllib3.HTTPConnectionPool]], size: int
    ) -> None:
        self._pools, self._size = pools, size
        self._managers: dict[str, urllib3.ProxyManager] = {}
        self._lock = threading.Lock()

    def manager(self, proxy: str, tls: ssl.SSLContext) -> urllib3.ProxyManager:
        """Return the manager of the connections to a proxy.

        Raises:
            RequestError: the environment names no proxy of HTTP.
        """
        with self._lock:
            if proxy not in self._managers:
                try:
                    manager = urllib3.ProxyManager(proxy, maxsize=self._size, ssl_context=tls)
                except (HTTPError, ValueError) as error:
                    message = f"the environment's proxy {proxy!r} cannot be used: {error}"
                    raise RequestError(FetchReason.CONNECTION_FAILED, message) from None
                manager.pool_classes_by_scheme = dict(self._pools)  # type: ignore[arg-type]
                self._managers[proxy] = manager
            return self._managers[proxy]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()
            self._managers.clear()
