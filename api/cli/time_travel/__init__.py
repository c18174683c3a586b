"""`cairn diff`, `cairn replay` and `cairn rebuild`: what can be asked of them."""

from typing import Annotated

import typer

from api.cli.options import (
    HERE,
    ONE_SESSION,
    DatabaseUrl,
    DataDir,
    TokenFile,
    Url,
    complaining,
    settings_of,
)

Earlier = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="MOMENT",
        help="The earlier moment, a sequence or an RFC 3339 time; the first event if left out.",
    ),
]
Later = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="MOMENT",
        help="The later moment, a sequence or an RFC 3339 time; the newest event if left out.",
    ),
]


def diff_session(
    session: Annotated[str, typer.Argument(help=ONE_SESSION)],
    earlier: Earlier = None,
    later: Later = None,
    json: Annotated[bool, typer.Option("--json", help="Say it in JSON.")] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Tell what differs between two moments of a session, a line for each difference.

    A line begins with + for what is only at the later moment, with - for what is only at the
    earlier one, and with ~ for what is at both and differs.
    """
    with complaining():
        from api.cli.time_travel.diff import diff as run

        run(session, earlier, later, as_json=json, url=url, token_file=token_file)


def replay_session(
    session: Annotated[str, typer.Argument(help=ONE_SESSION)],
    speed: Annotated[
        str,
        typer.Option(metavar="FACTOR", help="How much faster than it happened, such as 4x."),
    ] = "1x",
    at: Annotated[
        str | None,
        typer.Option(
            metavar="MOMENT", help="Begin at this sequence or RFC 3339 time, not with the first."
        ),
    ] = None,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Show a session as it happened, at the pace at which it was recorded.

    Space pauses and goes on, the arrows left and right step by an event, up and down by ten, Home
    and End go to the first and the last, a number and Enter go to that sequence, + and - double and
    halve the speed, q quits. Where there is no terminal, the events are printed line by line.
    """
    with complaining():
        from api.cli.time_travel.replay import replay as run

        run(session, at=at, speed=speed, url=url, token_file=token_file)


def rebuild_all(
    verify: Annotated[
        bool, typer.Option("--verify", help="Change nothing; only say what is not as the log says.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Say it in JSON.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Rebuild all that is derived from the log, while servers write, and put it in its place.

    It works on the database itself, beside its servers. Ended half-way, the same command goes on
    where it ended. The exit status is 0 when all is as the log says, 1 when with --verify something
    is not, 2 when it could not be done.
    """
    with complaining(unable=2):
        settings = settings_of(data_dir=data_dir, database_url=database_url)
        from api.cli.repairing.rebuild import rebuild as run

        raise SystemExit(run(settings, verify=verify, as_json=json))
