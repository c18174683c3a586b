"""Files that hold a bearer token."""

import re
from pathlib import Path

_TOKEN = re.compile(r"[\x21-\x7e]{16,16384}")
_REMEDY = "put one token into it, 16 or more printable ASCII characters"
_LARGEST = 1 << 15


class TokenFileError(Exception):
    """The file holds no usable token; the message says why and what to do."""


def read_token(path: Path, named_by: str) -> str:
    """Return the token in a file.

    Args:
        path: The file.
        named_by: The option and the variable that name it.

    Raises:
        TokenFileError: It cannot be used; the message says nothing of what it holds.
    """
    remedy = f"{_REMEDY} ({named_by})."
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST)
    except OSError as error:
        raise TokenFileError(
            f"The token file {path} cannot be read ({error.strerror}); {remedy}"
        ) from None
    token = content.decode("latin-1").strip()
    if not _TOKEN.fullmatch(token):
        raise TokenFileError(f"The token file {path} holds no usable token; {remedy}")
    return token
