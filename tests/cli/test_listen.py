"""`cairn serve --listen`: a Unix socket of its own, or a socket that is inherited."""

import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import PATIENCE, ROOT, Serve, Served, cairn, curl, environment, run
from tests.cli.test_workers import workers_of

SESSION = {"app": "a", "user": "u"}


@pytest.fixture
def at(home: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A path for a socket, in a directory of its own."""
    directory = home / f"s{abs(hash(request.node.nodeid)) % 10**8}"
    directory.mkdir()
    yield directory / "cairn.sock"
    for left in directory.iterdir():
        left.unlink()
    directory.rmdir()


def client(path: Path) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(path))
    return httpx.Client(transport=transport, base_url="http://localhost", timeout=PATIENCE)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_it_serves_its_user_only_says_so_and_removes_the_socket(serve: Serve, at: Path) -> None:
    server = serve("--listen", f"unix://{at}")
    words = server.words()

    assert server.url == f"unix://{at}"
    assert f"socket {at}, with the permissions 0600" in words
    assert mode_of(at) == 0o600
    assert curl(words)["session"]["app"] == "hello"
    with client(at) as http:
        made = http.post("/v1/sessions", json=SESSION)
        assert made.status_code == 201
        path = made.headers["location"]
        with http.stream("GET", f"{path}/events", headers={"Accept": "text/event-stream"}) as read:
            lines = read.iter_lines()
            while next(lines) != "event: caught-up":
                pass
            assert server.end()[0] == 0
            assert "event: stream.closing" in list(lines)
    assert not at.exists()
    assert server.errors() == ""


def test_its_permissions_can_be_set_and_several_workers_share_it(serve: Serve, at: Path) -> None:
    server = serve(
        "--workers", "2", CAIRN_LISTEN=f"unix://{at}", CAIRN_SOCKET_MODE="0660", CAIRN_PORT="1"
    )

    assert mode_of(at) == 0o660
    seen: set[str] = set()
    for _ in range(1000):
        with client(at) as http:
            seen.add(http.get("/health").headers["x-cairn-worker"])
        if len(seen) == 2:
            break
    assert len(seen) == 2
    assert server.end()[0] == 0
    assert not at.exists()


def test_the_socket_of_a_dead_server_is_replaced_and_that_of_a_live_one_is_not(
    serve: Serve, at: Path
) -> None:
    first = serve("--listen", f"unix://{at}")
    refused = run("serve", "--listen", f"unix://{at}")

    assert (refused.returncode, refused.stderr) == (
        1,
        f"cairn: A server listens on {at} already; stop it, or choose another path.\n",
    )
    with client(at) as http:
        assert http.get("/health").is_success

    first.process.kill()
    first.process.wait()
    assert at.exists()
    serve("--listen", f"unix://{at}")
    with client(at) as http:
        assert http.get("/health").is_success


def test_the_end_of_a_server_leaves_what_has_taken_the_place_of_its_socket(
    serve: Serve, at: Path
) -> None:
    server = serve("--listen", f"unix://{at}")
    at.unlink()
    at.write_text("mine")

    assert server.end()[0] == 0
    assert at.read_text() == "mine"


def test_no_symbolic_link_is_followed_and_no_file_replaced(at: Path) -> None:
    target = at.with_name("target")
    at.symlink_to(target)
    linked = run("serve", "--listen", f"unix://{at}")
    assert linked.returncode == 1
    assert "is a symbolic link, which is not followed" in linked.stderr
    assert at.is_symlink()
    assert not target.exists()

    at.unlink()
    at.write_text("mine")
    there = run("serve", "--listen", f"unix://{at}")
    assert there.returncode == 1
    assert "is there already and is no socket" in there.stderr
    assert at.read_text() == "mine"


def test_a_socket_of_another_kind_is_left_alone(at: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(at))
        refused = run("serve", "--listen", f"unix://{at}")
        assert "listens on" in refused.stderr
        assert at.exists()


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        ("/run/cairn.sock", "it must be unix:// with an absolute path"),
        ("unix://cairn.sock", "it must be unix:// with an absolute path"),
        ("unix:///", "it must be unix:// with an absolute path"),
        ("unix:///run/", "it must be unix:// with an absolute path"),
        ("tcp://127.0.0.1:80", "it must be unix:// with an absolute path"),
        ("fd://", "an inherited descriptor from 3 up"),
        ("fd://two", "an inherited descriptor from 3 up"),
        ("fd://-1", "an inherited descriptor from 3 up"),
        ("fd://1", "an inherited descriptor from 3 up"),
    ],
)
def test_an_address_that_is_none_is_named(listen: str, said: str) -> None:
    refused = run("serve", "--listen", listen)

    assert refused.returncode == 2
    assert "--listen or CAIRN_LISTEN is not usable" in refused.stderr
    assert said in refused.stderr
    assert repr(listen) in refused.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--listen", "unix:///x", "--socket-mode", "rw"), "permissions in octal"),
        (("--listen", "unix:///x", "--socket-mode", "0999"), "permissions in octal"),
        (("--listen", "unix:///x", "--socket-mode", "4600"), "permissions in octal"),
        (("--listen", "unix:///x", "--socket-mode", "0060"), "permissions in octal"),
        (("--socket-mode", "0600"), "SOCKET_MODE is for a socket that CAIRN_LISTEN=unix:///path"),
        (("--listen", "fd://3", "--socket-mode", "0600"), "CAIRN_SOCKET_MODE is for a socket"),
        (("--listen", "unix:///x", "--port", "1"), "leave out --host and --port"),
        (("--listen", "fd://3", "--host", "::1"), "leave out --host and --port"),
    ],
)
def test_options_that_make_no_sense_are_named(options: tuple[str, ...], said: str) -> None:
    refused = run("serve", *options)

    assert refused.returncode == 2
    assert said in refused.stderr


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nowhere/at/all/cairn.sock", "/nowhere/at/all is no directory"),
        ("/etc/hostname/cairn.sock", "/etc/hostname is no directory"),
        (f"/tmp/{'x' * 200}", "is too long for a socket"),
        ("/proc/cairn.sock", "/proc"),
    ],
)
def test_a_path_where_no_socket_can_be_is_told_in_a_sentence(path: str, said: str) -> None:
    refused = run("serve", "--listen", f"unix://{path}")

    assert refused.returncode == 1
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_socket_that_is_inherited_is_served(serve: Serve, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor, port = listening.fileno(), listening.getsockname()[1]
        server = serve(
            "--listen", f"fd://{descriptor}", "--workers", workers, pass_fds=[descriptor]
        )
    assert server.url == f"http://127.0.0.1:{port}"
    assert len(workers_of(server, int(workers))) == int(workers)
    assert server.session()
    assert server.end()[0] == 0


def test_a_unix_socket_that_is_inherited_stays_with_who_made_it(serve: Serve, at: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(at))
        listening.listen()
        # A client may come before the server does.
        asking = socket.socket(socket.AF_UNIX)
        asking.settimeout(PATIENCE)
        asking.connect(str(at))
        asking.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server = serve("--listen", f"fd://{listening.fileno()}", pass_fds=[listening.fileno()])
        with asking:
            assert asking.recv(65536).startswith(b"HTTP/1.1 200")
        assert server.end()[0] == 0
        assert at.exists()


def refusal_of(descriptor: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        cairn("serve", "--listen", f"fd://{descriptor}"),
        cwd=ROOT,
        env=environment(),
        pass_fds=[descriptor],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_descriptor_that_is_not_open_is_named() -> None:
    refused = run("serve", "--listen", "fd://987654")

    assert refused.returncode == 1
    assert "fd://987654: the descriptor 987654 is not open in this process" in refused.stderr


def test_a_descriptor_that_is_no_listening_socket_is_named(tmp_path: Path, at: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert "is no socket; have who starts it" in refusal_of(file.fileno()).stderr
    with socket.socket() as idle:
        assert "does not listen for connections" in refusal_of(idle.fileno()).stderr
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert "does not listen for connections" in refusal_of(datagrams.fileno()).stderr
    with socket.socket(socket.AF_UNIX) as nameless:
        nameless.bind("\0cairn-" + os.urandom(8).hex())
        nameless.listen()
        assert "has no absolute path" in refusal_of(nameless.fileno()).stderr


def test_a_second_end_and_a_failed_start_remove_the_socket_too(
    serve: Serve, at: Path, tmp_path: Path
) -> None:
    failed = run(
        "serve", "--listen", f"unix://{at}", "--auth-token-file", str(tmp_path / "nowhere")
    )
    assert failed.returncode == 1
    assert not at.exists()

    server: Served = serve("--listen", f"unix://{at}")
    server.process.send_signal(signal.SIGINT)
    assert server.end(signal.SIGINT)[0] == 0
    assert not at.exists()
