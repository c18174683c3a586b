"""Hearing of a shutdown before the server waits for its open streams, which would be for ever."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from application.ports.readiness import Trouble

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

SCHEMA_NEWER_STATUS = 76
"""The exit status of a process that must not be started again over its database."""
_outdated: list[Trouble] = []


def leave(trouble: Trouble, seconds: float) -> None:
    """End this process a while from now, as a signal to stop does.

    Args:
        trouble: Why; readiness says so meanwhile, and those who come are sent elsewhere.
        seconds: Until then.
    """
    _outdated.append(trouble)
    if threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().call_later(seconds, os.kill, os.getpid(), signal.SIGTERM)


def exit_status() -> int:
    """Return the status with which this process should end."""
    is_newer = any(trouble.reason == "schema_newer" for trouble in _outdated)
    return SCHEMA_NEWER_STATUS if is_newer else 0


@contextmanager
def on_shutdown_signal(tell: Callable[[], None]) -> Generator[None]:
    """Call `tell` in the running loop when a signal asks the server to stop.

    The server's own handler is called too: whichever server runs the app, it need not know.

    Args:
        tell: Called once for each signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {n: signal.getsignal(n) for n in _SIGNALS}

    def heard(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)
        servers = before[signal.Signals(number)]
        if callable(servers):
            servers(number, frame)

    for number in _SIGNALS:
        signal.signal(number, heard)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is heard:
                signal.signal(number, handler)
