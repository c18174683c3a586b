"""Tokens that somebody else issues and signs."""

from typing import Protocol
from urllib.parse import urlsplit

from domain.principal import Principal

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def secure_url(url: str) -> str:
    """Return a URL from which keys may be read.

    Args:
        url: With `https`; `http` is for this machine only.

    Raises:
        ValueError: It is another one.
    """
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not (parts.scheme == "https" or is_local) or not parts.hostname or parts.username:
        raise ValueError("it must be an https:// URL (http:// on this machine only)")
    return url


class IssuedTokens(Protocol):
    """Tells who shows a token of an issuer that this server trusts."""

    async def principal(self, token: str) -> Principal | None:
        """Return who shows a token; None when it has not the form of one.

        Args:
            token: As it was shown.

        Raises:
            Unauthorized: It has the form, and is not good; the detail says why.
            IssuerUnavailable: The keys of the issuer were never read.
        """
        ...
