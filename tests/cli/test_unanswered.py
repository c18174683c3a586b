"""What commands say when what answers is no Cairn server, or breaks off."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.in_process import said_by

SESSION = "01890a5d-ac96-774b-bcce-b302099a8057"
HTML = b"<html>welcome</html>"


@contextmanager
def answering(answer: bytes) -> Generator[str]:
    """Answer every connection with these bytes, and close it; give the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    taken, _ = listening.accept()
                except OSError:
                    return
                with taken:
                    taken.recv(65536)
                    taken.sendall(answer)
                    taken.shutdown(socket.SHUT_WR)
                    while taken.recv(65536):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "one.jsonl"
    path.write_text("{}\n")
    return path


COMMANDS = [
    ("sessions",),
    ("show", SESSION),
    ("diff", SESSION),
    ("replay", SESSION),
    ("recover",),
    ("repair", "--all"),
    ("verify", "--all"),
    ("token", "list"),
    ("import", "LINES"),
    ("export", "-o", "LINES.tar.zst"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "broke before the whole answer came"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(HTML), HTML), "no Cairn server"),
        (
            b"HTTP/1.1 501 Other\r\nContent-Length: %d\r\n\r\n%b" % (len(HTML), HTML),
            "this is no answer of Cairn; see that --url or CAIRN_URL names a Cairn server",
        ),
    ],
    ids=["cut", "page", "refusal"],
)
def test_it_says_what_is_wrong_and_what_to_do(
    command: tuple[str, ...],
    answer: bytes,
    said: str,
    lines: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [one.replace("LINES", str(lines)) for one in command]
    with answering(answer) as url:
        status, _, err = said_by(capsys, *arguments, "--url", url)
    assert status in {1, 2}
    assert said in err
    assert err.startswith("cairn: ")
    assert not err.endswith("..\n")
