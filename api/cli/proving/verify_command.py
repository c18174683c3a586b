"""`cairn verify`; its work is in `verify.py`, imported when it is needed."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import HERE, TokenFile, Url, complaining


def verify_sessions(
    sessions: Annotated[
        list[str] | None, typer.Argument(help="Ids of sessions, or their beginnings.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All sessions.")] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The log must still contain what this checkpoint says."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The public keys that sign checkpoints, as you kept it."),
    ] = None,
    sample: Annotated[
        str, typer.Option(metavar="PART", help="Of all sessions only so many, such as 1%.")
    ] = "100%",
    since_checkpoint: Annotated[
        bool,
        typer.Option(
            "--since-checkpoint", help="Of all sessions only those that changed since --checkpoint."
        ),
    ] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
    json: Annotated[bool, typer.Option("--json", help="Say it in JSON.")] = False,
) -> None:
    """Check sessions against their chains, and the log against a checkpoint of long ago.

    A checkpoint is held against every digest in the log, and all sessions are checked with it
    unless some are named. The exit status is 0 when all is well, 1 when something was found and 2
    when it could not be looked at.
    """
    with complaining(unable=2):
        from api.cli.proving.verify import verify as run

        raise SystemExit(
            run(
                sessions or [],
                everything=everything,
                sample=sample,
                since_checkpoint=since_checkpoint,
                checkpoint=checkpoint,
                key=key,
                url=url,
                token_file=token_file,
                as_json=json,
            )
        )
