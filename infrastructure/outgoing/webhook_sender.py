"""Posts to the receivers of webhooks, at allowed addresses only.

A webhook could name a neighbour of this server. So the addresses of its host are checked before
each connection, and the connection is made to a checked address, whatever the name stands for a
moment later. Redirects are not followed.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from importlib import import_module
from ipaddress import IPv4Address, ip_address, ip_network
from time import monotonic

import httpx

from application.ports.webhooks.sender import DeliveryResult
from infrastructure.metrics import WEBHOOK_ATTEMPTS

_USER_AGENT = "cairn-webhooks"
_KNOWN_FOR = 30.0
_RESOLVED_WITHIN = 2.0
_PRIVATE = (
    "the host has an address that is private, loopback or link-local, and those are"
    " not called; CAIRN_WEBHOOK_PRIVATE_TARGETS=true allows them"
)
_ANSWER_BYTES = 64 * 1024
_ANSWER_TIME = 0.1
"""Which part of the time of a delivery is spent on what the answer says."""
_BUSY = (429, 503)

_NOT_PUBLIC = tuple(
    map(
        ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b::/96", "64:ff9b:1::/48", "100:0:0:1::/64",
         "2001::/23", "3fff::/20", "5f00::/16", "fec0::/10"),
    )
)  # fmt: skip
"""What the IANA's registries of special addresses, or RFC 3879, keep from the open internet, where
not every release of Python knows of it. NAT64 stands for whatever IPv4 address is behind it."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class TargetRefused(Exception):
    """This address may not be called; the message says why and what to do."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host, in the order in which they should be tried.

    Args:
        host: A name or an address.
        port: Of what is called.

    Raises:
        OSError: It has none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Return whether an address belongs to the open internet.

    Args:
        address: IPv4 or IPv6.
    """
    found = ip_address(address.partition("%")[0])
    if found.is_multicast or found.is_reserved or not found.is_global:
        return False
    if any(found in network for network in _NOT_PUBLIC if network.version == found.version):
        return False
    # Of the IPv6 addresses that stand for an IPv4 one, these alone are held to be global.
    return isinstance(found, IPv4Address) or found.sixtofour is None


def _is_this_machine(host: str) -> bool:
    """Return whether a name stands for this machine by itself (RFC 6761, section 6.3)."""
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


