"""The file that holds the bearer token of the native door."""

import re
from pathlib import Path

_TOKEN = re.compile(r"[\x21-\x7e]{16,}")
_REMEDY = (
    "put one token into it, 16 or more printable ASCII characters"
    " (--auth-token-file or CAIRN_AUTH_TOKEN_FILE)."
)


class TokenFileError(Exception):
    """The file holds no usable token; the message says why and what to do."""


def read_token(path: Path) -> str:
    """Return the token in a file.

    Args:
        path: The file.

    Raises:
        TokenFileError: It cannot be used.
    """
    try:
        token = path.read_text("utf-8").strip()
    except OSError as error:
        raise TokenFileError(
            f"The token file {path} cannot be read ({error.strerror}); {_REMEDY}"
        ) from None
    except UnicodeDecodeError:
        raise TokenFileError(f"The token file {path} is not a text; {_REMEDY}") from None
    if not _TOKEN.fullmatch(token):
        raise TokenFileError(f"The token file {path} holds no usable token; {_REMEDY}")
    return token
