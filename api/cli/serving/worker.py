"""One of several worker processes.

    python -m api.cli.serving.worker SOCKET SIGNS COUNTS PLACE PARENT

SOCKET, SIGNS and COUNTS are descriptors it has inherited, PLACE is which of the counts is its own,
PARENT the process that started it. Its settings come in the environment. It ends when the parent
does, however that ends.
"""

import asyncio
import ctypes
import gc
import os
import shutil
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

from api.cli.serving.connection_counts import ConnectionCounts, Place
from api.cli.serving.connection_guard import ConnectionLimits
from api.cli.serving.server import LONGEST_STOP, run_server
from api.logs import configure_logs
from api.settings import Settings

FROM_THE_TERMINAL = frozenset({signal.SIGINT, signal.SIGHUP})
"""Reach supervisor and workers alike, and are blocked in a worker that starts."""

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY = 0.5
_SIGN_EVERY = 1.0


def main() -> None:
    """Serve on the parent's socket."""
    shared, signs, counts, place, parent = map(int, sys.argv[1:])
    _end_with(parent)
    # Until the server listens to it, Ctrl-C ends a worker without a word, as SIGTERM does.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Of a terminal that is closed the supervisor hears too, and has its workers end.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FROM_THE_TERMINAL)
    # What is imported is here to stay: looking through it for cycles takes an eighth of it.
    gc.disable()
    from api.http.around.drain import exit_status
    from api.main import create_app

    gc.enable()
    settings = Settings()
    beating: list[asyncio.Task[None]] = []
    configure_logs(settings.log_format)

    def say_ready() -> None:
        os.set_blocking(signs, False)
        beating.append(asyncio.get_running_loop().create_task(_give_signs(signs)))

    listening = socket.socket(fileno=shared)
    own = Place(ConnectionCounts(counts), place)
    run_server(create_app(settings), listening, say_ready, ConnectionLimits.of(settings), own)
    if os.getppid() != parent:
        # It has not cleared up, so the last of its workers does.
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
    sys.exit(exit_status())


async def _give_signs(signs: int) -> None:
    """Tell the supervisor every second that this loop turns."""
    with suppress(BrokenPipeError):
        while True:
            with suppress(BlockingIOError):
                os.write(signs, b"1")
            await asyncio.sleep(_SIGN_EVERY)


def _end_with(parent: int) -> None:
    """Have this process asked to end as soon as its parent is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    """See to it where the kernel does not, and where a process no longer takes SIGTERM."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LONGEST_STOP)
    os._exit(1)


if __name__ == "__main__":
    main()
