"""Hearing of a shutdown before the server waits for its open streams, which would be for ever."""

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
