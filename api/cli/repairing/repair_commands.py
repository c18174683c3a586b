"""`cairn repair` and `recover`: what is wrong with sessions, and what closes it."""

import sys
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


def repair_session(
    session: Annotated[str | None, typer.Argument(help=ONE_SESSION)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is wrong.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also when the session was stopped on purpose.")
    ] = False,
    scope: Annotated[
        str, typer.Option(metavar="final|all", help="Close the final turn, or all that are open.")
    ] = "final",
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="All sessions that the filters choose, a line each.",
        ),
    ] = False,
    app: App = None,
    user: User = None,
    workspace: Workspace = None,
    agent: Agent = None,
    status: Status = None,
    tag: Tag = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A log in a file; needs no server.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="Of the file: cairn, rows, agh-ledger or agh-db."
        ),
    ] = None,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Say what is wrong with a session or a log in a file, and append what closes what is open.

    The exit status is 0 when nothing is wrong or it was repaired, 1 when there is something to do
    or it is blocked, 2 when it could not be looked at.
    """
    with complaining():
        from api.cli.repairing.repair import repair as run

        filters = {
            "app": app,
            "user": user,
            "workspace": workspace,
            "agent": agent,
            "status": status,
            "tag": tag,
        }
        sys.exit(
            run(
                session,
                everything=everything,
                file=file,
                form=form,
                filters=filters,
                dry_run=dry_run,
                force=force,
                scope=scope,
                as_json=json,
                url=url,
                token_file=token_file,
            )
        )


def recover_sessions(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Say it in JSON.")] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Stop every session whose driver is gone, and close what is open in it.

    The exit status is 0 when nothing is left to do, 1 when something is, 2 when the server could
    not be asked.
    """
    with complaining():
        from api.cli.repairing.recover import recover as run

        sys.exit(run(dry_run=dry_run, as_json=json, url=url, token_file=token_file))
