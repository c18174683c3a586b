"""The process that owns the server of one data directory, and goes when nobody uses it any more.

    python -m infrastructure.embedded_postgres.keeper DATA_DIR [--not-durable]

It holds `owner.lock` for as long as it lives; a second keeper leaves at once. Standard output leads
to whoever started it and carries one sentence if it fails. The processes of cairn never import it.
"""

import fcntl
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from infrastructure.embedded_postgres.layout import (
    EmbeddedPostgresError,
    Layout,
    open_lock,
    try_lock,
)
from infrastructure.embedded_postgres.server import Server, shorten

_log = logging.getLogger("keeper")

_POLL = 0.1
_GRACE = 0.2


class Keeper:
    """Ownership of one data directory.

    Args:
        layout: The data directory.
        durable: False gives up crash safety for speed, for tests only.
    """

    def __init__(self, layout: Layout, *, durable: bool) -> None:
        self._layout = layout
        self._durable = durable
        self._owner = open_lock(layout.owner_lock)
        self._users = open_lock(layout.users_lock)
        self._asked_to_stop = False
        self._unused_since: float | None = None

    def run(self) -> None:
        """Keep the server until nobody uses it, its directory is gone, or SIGTERM or SIGINT comes.

        Raises:
            EmbeddedPostgresError: The server cannot run.
        """
        if not self._take_ownership():
            return
        for request in (signal.SIGTERM, signal.SIGINT):
            signal.signal(request, self._on_signal)
        server = Server(self._layout, durable=self._durable)
        server.create_if_missing()
        published = False
        try:
            while not self._should_stop():
                server.tend()
                if not published and server.is_launched:
                    self._publish(server.socket_directory)
                    published = True
                time.sleep(_POLL)
        finally:
            server.stop()
            os.ftruncate(self._owner, 0)
            if server.socket_directory != self._layout.home:
                with suppress(OSError):
                    server.socket_directory.rmdir()

    def _take_ownership(self) -> bool:
        for _ in range(10):
            if try_lock(self._owner, fcntl.LOCK_EX):
                # What the last owner published must not outlive it: its server may be going down.
                os.ftruncate(self._owner, 0)
                return True
            # Somebody may only be asking whether there is an owner; that takes no time.
            time.sleep(0.005)
        return False

    def _publish(self, socket_directory: Path) -> None:
        os.pwrite(self._owner, f"{os.getpid()}\n{socket_directory}\n".encode(), 0)

    def _on_signal(self, *_: object) -> None:
        self._asked_to_stop = True

    def _should_stop(self) -> bool:
        return self._asked_to_stop or self._is_dispossessed() or self._is_unused()

    def _is_dispossessed(self) -> bool:
        """Whether the data directory was removed: a new one under its name is not ours to touch."""
        try:
            return not os.path.samestat(self._layout.owner_lock.stat(), os.fstat(self._owner))
        except OSError:
            return True

    def _is_unused(self) -> bool:
        """Whether nobody has used the server for a moment.

        If so, the users lock stays taken until this process ends, so that nobody begins to use a
        server that is going down: newcomers wait, and start the next keeper.
        """
        if not try_lock(self._users, fcntl.LOCK_EX):
            self._unused_since = None
            return False
        now = time.monotonic()
        if self._unused_since is None:
            self._unused_since = now
        if now - self._unused_since >= _GRACE:
            return True
        fcntl.flock(self._users, fcntl.LOCK_UN)
        return False


def main() -> int:
    """Become a keeper in the background; the process that was started ends at once."""
    layout = Layout(Path(sys.argv[1]))
    if os.fork() > 0:
        return 0
    os.umask(0o077)
    shorten(layout.keeper_log)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s [%(process)d] %(levelname)s %(message)s"
    )
    try:
        Keeper(layout, durable="--not-durable" not in sys.argv).run()
    except EmbeddedPostgresError as error:
        _complain(error.message)
        return 1
    except Exception as error:
        _complain(f"The keeper of Postgres failed: {error!r}; see {layout.keeper_log}.")
        raise
    return 0


def _complain(message: str) -> None:
    _log.error("%s", message)
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), message.encode())


if __name__ == "__main__":
    sys.exit(main())
