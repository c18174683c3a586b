"""The web UI of google-adk, from its package, in a real browser, with this server behind it."""

import asyncio
import functools
import http.server
import importlib
import json
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.chromium import CHROMIUM, MISSING, Page, page
from tests.support.postgres import Server
from tests.support.server import running

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    adk: Any = pytest.importorskip(
        "google.adk", reason="google-adk is installed by make setup-importers"
    )
    sys.path[:0] = [
        str(ROOT / part)
        for part in ("clients/cairn_adk", "examples/adk_runner", "tests/adk/agents")
    ]
    adk_runner: Any = importlib.import_module("adk_runner")

APP = "golden"
SESSIONS = f"/apps/{APP}/users/user/sessions"
MENU = '[mattooltip="Select a session"]'
REPORT = "report.txt/versions/0"
DRAWER = ".session-selector-drawer-content"
NAME = ".session-selector-current-id-value"


@pytest.fixture
def site() -> Iterator[tuple[str, dict[str, str]]]:
    """The files of the web UI on a site of their own, and what it is told at its start."""
    config: dict[str, str] = {}

    class Files(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.endswith("/assets/config/runtime-config.json"):
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(config).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    files = Path(adk.__file__).parent / "cli/browser"
    handler = functools.partial(Files, directory=str(files))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", config
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def backend(postgres_server: Server, site: tuple[str, dict[str, str]]) -> AsyncIterator[str]:
    """A server that the pages of the site may use, and a runner of the agent that they talk to."""
    origin, config = site
    settings = {"doors": "adk", "adk_apps": APP, "allowed_origins": origin}
    with (
        postgres_server.database() as url,
        running(url, **settings, driver_seconds=60) as base,
    ):
        agent = importlib.import_module("golden.agent").root_agent
        ready = asyncio.Event()
        uri = base.replace("http://", "cairn://")
        runner = asyncio.create_task(adk_runner.serve(uri, agent, APP, ready))
        await asyncio.wait_for(ready.wait(), 60)
        config["backendUrl"] = base
        yield base
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)


def talk_rename_move_and_delete(origin: str, backend: str, directory: Path) -> None:
    downloads = directory / "downloads"
    client = httpx.Client(base_url=backend, timeout=60)

    def sessions() -> list[tuple[str, str]]:
        """The ids and the names of all sessions, the one that changed last at the end."""
        found = client.get(SESSIONS).json()
        return [(one["id"], one["state"]["__session_metadata__"]["displayName"]) for one in found]

    with client, page(directory / "profile") as ui:
        for domain in ("Page", "Runtime", "Network"):
            ui.call(f"{domain}.enable")
        ui.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
        ui.call("Page.setInterceptFileChooserDialog", enabled=True)

        # Chat: a session begins with the first message.
        ui.call("Page.navigate", url=f"{origin}/?app={APP}")
        say(ui, "parallel")
        ui.shows("Oslo 3, Rome 21")
        ((first, name),) = sessions()
        assert name == "parallel"

        # An artifact, which the page shows.
        say(ui, "artifact")
        ui.happened("Network.responseReceived", REPORT)

        # List and rename.
        ui.click(MENU)
        ui.until(f"document.querySelector('{DRAWER}').innerText.includes('{first}')")
        ui.click("button[aria-label=Edit]")
        ui.until("document.querySelector('button[aria-label=Save]') !== null")
        ui.js(
            f"document.querySelector('{NAME}').focus(), document.querySelector('{NAME}').select()"
        )
        ui.type("The weather")
        ui.wait_for(lambda: sessions() == [(first, "The weather")], "the new name")

        # Export: the file is the session.
        ui.click("button", "Export")
        ui.wait_for(lambda: list(downloads.glob("The weather.json")), "the file")
        (exported,) = downloads.glob("*.json")
        kept = client.get(f"{SESSIONS}/{first}").json()
        ui.wait_for(lambda: exported.read_text() and json.loads(exported.read_text()), "all of it")
        assert json.loads(exported.read_text()) == kept

        assert refused(ui, backend) == set()

        # Import: another session with the same events, actions and all.
        ui.click("button", "Import")
        chooser = ui.happened("Page.fileChooserOpened")["backendNodeId"]
        ui.call("DOM.setFileInputFiles", files=[str(exported)], backendNodeId=chooser)
        ui.shows("Session imported successfully")
        ids = [session for session, _ in sessions()]
        (second,) = set(ids) - {first}
        copied = client.get(f"{SESSIONS}/{second}").json()
        assert copied["state"] == kept["state"]
        assert [untimed(one) for one in copied["events"]] == [
            untimed(one) for one in kept["events"]
        ]

        # Reload: the page comes back with what was said in the session that it shows.
        ui.until(f"location.search.includes('{second}')")
        ui.js("window.stale = true")
        ui.call("Page.reload")
        ui.until(f"!window.stale && location.search.includes('{second}')")
        ui.shows("Oslo 3, Rome 21")

        # A session that was imported has none of the artifacts that its events tell of.
        assert {url.rpartition("/artifacts/")[2] for url in refused(ui, backend)} <= {REPORT}

        # Delete: the page leaves it, and the other one is all that is left.
        ui.click(MENU)
        ui.click("button", "Delete")
        ui.click(".cdk-overlay-container button", "Delete")
        ui.wait_for(lambda: sessions() == [(first, "The weather")], "one session alone")
        ui.until(f"!location.search.includes('{second}')")
        assert client.get(f"{SESSIONS}/{second}").status_code == 404


def say(ui: Page, text: str) -> None:
    ui.until("document.querySelector('textarea:not([disabled])') !== null")
    # What was said before may still be in it.
    ui.js("document.querySelector('textarea').focus(), document.querySelector('textarea').select()")
    ui.type(text)


def refused(ui: Page, backend: str) -> set[str]:
    """What the page has asked for, and was refused or is not there."""
    told = [one["params"] for one in ui.seen if one["method"] == "Network.responseReceived"]
    answers = [one["response"] for one in told if one["response"]["url"].startswith(backend)]
    assert len(answers) > 10
    return {one["url"] for one in answers if one["status"] >= 400}


def untimed(event: dict[str, Any]) -> dict[str, Any]:
    """An event without its time: the web UI gives all that it imports the same."""
    return {name: value for name, value in event.items() if name != "timestamp"}


async def test_the_web_ui_talks_renames_reloads_moves_and_deletes(
    site: tuple[str, dict[str, str]], backend: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(talk_rename_move_and_delete, site[0], backend, tmp_path)
