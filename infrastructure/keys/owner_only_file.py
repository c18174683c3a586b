"""Files that hold keys: nobody but their owner may use them, and a new one comes at once."""

import os
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE, S_ISREG

_MINE_ONLY = 0o600
_OTHERS = 0o077
_LARGEST = 1 << 20


class KeyFileError(Exception):
    """A key file cannot be used; the message says why and what to do."""


def read_owner_only(path: Path, maker: str) -> str:
    """Return the text of a file that only its owner may use.

    Args:
        path: The file.
        maker: The command that makes such a file, for the message.

    Raises:
        KeyFileError: It cannot be read, is no text, or others may use it.
    """
    try:
        # A pipe that nobody writes to would be waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not S_ISREG(status.st_mode):
                raise KeyFileError(f"{path} is no file; make a key with `{maker}`.")
            if S_IMODE(status.st_mode) & _OTHERS:
                raise KeyFileError(
                    f"Others than its owner may use the key file {path};"
                    f" take that from them with `chmod 600 {path}`, and consider a new key."
                )
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise KeyFileError(f"The key file {path} cannot be read ({error.strerror}).") from None
    if len(content) > _LARGEST:
        raise KeyFileError(f"The key file {path} has more than {_LARGEST} bytes.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise KeyFileError(f"The key file {path} is not a text.") from None


def write_new(path: Path, text: str) -> None:
    """Make a file that only its owner may use.

    Args:
        path: Where; there must be nothing yet.
        text: What it holds.

    Raises:
        KeyFileError: There is a file already, or it cannot be written.
    """
    try:
        _write(path, text)
    except FileExistsError:
        raise KeyFileError(
            f"{path} exists already, and was left as it is; add a new key to it with `--rotate`."
        ) from None
    except FileNotFoundError:
        raise KeyFileError(
            f"{path} cannot be written, for there is no folder {path.parent}; make it first."
        ) from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written ({error.strerror}).") from None


def replace_owner_only(path: Path, text: str) -> None:
    """Put another text into a file, at once or not at all.

    Args:
        path: The file.
        text: What it is to hold.

    Raises:
        KeyFileError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        _write(beside, text)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise KeyFileError(f"{path} cannot be written ({error.strerror}).") from None


def _write(path: Path, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MINE_ONLY)
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