class HttpSender:
    """Reaches receivers; see `application.ports.webhooks.sender.Sender`.

    Args:
        timeout: Seconds that a delivery may take in all.
        private_targets: Whether private, loopback and link-local addresses may be called.
        resolver: Finds the addresses of hosts.
    """

    def __init__(
        self, *, timeout: float, private_targets: bool = False, resolver: Resolve = resolve
    ) -> None:
        self.timeout = timeout
        self._private_targets = private_targets
        self._resolve = resolver
        self._is_prepared = False

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Made once: reading the certificates takes longer than a delivery."""
        return httpx.create_ssl_context()

    async def prepare(self) -> None:
        """Load what deliveries need, so that the first one does not hold up the whole process."""
        if not self._is_prepared:
            await asyncio.to_thread(self._load)
            self._is_prepared = True

    def _load(self) -> None:
        # httpx imports these when it is first used: a quarter of a second, on the loop.
        for name in ("httpcore", "anyio._backends._asyncio"):
            import_module(name)
        _ = self.tls

    async def refusal(self, url: str) -> str | None:
        """Return why a URL may not be called; None when it may, or when that is not known yet."""
        try:
            async with asyncio.timeout(_RESOLVED_WITHIN):
                await self.addresses(httpx.URL(url))
        except TargetRefused as refused:
            return str(refused)
        except httpx.InvalidURL:
            return "the URL cannot be understood"
        except (OSError, UnicodeError):
            return None
        return None

    def connect(self) -> "HttpConnection":
        """Return a connection to one receiver."""
        return HttpConnection(self)

    async def addresses(self, url: httpx.URL) -> Sequence[str]:
        """Return the addresses to call.

        Args:
            url: Whose host is looked up.

        Raises:
            TargetRefused: One of them may not be called.
            OSError: There are none.
        """
        port = url.port or (443 if url.scheme == "https" else 80)
        host = url.raw_host.decode("ascii")
        if not self._private_targets and _is_this_machine(host):
            # Refused by its name, however long a look-up would take.
            raise TargetRefused(_PRIVATE)
        found = await self._resolve(host, port)
        if not found:
            raise OSError("the host has no address")
        if not self._private_targets and not all(map(is_public, found)):
            raise TargetRefused(_PRIVATE)
        return found


class HttpConnection:
    """A connection to one receiver, kept open between deliveries.

    A client of its own: connections are made to addresses, and one of a host must not be used for
    another host that shares its address.

    Args:
        sender: What all connections share.
    """

    def __init__(self, sender: HttpSender) -> None:
        self._sender = sender
        self._client: httpx.AsyncClient | None = None
        self._known: tuple[str, list[str], float] = ("", [], 0.0)
        self._origin = b""

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> DeliveryResult:
        """Send a body, and return what became of it."""
        seconds = self._sender.timeout
        try:
            async with asyncio.timeout(seconds):
                result = await self._send(httpx.URL(url), headers, body)
        except (TimeoutError, httpx.TimeoutException):
            result = DeliveryResult(0, f"no answer within {seconds:g} s")
        except TargetRefused as refused:
            result = DeliveryResult(0, str(refused))
        except (OSError, UnicodeError) as error:
            result = DeliveryResult(0, f"the host name cannot be resolved: {error}"[:200])
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            result = DeliveryResult(
                0, f"the connection failed: {error or type(error).__name__}"[:200]
            )
        if not result.status:
            self._known = ("", [], 0.0)
        WEBHOOK_ATTEMPTS.labels("delivered" if result.is_delivered else "failed").inc()
        return result

    async def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _send(self, url: httpx.URL, headers: dict[str, str], body: bytes) -> DeliveryResult:
        if self._origin != url.netloc:
            # Its connections were made for another name, which may have the same address.
            await self.close()
            self._origin = url.netloc
        addresses = await self._addresses(url)
        refused: httpx.HTTPError | None = None
        for address in list(addresses):
            try:
                result = await self._post(url, address, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refused = error
                continue
            # The one that answers is the first that is tried next time.
            addresses.sort(key=address.__ne__)
            return result
        assert refused is not None  # noqa: S101 - there is at least one address
        raise refused

    async def _addresses(self, url: httpx.URL) -> list[str]:
        host, addresses, until = self._known
        if host != str(url) or monotonic() > until:
            addresses = list(await self._sender.addresses(url))
            self._known = (str(url), addresses, monotonic() + _KNOWN_FOR)
        return addresses

    async def _post(
        self, url: httpx.URL, address: str, headers: dict[str, str], body: bytes
    ) -> DeliveryResult:
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=self._sender.tls,
                limits=httpx.Limits(max_connections=2, keepalive_expiry=60.0),
                # No proxy of the environment: it would make the connection, and not we.
                trust_env=False,
                follow_redirects=False,
            )
        request = self._client.build_request(
            "POST",
            url.copy_with(host=address),
            headers={
                "host": url.netloc.decode("ascii"),
                "content-type": "application/json",
                "user-agent": _USER_AGENT,
                **headers,
            },
            content=body,
            timeout=httpx.Timeout(self._sender.timeout, connect=self._sender.timeout / 3),
            extensions={"sni_hostname": url.raw_host.decode("ascii")},
        )
        response = await self._client.send(request, stream=True)
        try:
            # An answer that is read to its end leaves the connection for the next delivery.
            read = 0
            async with asyncio.timeout(self._sender.timeout * _ANSWER_TIME):
                async for chunk in response.aiter_raw():
                    read += len(chunk)
                    if read > _ANSWER_BYTES:
                        break
        except (httpx.HTTPError, TimeoutError):
            pass  # what it says does not matter: the status came
        finally:
            await response.aclose()
        return _result(response)


def _result(response: httpx.Response) -> DeliveryResult:
    status = response.status_code
    reason = "" if 200 <= status < 300 else f"the receiver answered {status}"
    if 300 <= status < 400:
        reason += ", and redirects are not followed"
    asked = response.headers.get("retry-after", "")
    is_number = status in _BUSY and asked.isascii() and asked.isdigit() and len(asked) < 10
    return DeliveryResult(status, reason, float(asked) if is_number else 0.0)
