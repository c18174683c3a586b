"""The certificates of authorities, read once in a process of tests.

Each HTTP client reads all of them when it is made, which takes longer than most tests.
"""

from functools import cache

import httpx
from httpx._transports import default


def read_once() -> None:
    """Have all clients of this process that trust the usual authorities share what was read."""
    default.create_ssl_context = cache(httpx.create_ssl_context)
