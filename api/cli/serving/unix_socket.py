"""A Unix socket of the server: made with its permissions, removed when it no longer listens.

Only the kernel knows whether the server that made a socket still lives. So a connection is tried:
the socket of a dead server refuses it. Whoever makes or removes a socket holds a lock on its
directory meanwhile, so that two servers that start together cannot take each other for dead.
"""

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from api.cli.options import Failure

_BACKLOG = 2048
_LOCK_WITHIN = 5.0
_ASK_AGAIN = 0.01
_ANSWER_WITHIN = 1.0


class _UnixSocket(socket.socket):
    """Removes its path when it is closed, unless another one has taken that."""

    def __init__(self) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path: Path | None = None
        self._made: tuple[int, int] | None = None

    def bind_at(self, path: Path, mode: int) -> None:
        """Bind it, with these permissions from the first moment on."""
        before = os.umask(0o777 & ~mode)
        try:
            self.bind(str(path))
        finally:
            os.umask(before)
        found = path.lstat()
        self._path, self._made = path, (found.st_dev, found.st_ino)

    def close(self) -> None:
        path, self._path = self._path, None
        if path is not None:
            # Before it stops to listen: who finds the path meanwhile is refused, and knows why.
            with suppress(OSError, Failure), _locked(path.parent):
                found = path.lstat()
                if (found.st_dev, found.st_ino) == self._made:
                    path.unlink()
        super().close()


def listen_at(path: Path, mode: int) -> socket.socket:
    """Return a Unix socket that listens; a dead server's is replaced.

    Args:
        path: Absolute. A symbolic link there is refused, never followed.
        mode: The permissions of the socket, such as 0o600: who may write to it may connect.

    Raises:
        Failure: It cannot listen there.
    """
    listening = _UnixSocket()
    try:
        with _locked(path.parent):
            _remove_a_dead_one(path)
            listening.bind_at(path, mode)
            if stat.S_IMODE(path.lstat().st_mode) != mode:
                raise Failure(
                    f"The directory of {path} gives sockets other permissions than {mode:04o}"
                    " (it has a default ACL); choose another directory."
                )
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise Failure(_why_not(error, path)) from None
    except Failure:
        listening.close()
        raise
    return listening


@contextmanager
def _locked(directory: Path) -> Generator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    deadline = time.monotonic() + _LOCK_WITHIN
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Failure(
                        f"Another process holds a lock on {directory}; end it, or choose another"
                        " directory for the socket."
                    ) from None
                time.sleep(_ASK_AGAIN)
        yield
    finally:
        os.close(descriptor)


def _remove_a_dead_one(path: Path) -> None:
    try:
        found = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found):
        raise Failure(
            f"{path} is a symbolic link, which is not followed; name the socket itself, or remove"
            " the link."
        )
    if not stat.S_ISSOCK(found):
        raise Failure(f"{path} is there already and is no socket; choose another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_ANSWER_WITHIN)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except FileNotFoundError:
            return
        except PermissionError:
            raise Failure(
                f"{path} is a socket that this user may not connect to, so nobody can tell whether"
                " its server lives; choose another path."
            ) from None
        except OSError:
            # Its queue is full, or it is of another kind: somebody is there.
            pass
    raise Failure(f"A server listens on {path} already; stop it, or choose another path.")


def _why_not(error: OSError, path: Path) -> str:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return f"{path.parent} is no directory; make it first, or choose another path."
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"This user may not make a socket in {path.parent}; choose another path."
    if error.errno in {None, errno.ENAMETOOLONG}:
        # Python itself measures it, and gives no number.
        return f"{path} is too long for a socket; choose a path of at most 100 bytes."
    return f"Cannot listen on {path} ({error.strerror}); check --listen or CAIRN_LISTEN."
