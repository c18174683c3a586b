"""A real browser: what the page of another site can do here, and what its EventSource sees."""

import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from tests.cli.conftest import PATIENCE, Serve, Served
from tests.support.chromium import CHROMIUM, MISSING

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)


def shown(url: str, profile: Path) -> str:
    """The document of a page, when it was loaded and its scripts have run."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
            "--host-resolver-rules=MAP evil.test 127.0.0.1", "--dump-dom", url,
        ],
        capture_output=True, text=True, timeout=2 * PATIENCE, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def evil(server: Served) -> Iterator[str]:
    """A site whose page posts to this server, without a body, and says that it has."""
    target = f"{server.url}/v1/sessions/{server.session()}"

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = (
                f"var r = new XMLHttpRequest(); r.open('POST', '{target}/stop', false);"
                "try { r.send() } catch (e) {} document.body.textContent = 'it was ' + 'sent';"
            )
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<body data-target={target}><script>{script}</script>".encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    yield f"http://evil.test:{site.server_port}/"
    site.shutdown()
    thread.join()
    site.server_close()


def test_a_post_from_another_site_takes_no_effect(
    server: Served, evil: str, tmp_path: Path
) -> None:
    page = shown(evil, tmp_path)

    assert "it was sent" in page
    path = page.partition("data-target=")[2].strip('"').partition('"')[0].partition(">")[0]
    kinds = [event["type"] for event in httpx.get(f"{path}/events").json()["events"]]
    assert kinds == ["session.created"]
    # The same request without a browser does it.
    assert httpx.post(f"{path}/stop").is_success


def test_a_name_of_the_attacker_that_points_here_is_refused(server: Served, tmp_path: Path) -> None:
    path = f"/v1/sessions/{server.session()}"

    assert "host_not_allowed" in shown(f"http://evil.test:{server.port}{path}", tmp_path / "a")
    assert "session" in shown(f"{server.url}{path}", tmp_path / "b")
    assert "host_not_allowed" not in shown(f"{server.url}{path}", tmp_path / "b")


FOLLOWER = """<body><script>
const [log, seen] = [decodeURIComponent(location.hash.slice(1)), []];
const source = new EventSource(log);
const tell = (what) => fetch("/", {method: "POST", body: JSON.stringify(what)});
source.onopen = () => tell("open");
source.onerror = () => { if (source.readyState === EventSource.CLOSED) tell("given up"); };
for (const name of ["session.created", "message.added", "session.renamed"])
  source.addEventListener(name, (event) => {
    seen.push([event.lastEventId, JSON.parse(event.data)]);
    if (name === "session.renamed") tell(seen);
  });
</script>"""


@contextmanager
def site_of(page: str) -> Iterator[tuple[str, "Queue[Any]"]]:
    """A site with one page: its origin, and what the page tells it."""
    told: Queue[Any] = Queue()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{site.server_port}", told
    finally:
        site.shutdown()
        thread.join()
        site.server_close()


@contextmanager
def browsing(url: str, profile: Path) -> Iterator[None]:
    """A browser that stays on a page."""
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    browser = subprocess.Popen(
        [CHROMIUM, *options, f"--user-data-dir={profile}", url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        browser.kill()
        browser.wait()


def test_an_event_source_sees_each_event_once_though_the_server_is_killed(
    serve_again: Serve, tmp_path: Path
) -> None:
    with site_of(FOLLOWER) as (origin, told):
        server = serve_again(CAIRN_ALLOWED_ORIGINS=origin)
        session = server.session()
        log = f"{server.url}/v1/sessions/{session}/events"
        server.say(session, "before")
        with browsing(f"{origin}/#{log}?since=0", tmp_path / "profile"):
            assert told.get(timeout=4 * PATIENCE) == "open"
            server.say(session, "seen or not")
            server.process.kill()
            server.process.wait()
            server = serve_again(CAIRN_ALLOWED_ORIGINS=origin)
            server.say(session, "after")
            assert told.get(timeout=4 * PATIENCE) == "open"
            renamed = f"{server.url}/v1/sessions/{session}"
            assert httpx.patch(renamed, json={"title": "The end"}).is_success
            seen = told.get(timeout=4 * PATIENCE)

    events = httpx.get(log).json()["events"]
    assert len(events) == 5
    assert seen == [[str(event["sequence"]), event] for event in events]
