"""The socket of the server, bound before anything else is started."""

import errno
import ipaddress
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.options import Failure
from api.cli.serving.unix_socket import listen_at

if TYPE_CHECKING:
    from api.settings import Settings

_BACKLOG = 2048
_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def listen(settings: "Settings") -> socket.socket:
    """Return a socket that listens; connections wait in it until somebody accepts them.

    Args:
        settings: Where: an address and a port, of which 0 takes a free one, unless `listen` names a
            Unix socket or a descriptor that this process has inherited.

    Raises:
        Failure: It cannot listen there.
    """
    kind, _, where = settings.listen.partition("://")
    if kind == "unix":
        return listen_at(Path(where), settings.socket_permissions)
    if kind == "fd":
        return _inherited(int(where))
    return _listen_on(settings.host, settings.port)


def _inherited(descriptor: int) -> socket.socket:
    """Take over a socket that whoever started this process has opened."""
    name = f"fd://{descriptor}"
    try:
        listening = socket.socket(fileno=descriptor)
    except OSError as error:
        what = "is no socket" if error.errno == errno.ENOTSOCK else "is not open in this process"
        raise Failure(
            f"{name}: the descriptor {descriptor} {what}; have who starts it pass a listening"
            " socket, as socket activation does."
        ) from None
    usable = listening.family in _FAMILIES and listening.type == socket.SOCK_STREAM
    if not usable or not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listening.detach()
        raise Failure(
            f"{name}: the socket {descriptor} does not listen for connections (TCP or Unix); have"
            " who starts it pass one that does."
        )
    if listening.family == socket.AF_UNIX and not str(listening.getsockname()).startswith("/"):
        listening.detach()
        raise Failure(
            f"{name}: the Unix socket {descriptor} has no absolute path; have who starts it bind"
            " one to a path."
        )
    # For us alone: the Postgres that is started next would keep it open.
    listening.set_inheritable(False)
    return listening


def _listen_on(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError):
        raise Failure(_no_address(host)) from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise Failure(_why_not(error, host, port)) from None
    return listening


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken; stop what listens there, or choose another one with"
            " --port or CAIRN_PORT."
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return (
            f"This user may not listen on port {port}; choose one from 1024 up with --port or"
            " CAIRN_PORT."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return _no_address(host)
    return f"Cannot listen on {host}, port {port} ({error.strerror}); check --host and --port."


def _no_address(host: str) -> str:
    return (
        f"{host!r} is no address of this machine; use --host 127.0.0.1 for this machine only, or"
        " 0.0.0.0 for all its addresses (CAIRN_HOST)."
    )


def url_of(listening: socket.socket) -> str:
    """Return the address that a client on this machine uses.

    Args:
        listening: Its socket; of a Unix socket it is `unix://` and the path.
    """
    if (path := socket_path(listening)) is not None:
        return f"unix://{path}"
    host, port = listening.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_of_this_machine(listening: socket.socket) -> bool:
    """Return whether only this machine can connect."""
    if listening.family == socket.AF_UNIX:
        return True
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def socket_path(listening: socket.socket) -> Path | None:
    """Return where a Unix socket is; None is TCP."""
    return Path(listening.getsockname()) if listening.family == socket.AF_UNIX else None
