"""`cairn sessions`, `show` and `tail`: look at sessions; and `demo`, which makes one."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import (
    HERE,
    ONE_SESSION,
    Agent,
    App,
    Status,
    Tag,
    TokenFile,
    Url,
    User,
    Workspace,
    complaining,
)


def list_sessions(
    app: App = None,
    user: User = None,
    workspace: Workspace = None,
    agent: Agent = None,
    status: Status = None,
    tag: Tag = None,
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only those with this in their title.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="The most of them.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="One session in JSON per line.")] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """List sessions, the last changed first, with as much of their ids as tells them apart."""
    with complaining():
        from api.cli.reading.sessions import list_sessions as run

        filters = {
            "app": app,
            "user": user,
            "workspace": workspace,
            "agent": agent,
            "status": status,
            "tag": tag,
            "text": text,
        }
        run(filters=filters, limit=limit, as_json=json, url=url, token_file=token_file)


def show_session(
    session: Annotated[str, typer.Argument(help=ONE_SESSION)],
    turns: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, help="The most of its last turns to show.")
    ] = 3,
    json: Annotated[bool, typer.Option("--json", help="Say it in JSON.")] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Show a session: what it is, how it is, and what was said in its last turns."""
    with complaining():
        from api.cli.reading.sessions import show_session as run

        run(session, turns=turns, as_json=json, url=url, token_file=token_file)


def tail_session(
    session: Annotated[str, typer.Argument(help=ONE_SESSION)],
    url: Url = HERE,
    since: Annotated[
        str,
        typer.Option(
            metavar="SEQUENCE",
            help="Show what follows this sequence; `now` shows only what is new.",
        ),
    ] = "0",
    token_file: TokenFile = None,
    json: Annotated[bool, typer.Option("--json", help="One record of the log per line.")] = False,
) -> None:
    """Follow a session over HTTP, across disconnects and restarts of the server."""
    with complaining():
        from api.cli.reading.tail import tail as run

        run(session, url=url, since=since, token_file=token_file, as_json=json)


def demo(
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="A server that runs already; without it one is started, and killed."
        ),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(
            metavar="FACTOR", min=0, help="How much faster than it happened; 0 does not wait."
        ),
    ] = 5.0,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY", help="Keep the data here; without it they are thrown away."
        ),
    ] = None,
    token_file: TokenFile = None,
) -> None:
    """Play a recorded agent session, kill the server in a turn, and prove that nothing is lost."""
    with complaining():
        from api.cli.demonstration.demo import demo as run

        run(url=url, speed=speed, data_dir=data_dir, token_file=token_file)
