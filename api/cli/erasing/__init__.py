"""`cairn erase` and `cairn retention`: what can be asked of them."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import HERE, TokenFile, Url, UsageError, complaining


def erase_content(
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help="Why; it stays for ever, so write the number of a case, and no name.",
        ),
    ],
    sessions: Annotated[list[str] | None, typer.Argument(help="Ids of sessions.")] = None,
    app: Annotated[str | None, typer.Option(metavar="APP", help="The app of a user.")] = None,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Erase all of this user of the app.")
    ] = None,
    children: Annotated[
        bool, typer.Option("--children", help="Erase what the sessions have spawned, too.")
    ] = False,
    shared_keys: Annotated[
        str | None,
        typer.Option(
            metavar="kept|erased",
            help="Keys in force that they have written last; kept for sessions, erased for users.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    proof: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the proof of it to this file.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Erase what sessions, or a user, have said: for good, and so that the proof of the log stands.

    It says first what would go, and asks. The exit status is 0 when it is gone, 1 when it was
    refused or a legal hold is in its way, 2 when it could not be tried.
    """
    with complaining(unable=2):
        if bool(sessions) == (user is not None) or (app is None) != (user is None):
            raise UsageError("Name sessions, or a user with --app and --user.")
        if shared_keys not in (None, "kept", "erased"):
            raise UsageError("--shared-keys is kept or erased.")
        if user is not None and children:
            raise UsageError("--children goes with sessions; of a user all sessions are erased.")
        from api.cli.erasing.erase import Erasure, erase

        asked = Erasure(sessions or [], app, user, reason, children, shared_keys)
        raise SystemExit(
            erase(
                asked,
                dry_run=dry_run,
                yes=yes,
                proof=proof,
                as_json=json,
                url=url,
                token_file=token_file,
            )
        )


def keep_policies(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Policies, as TOML.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="A line of JSON for each policy.")] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Archive and erase the sessions that are older than policies say.

    An archive is read again and verified before anything in it is erased. The exit status is 0
    when all is done, 1 when a legal hold has kept some, 2 when it could not be done.
    """
    with complaining(unable=2):
        from api.cli.erasing.retention import retain

        raise SystemExit(
            retain(file, dry_run=dry_run, as_json=json, url=url, token_file=token_file)
        )
