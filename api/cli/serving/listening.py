"""The socket of the server, bound before anything else is started."""

import errno
import ipaddress
import socket

from api.cli.options import Failure

_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; connections wait in it until somebody accepts them.

    Args:
        host: A name or an address of this machine.
        port: 0 takes a free one.

    Raises:
        Failure: It cannot listen there.
    """
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
    """Return the address that a client on this machine uses."""
    host, port = listening.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(listening: socket.socket) -> bool:
    """Return whether only this machine can connect."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback
