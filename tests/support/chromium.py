"""A real browser, driven by the protocol of its developer tools.

The protocol needs a WebSocket client: `websockets` comes with google-adk, and is imported late.
"""

import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "there is no Chromium here; Debian's package is `chromium`"
_PATIENCE = 60.0
_NOBODY_ELSE = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""Fonts and scripts of other sites: they are looked up nowhere."""


class Page:
    """A page of the browser.

    Args:
        socket: A connection to its developer tools.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._ids = count(1)
        self.seen: list[dict[str, Any]] = []
        """What has happened in it: requests, errors, dialogs."""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser for something, and return its answer."""
        wanted = next(self._ids)
        self._socket.send(json.dumps({"id": wanted, "method": method, "params": parameters}))
        while True:
            told: dict[str, Any] = json.loads(self._socket.recv(timeout=_PATIENCE))
            if told.get("id") == wanted:
                assert "error" not in told, (method, told["error"])
                result: dict[str, Any] = told["result"]
                return result
            self.seen.append(told)

    def js(self, code: str) -> Any:
        """Return what an expression is in the page."""
        told = self.call(
            "Runtime.evaluate",
            expression=code,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in told, (code, told["exceptionDetails"])
        return told["result"].get("value")

    def until(self, code: str) -> Any:
        """Wait until an expression is true in the page, and return what it is then."""
        # Between two documents there is no body.
        guarded = f"(() => {{ try {{ return {code} }} catch {{ return false }} }})()"
        return self.wait_for(lambda: self.js(guarded), code)

    def wait_for(self, holds: Callable[[], Any], what: str) -> Any:
        """Wait until something comes to be."""
        deadline = monotonic() + _PATIENCE
        while not (found := holds()):
            assert monotonic() < deadline, f"{what}; the page shows {self.text[:2000]!r}"
            sleep(0.05)
        return found

    @property
    def text(self) -> str:
        """What the page shows."""
        shown: str = self.js("document.body.innerText")
        return shown

    def shows(self, text: str) -> None:
        """Wait until the page shows a text."""
        self.until(f"document.body.innerText.includes({json.dumps(text)})")

    def click(self, selector: str, text: str = "") -> None:
        """Click what a selector finds, the first that has a text."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        found += f".find(one => one.innerText.includes({json.dumps(text)}))"
        self.until(f"{found} !== undefined")
        self.js(f"{found}.click()")

    def type(self, text: str) -> None:
        """Write into what has the focus, and press Enter."""
        self.call("Input.insertText", text=text)
        enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        self.call("Input.dispatchKeyEvent", type="keyDown", **enter)
        self.call("Input.dispatchKeyEvent", type="keyUp", **enter)

    def happened(self, method: str, about: str = "") -> dict[str, Any]:
        """Wait until the browser tells of something, and return the first of it.

        Args:
            method: What it tells.
            about: A text that is in it.
        """

        def told() -> dict[str, Any] | None:
            self.js("0")
            all_ = (one["params"] for one in self.seen if one["method"] == method)
            return next((one for one in all_ if about in json.dumps(one)), None)

        found: dict[str, Any] = self.wait_for(told, method)
        return found


@contextmanager
def page(profile: Path) -> Generator[Page]:
    """A browser with one empty page.

    Args:
        profile: A directory for what it keeps.
    """
    assert CHROMIUM is not None
    connect = importlib.import_module("websockets.sync.client").connect
    browser = subprocess.Popen(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--window-size=1400,900", "--remote-debugging-port=0", f"--user-data-dir={profile}",
            f"--host-resolver-rules={_NOBODY_ELSE}", "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert browser.stderr is not None
        said = (re.search(r"ws://[^/]+", line) for line in browser.stderr)
        address = next(found[0] for found in said if found)
        tabs = httpx.get(f"{address.replace('ws:', 'http:')}/json").json()
        at = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        with connect(at, max_size=None) as socket:
            yield Page(socket)
    finally:
        browser.kill()
        browser.communicate()
