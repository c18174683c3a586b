"""What a real browser lets the page of another site do here: nothing."""

import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import PATIENCE, Served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium here; Debian's package is `chromium`"
)


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
