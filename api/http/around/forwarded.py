"""Where clients see this server: by which name and under which path, as proxies before it say."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from api.http.around.forwarded_header import nearest_forwarded

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_ROOT_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_OURS = frozenset({"v1", "docs", "schema", "health", "ready", "version", "metrics"})

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def checked_root_path(text: str) -> str:
    """Return a path under which a proxy shows the server, without a slash at its end.

    Args:
        text: Such as `/cairn`; empty for none.

    Raises:
        ValueError: It is no such path, or could be taken for one of the server's own.
    """
    root = text.rstrip("/")
    if root and (not _ROOT_PATH.fullmatch(root) or root.split("/")[1] in _OURS):
        raise ValueError("it must be a path such as /cairn, and none of the server's own")
    return root


def networks_of(names: Iterable[str]) -> list[_Network]:
    """Return the networks that are meant.

    Args:
        names: Addresses and networks such as `10.0.0.0/8`; `unix`, which is none, is passed over.

    Raises:
        ValueError: One is neither.
    """
    return [ipaddress.ip_network(name, strict=False) for name in names if name != "unix"]


class Forwarding:
    """Reads what proxies say of a request, and takes the path of the server off its path.

    Args:
        root_path: Under which a proxy shows the server; empty for none.
        trusted: The proxies that are believed, as addresses, networks, and `unix` for whoever comes
            by a Unix socket. What others say in these headers counts for nothing.
    """

    def __init__(self, root_path: str, trusted: Sequence[str]) -> None:
        self._root_path = checked_root_path(root_path)
        self._networks = networks_of(trusted)
        self._trusts_unix = "unix" in trusted
        self._trusts = lru_cache(1024)(self._is_trusted)

    def apply(self, scope: dict[str, Any], headers: Mapping[bytes, bytes]) -> None:
        """Put what the client sees into the scope of a request.

        Args:
            scope: Of ASGI; its scheme, path and root path change, and `cairn_host` is added.
            headers: Of the request, their names in lower case.
        """
        root = self._root_path
        client = scope["client"]
        if self._trusts(client[0] if client else None):
            scheme, host = _said(headers)
            if scheme in {"http", "https"}:
                scope["scheme"] = scheme
            if _HOST.fullmatch(host):
                scope["cairn_host"] = host
            prefix = _nearest(headers, b"x-forwarded-prefix").rstrip("/")
            if _ROOT_PATH.fullmatch(prefix):
                root = prefix
        scope["root_path"] = root
        path: str = scope["path"]
        if root and (path == root or path.startswith(f"{root}/")):
            # Not every proxy takes it off.
            scope["path"] = path[len(root) :] or "/"

    def _is_trusted(self, peer: str | None) -> bool:
        if peer is None or not peer:
            return self._trusts_unix
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _said(headers: Mapping[bytes, bytes]) -> tuple[str, str]:
    """Return the scheme and the host that the nearest proxy names; empty where none counts.

    A proxy sets one of the two headers, and may pass on the other as the client sent it. So where
    both are there and disagree, neither is believed.
    """
    older = _nearest(headers, b"x-forwarded-proto").lower(), _nearest(headers, b"x-forwarded-host")
    sent = headers.get(b"forwarded")
    if sent is None:
        return older
    said = nearest_forwarded(sent.decode("latin-1"))
    if said is None:
        return "", ""
    scheme, host = said.get("proto", "").lower(), said.get("host", "")
    return _agreed(scheme, older[0]), _agreed(host, older[1])


def _agreed(one: str, other: str) -> str:
    if one and other and one.lower() != other.lower():
        return ""
    return one or other


def _nearest(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """Return what the nearest proxy has said: those before it may be anybody."""
    return headers.get(name, b"").decode("latin-1").rpartition(",")[2].strip()


def public_base(scope: Mapping[str, Any]) -> str:
    """Return what the URLs of this server begin with, as the client sees them.

    Args:
        scope: Of a request. Without a usable name it is only the path that a proxy shows it under.
    """
    sent: bytes = scope["cairn_headers"].get(b"host", b"")
    host: str = scope.get("cairn_host") or sent.decode("latin-1")
    root: str = scope.get("root_path") or ""
    return f"{scope['scheme']}://{host}{root}" if _HOST.fullmatch(host) else root
