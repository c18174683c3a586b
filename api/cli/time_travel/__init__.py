"""`cairn diff`: what can be asked of it."""

from typing import Annotated

import typer

from api.cli.options import HERE, ONE_SESSION, TokenFile, Url, complaining

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
