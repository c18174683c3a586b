"""How a server is reached: its URL, its token, and whether proxies lie between."""

from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from api.auth_token import TokenFileError, read_token
from api.cli.options import UsageError

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ClientOptions(TypedDict):
    """What a client of httpx is made with."""

    base_url: str
    headers: dict[str, str]
    trust_env: bool


def client_options(url: str, token: str | None) -> ClientOptions:
    """Return how a server is reached.

    Args:
        url: Where it is.
        token: The bearer token to send.

    Raises:
        UsageError: The URL is none.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(
            f"--url or CAIRN_URL must begin with http:// or https://, and it is {url!r}."
        )
    return ClientOptions(
        base_url=url,
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
        # A proxy has no way to this machine.
        trust_env=urlsplit(url).hostname not in _LOOPBACK,
    )


def token_in(path: Path | None) -> str | None:
    """Return the bearer token in a file; None without one.

    Raises:
        UsageError: It cannot be read, or holds something else.
    """
    if path is None:
        return None
    try:
        return read_token(path, "--token-file or CAIRN_TOKEN_FILE")
    except TokenFileError as error:
        raise UsageError(str(error)) from None
