"""Public addresses: which machines a download may connect to.

A list of URLs may be written by anybody, and a redirect by any server. Neither may reach the machine that
downloads, its network, or the metadata service of its cloud (169.254.169.254). So a name is resolved here,
each address is checked, and the connection is made to the checked address: a name that resolves to another
one a moment later (DNS rebinding) changes nothing.
"""

import ipaddress
import socket
from typing import Any, NamedTuple, TypeAlias

_IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is assigned to public machines."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses that hold one of IPv4 in their last 4 bytes (RFC 6052)."""


class Address(NamedTuple):
    """An address of a machine as `socket.connect` takes it."""

    family: int
    place: tuple[Any, ...]


class PrivateAddressError(Exception):
    """The address of a host is not public."""


def is_public(address: str) -> bool:
    """Return True if an IP address is that of a machine of the public internet.

    Loopback, private, link-local, shared, multicast and reserved ranges are not, nor are addresses of IPv6
    that stand for such an address of IPv4 (mapped, NAT64, 6to4, Teredo).

    Examples:
        >>> is_public("93.184.216.34"), is_public("169.254.169.254"), is_public("::ffff:127.0.0.1")
        (True, False, False)
    """
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = _inner(found)
        if inner:
            return all(map(_is_public, inner))
        if found not in _UNICAST:
            return False
    return _is_public(found)


def _is_public(address: _IPAddress) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _inner(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """Return the addresses of IPv4 that packets to an address of IPv6 end at."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    return address.teredo or ()


def resolve(host: str, port: int, *, allow_private: bool) -> list[Address]:
    """Return the addresses of a host, which may be an IP address in any of its forms.

    Raises:
        PrivateAddressError: one of them is not public, unless `allow_private`.
        OSError: the name has no address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label of no or more than 63 characters
        raise socket.gaierror(socket.EAI_NONAME, str(error)) from None
    for *_, place in found:
        address = str(place[0])
        if not allow_private and not is_public(address):
            text = host if host == address else f"{host} ({address})"
            raise PrivateAddressError(f"{text} is not a public address")
    return [Address(family, place) for family, _, _, _, place in found]


def connect(
    addresses: list[Address], timeout: float | None, options: list[tuple[int, int, int | bytes]]
) -> socket.socket:
    """Return a connection to the first of the addresses that answers.

    Args:
        addresses: At least one.
        timeout: Seconds for each of them; also the connection's own time-out.
        options: As `socket.setsockopt` takes them.

    Raises:
        OSError: none answers; the error of the last.
    """
    last: OSError | None = None
    for family, place in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            for option in options:
                sock.setsockopt(*option)
            sock.connect(place)
            return sock
        except OSError as error:
            sock.close()
            last = error
    assert last is not None
    raise last
