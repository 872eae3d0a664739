"""Who answers on a port of this machine: the sockets that listen there, compared with those of a server's processes.

Only Linux tells this. Elsewhere the answer is unknown, and never taken for a yes.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

NET = Path("/proc/net")
PROC = Path("/proc")
_LISTEN = "0A"
_V4_ANY, _V6_ANY = ipaddress.IPv4Address(0), ipaddress.IPv6Address(0)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Listening = tuple[Address, str]
"""An address and the inode of the socket that listens there."""


def belongs_to(host: str, port: int, pids: Iterable[int]) -> bool | None:
    """Whether one of these processes answers at an address; None where the system does not tell.

    False when nobody listens there, or when a stranger listens beside them: either may get the next request.
    """
    try:
        listening = _listening(port)
        answering = [_answering(listening, address) for address in _addresses(host)]
    except (OSError, ValueError, LookupError):
        return None
    sockets = set().union(*answering)
    held, all_seen = _sockets(pids)
    if not sockets:
        return False
    if not sockets <= held:
        return False if all_seen else None
    # another machine may answer at an address where nobody on this one does
    return True if all(answering) else None


def listens_at(address: str, host: str) -> bool:
    """Whether a socket bound to an address, or to any (empty, 0.0.0.0, ::), answers at all addresses of a host."""
    try:
        bound = ipaddress.ip_address(address or "0.0.0.0")  # noqa: S104
        return all(bound in (asked, _any(asked), _V6_ANY) for asked in _addresses(host))
    except (OSError, ValueError):
        return False


def _addresses(host: str) -> list[Address]:
    """The addresses of a host, or of an address in brackets."""
    found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    return [_plain(ipaddress.ip_address(str(row[4][0]).partition("%")[0])) for row in found]


def _answering(listening: Iterable[Listening], address: Address) -> set[str]:
    """The sockets that may get a connection to an address: the kernel takes the nearest match."""
    for near in (address, _any(address), _V6_ANY):
        if found := {inode for at, inode in listening if at == near}:
            return found
    return set()


def _any(address: Address) -> Address:
    return _V4_ANY if address.version == 4 else _V6_ANY


def _listening(port: int) -> list[Listening]:
    """All sockets of this machine that listen on a port. Raises OSError where the system does not list them."""
    found = []
    lines = (NET / "tcp").read_text(encoding="ascii").splitlines()[1:]
    if (NET / "tcp6").exists():
        lines += (NET / "tcp6").read_text(encoding="ascii").splitlines()[1:]
    for line in lines:
        # number, local address, other address, state, queues, timer, retries, user, timeout, inode
        fields = line.split()
        at, _, number = fields[1].partition(":")
        if fields[3] == _LISTEN and int(number, 16) == port:
            found.append((_address(at), fields[9]))
    return found


def _address(text: str) -> Address:
    """An address from the form the kernel prints: words of four bytes, each in this machine's byte order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    return _plain(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))


def _plain(address: Address) -> Address:
    """An IPv4 address written as IPv6, as IPv4 again."""
    return getattr(address, "ipv4_mapped", None) or address


def _sockets(pids: Iterable[int]) -> tuple[set[str], bool]:
    """The inodes of the sockets that processes hold, and whether all of their files could be looked at."""
    found, all_seen = set(), True
    for pid in pids:
        try:
            files = list((PROC / str(pid) / "fd").iterdir())
        except PermissionError:
            all_seen = False
            continue
        except OSError:
            continue  # the process has ended
        for file in files:
            with suppress(OSError):  # the file has been closed
                kind, _, inode = str(file.readlink()).partition(":")
                if kind == "socket":
                    found.add(inode.strip("[]"))
    return found, all_seen
