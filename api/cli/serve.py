"""`cairn serve`: what is needed, in order, each fault told in one sentence."""

import os
import shlex
import shutil
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from api.cli.options import Failure, say, say_making, unknown_settings
from api.cli.serving.connection_counts import ConnectionCounts
from api.cli.serving.connection_guard import ConnectionLimits
from api.cli.serving.listening import is_of_this_machine, socket_path, url_of
from api.cli.serving.server import run_server
from api.cli.serving.supervisor import Supervisor
from api.composition.database import bring_up_to_date, database_of, program_url
from api.composition.hooks import hooks_of
from api.composition.keys import audit_keys_of, sealer_of, signing_secrets_of, token_of
from api.composition.retention import policies_of
from api.logs import configure_logs, json_line
from api.settings import Settings
from api.start_error import StartError
from api.version import VERSION

_METRICS = "cairn-metrics-"


def serve(settings: Settings, listening: socket.socket) -> None:
    """Run the server until SIGINT, SIGTERM or SIGHUP.

    Args:
        settings: How.
        listening: Where; it is closed at the end.

    Raises:
        Failure: It cannot start.
    """
    configure_logs(settings.log_format)
    as_json = settings.log_format == "json"
    try:
        token_of(settings)
        audit_keys_of(settings)
        sealer_of(settings)
        signing_secrets_of(settings)
        # Before the workers, who would each tell of it at length.
        hooks_of(settings)
        policies_of(settings)
        making = partial(say_making, settings, as_json=as_json)
        with _stoppable(), database_of(settings, making) as url:
            bring_up_to_date(url)
            url = program_url(settings, url)
            for words in _warnings(settings, listening):
                say(words, "warning", as_json=as_json)
            _run(settings, url, listening)
    except StartError as error:
        raise Failure(str(error)) from error


def _warnings(settings: Settings, listening: socket.socket) -> Iterator[str]:
    yield from unknown_settings()
    token_file = settings.auth_token_file
    if token_file is not None and token_file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield (
            f"other users of this machine may read the token in {token_file};"
            f" run chmod 600 {shlex.quote(str(token_file))}."
        )
    if token_file is None and not is_of_this_machine(listening):
        host = listening.getsockname()[0]
        yield (
            f"{host} can be reached from other machines, and no token is asked for:"
            " whoever can connect can read and write every session; set --auth-token-file"
            " (CAIRN_AUTH_TOKEN_FILE), or use --host 127.0.0.1."
        )


def _run(settings: Settings, url: str, listening: socket.socket) -> None:
    words = _announcement(settings, url, listening)

    def ready() -> None:
        with suppress(OSError):
            sys.stdout.write(words)
            sys.stdout.flush()

    attached = settings.model_copy(update={"database_url": SecretStr(url)})
    if settings.workers == 1:
        # Not where workers are, who import it each: the program is most of what a start costs.
        from api.main import create_app

        run_server(create_app(attached), listening, ready, ConnectionLimits.of(attached))
        return
    _remove_what_kills_have_left()
    prefix = f"{_METRICS}{os.getpid()}-"
    with (
        tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as shared,
        closing(ConnectionCounts.make(settings.workers)) as counts,
    ):
        Supervisor(attached, listening, Path(shared), counts, ready).run()


def _remove_what_kills_have_left() -> None:
    """Remove the figures of servers of this user that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_METRICS}*-*"):
        pid = left.name.removeprefix(_METRICS).partition("-")[0]
        with suppress(OSError):
            if pid.isdigit() and left.stat().st_uid == os.geteuid() and not left.is_symlink():
                try:
                    os.kill(int(pid), 0)
                except ProcessLookupError:
                    shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _stoppable() -> Generator[None]:
    """Let SIGTERM and SIGINT unwind this process as long as nothing else listens to them.

    SIGHUP is SIGTERM.
    """

    def stop(number: int, _: object) -> NoReturn:
        sys.exit(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    # A terminal that is closed asks for a stop too, but for a program that `nohup` has started.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, _hang_up)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hang_up(number: int, _: object) -> None:
    # The shell may tell of the same end of a terminal again, which must not cut the stop short.
    signal.signal(number, signal.SIG_IGN)
    signal.raise_signal(signal.SIGTERM)


def _announcement(settings: Settings, database_url: str, listening: socket.socket) -> str:
    place = url_of(listening)
    path = socket_path(listening)
    url = place if path is None else "http://localhost"
    if settings.database_url is None:
        data = f"{settings.data_dir.absolute()} (with its own Postgres)"
    else:
        parts = conninfo_to_dict(database_url)
        database = parts.get("dbname") or parts.get("user") or "its default"
        data = f"the database {database} on {parts.get('host') or 'this machine'}"
    how = "" if path is None else f" --unix-socket {shlex.quote(str(path))}"
    mode = None if path is None else f"{stat.S_IMODE(path.lstat().st_mode):04o}"
    if settings.auth_token_file is not None:
        file = shlex.quote(str(settings.auth_token_file))
        how += f' -H "Authorization: Bearer $(cat {file})"'
    body = '{"app":"hello","user":"me"}'
    words = f"Cairn {VERSION} is ready on {place}"
    if settings.log_format == "json":
        facts: dict[str, str | int] = {
            "url": place,
            "data": data,
            "docs": f"{url}/docs",
            "pid": os.getpid(),
            "workers": settings.workers,
        }
        if mode is not None:
            facts["socket_mode"] = mode
        return json_line("info", "cairn", words, facts) + "\n"
    lines = [
        words,
        f"  data   {data}",
        f"  try    curl{how} -H 'Content-Type: application/json' -d '{body}' {url}/v1/sessions",
        f"  docs   {url}/docs",
        f"  stop   Ctrl-C, or kill {os.getpid()}",
    ]
    if settings.workers > 1:
        lines.insert(2, f"  runs   {settings.workers} workers, process {os.getpid()} over them")
    if mode is not None:
        lines.insert(1, f"  socket {path}, with the permissions {mode}")
    return "".join(f"{line}\n" for line in lines)
