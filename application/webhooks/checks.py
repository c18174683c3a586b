"""What the settings of a webhook must be: its URL, its types of events, its secret."""

import base64
import re
from binascii import Error as NotBase64
from collections.abc import Sequence
from secrets import token_bytes
from urllib.parse import urlsplit

from application.webhooks.messages import SECRET_PREFIX
from domain.errors import Invalid
from domain.log.event_names import fault_of_pattern

MAX_URL = 2000
_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_SECRET_BYTES = 32
_SECRET_SIZES = range(24, 65)


def fault_of_url(url: str) -> str:
    """Return what is wrong with the form of a URL; empty when it can be used."""
    if not 0 < len(url) <= MAX_URL or not _URL.fullmatch(url):
        return f"It must be 1 to {MAX_URL} ASCII characters of a URL; escape others with %."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "It must be a URL such as https://example.com/hooks."
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or port == 0:
        return "It must be a URL such as https://example.com/hooks."
    if "@" in parts.netloc:
        return "It must have no user or password in it: sign in by the signature instead."
    if "#" in url:
        return "It must have no fragment: that is never sent."
    return ""


def check_types(types: Sequence[str]) -> None:
    """Refuse patterns that no event is called by.

    Raises:
        Invalid: With the index of the first one.
    """
    for i, pattern in enumerate(types):
        fault = fault_of_pattern(pattern)
        if fault:
            raise Invalid(fault, field=f"types[{i}]")


def check_secret(secret: str) -> None:
    """Refuse a secret that is not as Standard Webhooks has them.

    Raises:
        Invalid: It is not `whsec_` and the base64 of 24 to 64 bytes.
    """
    try:
        if not secret.startswith(SECRET_PREFIX):
            raise ValueError
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        if len(key) not in _SECRET_SIZES:
            raise ValueError
    except (NotBase64, ValueError):
        raise Invalid(
            f"It must be {SECRET_PREFIX} and the base64 of 24 to 64 bytes.", field="secret"
        ) from None


def new_secret() -> str:
    """Return a secret of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(token_bytes(_SECRET_BYTES)).decode()
