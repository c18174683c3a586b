"""The options that commands share, and how they become the one settings object."""

import os
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from api.logs import json_line

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from api.settings import Settings

Host = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Address to listen on, 127.0.0.1 unless set. [CAIRN_HOST]"
    ),
]
Port = Annotated[
    str | None,
    typer.Option(metavar="PORT", help="Port, 8080 unless set; 0 takes a free one. [CAIRN_PORT]"),
]
Listen = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE",
        help="Instead: unix:///path/to/socket, or fd://3, a socket that is inherited."
        " [CAIRN_LISTEN]",
    ),
]
SocketMode = Annotated[
    str | None,
    typer.Option(
        metavar="MODE",
        help="Permissions of that Unix socket, 0600 unless set. [CAIRN_SOCKET_MODE]",
    ),
]
DataDir = Annotated[
    str | None,
    typer.Option(
        metavar="DIRECTORY",
        help="Where Postgres keeps the data, .cairn unless set. [CAIRN_DATA_DIR]",
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Use this Postgres instead. [CAIRN_DATABASE_URL or DATABASE_URL]"
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="Processes that answer, 1 unless set. [CAIRN_WORKERS]"),
]
LogFormat = Annotated[
    str | None,
    typer.Option(metavar="FORMAT", help="text or json, on standard error. [CAIRN_LOG_FORMAT]"),
]
AccessLog = Annotated[
    bool | None,
    typer.Option(
        "--access-log/--no-access-log",
        help="Log every request, not only failed and slow ones. [CAIRN_ACCESS_LOG]",
    ),
]
Doors = Annotated[
    list[str] | None,
    typer.Option(
        "--door",
        metavar="NAME",
        help="Open a door beside the native one, such as adk; may be given again. [CAIRN_DOORS]",
    ),
]
RootPath = Annotated[
    str | None,
    typer.Option(
        metavar="PATH", help="Where a proxy shows this server, such as /cairn. [CAIRN_ROOT_PATH]"
    ),
]
AuthTokenFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Ask for the bearer token in this file. [CAIRN_AUTH_TOKEN_FILE]"
    ),
]
RetentionPolicy = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Archive and erase once a day what the policies in this file keep no longer."
        " [CAIRN_RETENTION_POLICY]",
    ),
]
HERE = "http://127.0.0.1:8080"
ONE_SESSION = "The id of a session, or as much of its beginning as is needed."

Url = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="CAIRN_URL",
        show_envvar=False,
        help="Where the server is. [CAIRN_URL]",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar="CAIRN_TOKEN_FILE",
        show_envvar=False,
        help="Holds the bearer token to send. [CAIRN_TOKEN_FILE]",
    ),
]
App = Annotated[str | None, typer.Option(metavar="APP", help="Only those of this app.")]
User = Annotated[str | None, typer.Option(metavar="USER", help="Of this user.")]
Workspace = Annotated[str | None, typer.Option(metavar="WORKSPACE", help="Of this workspace.")]
Agent = Annotated[str | None, typer.Option(metavar="AGENT", help="Of this agent.")]
Status = Annotated[str | None, typer.Option(metavar="STATUS", help="With this status.")]
Tag = Annotated[str | None, typer.Option(metavar="TAG", help="With this tag.")]

_WRONG_USE = 2
_NOT_OF_A_SERVER = ("URL", "TOKEN_FILE", "PG_BIN")
_OF_KUBERNETES = re.compile("(SERVICE|PORT)_.+")
"""Set in every container beside a service that is called `cairn`."""
_SECRET = {"database_url", "session_manager_hmac_secret"}
_OPTIONS = frozenset(
    (
        "host",
        "port",
        "listen",
        "socket_mode",
        "data_dir",
        "database_url",
        "workers",
        "log_format",
        "access_log",
        "auth_token_file",
        "doors",
        "root_path",
    )
)


class UsageError(Exception):
    """Something was asked for that makes no sense; the message says what and where."""


class Failure(Exception):
    """A command cannot do its work; the message says why and what to do."""


@contextmanager
def complaining(*, unable: int = 1, as_json: bool = False) -> Generator[None]:
    """End the program with one sentence, without a traceback, when it cannot do its work.

    Args:
        unable: The exit status when the work cannot be done; wrong use is 2.
        as_json: Say it in a line of JSON.
    """
    try:
        yield
    except (UsageError, Failure) as error:
        words = str(error)
        # What is quoted at its end may be a sentence too.
        say(words.removesuffix(".") if words.endswith("..") else words, "error", as_json=as_json)
        sys.exit(_WRONG_USE if isinstance(error, UsageError) else unable)


def say(words: str, level: Literal["info", "warning", "error"], *, as_json: bool) -> None:
    """Say something on standard error, in the form of the log.

    Args:
        words: A sentence.
        level: What kind of word it is.
        as_json: In a line of JSON.
    """
    if as_json:
        typer.echo(json_line(level, "cairn", words), err=True)
    else:
        typer.echo(f"cairn: {'warning: ' if level == 'warning' else ''}{words}", err=True)


def say_making(settings: "Settings", *, as_json: bool = False) -> None:
    """Say that a database cluster is being made, which takes a while.

    Args:
        settings: Say where.
        as_json: In a line of JSON.
    """
    where = settings.data_dir.absolute()
    say(f"Making a database cluster in {where}, once.", "info", as_json=as_json)


def wants_json(log_format: str | None) -> bool:
    """Return whether the log is to be JSON, before the settings are known to make sense.

    Args:
        log_format: The option, where it was given.
    """
    return (log_format or os.environ.get("CAIRN_LOG_FORMAT")) == "json"


def unknown_settings() -> list[str]:
    """Return a sentence for each variable of the environment that looks like a setting."""
    from api.settings import Settings

    known = [*map(str.upper, Settings.model_fields), *_NOT_OF_A_SERVER]
    sentences: list[str] = []
    for name in sorted(os.environ):
        prefix, said = name[: len("CAIRN_")], name.removeprefix("CAIRN_")
        if prefix == "CAIRN_" and said not in known and not _OF_KUBERNETES.fullmatch(said):
            near = get_close_matches(said, known, 1, 0.75)
            meant = f"; did you mean CAIRN_{near[0]}?" if near else "."
            sentences.append(f"{name} is no setting, and counts for nothing{meant}")
    return sentences


def settings_of(**options: str | bool | None) -> "Settings":
    """Return the settings: options beat the environment, which beats the defaults.

    Args:
        **options: By the names of their fields; None where one was not given.

    Raises:
        UsageError: A value is not usable.
    """
    from pydantic import ValidationError

    from api.settings import Settings

    given: dict[str, Any] = {name: one for name, one in options.items() if one is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        refusals = error.errors(include_url=False, include_context=False)
        raise UsageError(" ".join(map(_sentence, refusals))) from None


def _sentence(refusal: "ErrorDetails") -> str:
    said = refusal["msg"].removeprefix("Value error, ")
    if not refusal["loc"]:
        return f"The settings do not go together: {said}."
    name = str(refusal["loc"][0]).lower().removeprefix("cairn_")
    option = "--door" if name == "doors" else f"--{name.replace('_', '-')}"
    where = f"CAIRN_{name.upper()}"
    if name in _OPTIONS:
        where = f"{option} or {where}"
    given = "" if name in _SECRET else f", and it is {refusal['input']!r}"
    what = said if said != refusal["msg"] else said.partition(",")[0]
    what = what.replace("Input should be", "it must be")
    return f"{where} is not usable: {what[0].lower()}{what[1:]}{given}."
