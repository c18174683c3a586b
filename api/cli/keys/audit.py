"""`cairn audit`: the keys that sign checkpoints."""

from pathlib import Path

import typer

from api.cli.options import Failure, UsageError
from api.composition.keys import KeyFileError, make_key, rotate_key


def keygen(file: Path, *, name: str | None, rotate: bool, overlap: bool) -> None:
    """Make a key or rotate it, and print the public key.

    Args:
        file: Where the private key is kept.
        name: Of a new log.
        rotate: Put a new key before those in the file.
        overlap: The old key goes on signing beside the new one.

    Raises:
        UsageError: This makes no sense together.
        Failure: The file cannot be used or written.
    """
    if rotate and name is not None:
        raise UsageError("--rotate keeps the name of the log; leave --name out.")
    if overlap and not rotate:
        raise UsageError("--overlap goes with --rotate.")
    if not rotate and name is None:
        raise UsageError("Name the log with --name, such as --name audit.example.com/cairn.")
    try:
        public = rotate_key(file, overlap=overlap) if name is None else make_key(file, name)
    except KeyFileError as error:
        raise Failure(str(error)) from None
    typer.echo(str(public))
    typer.echo(
        f"Keep this public key where whoever can write {file} cannot; the server signs with"
        f" CAIRN_AUDIT_KEY_FILE={file}.",
        err=True,
    )
