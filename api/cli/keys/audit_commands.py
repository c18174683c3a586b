"""`cairn audit`: keys that sign checkpoints of the log."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import (
    complaining,
)

audit = typer.Typer(
    name="audit", help="Keys that sign checkpoints of the log.", no_args_is_help=True
)


@audit.command(short_help="Make a key that signs checkpoints.")
def keygen(
    file: Annotated[Path, typer.Argument(help="Where the key is kept; name it to the server.")],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of the log, such as audit.example.com/cairn."),
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Put a new key before those in the file.")
    ] = False,
    overlap: Annotated[
        bool, typer.Option("--overlap", help="With --rotate: the old key goes on signing too.")
    ] = False,
) -> None:
    """Make a key that signs checkpoints, and print its public key, to be kept elsewhere."""
    with complaining():
        from api.cli.keys.audit import keygen as run

        run(file, name=name, rotate=rotate, overlap=overlap)
