"""`cairn secrets`: the keys that seal secrets in the database."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from api.cli.options import DatabaseUrl, DataDir, Failure, complaining, settings_of

secret_keys = typer.Typer(
    name="secrets", help="Keys that seal secrets in the database.", no_args_is_help=True
)


@secret_keys.command(short_help="Make a key that seals secrets.")
def keygen(
    file: Annotated[Path, typer.Argument(help="Where the key is kept; name it to the server.")],
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Put a new key before those in the file.")
    ] = False,
) -> None:
    """Make a key that seals secrets, and print its id.

    Each line is an id of 8 hexadecimal digits and the base64 of 32 bytes, the newest first.
    """
    with complaining():
        from api.composition.keys import KeyFileError, make_sealing_key, rotate_sealing_key

        try:
            key_id = rotate_sealing_key(file) if rotate else make_sealing_key(file)
        except KeyFileError as error:
            raise Failure(str(error)) from None
        typer.echo(key_id)
        typer.echo(
            "Keep a copy apart from backups of the database; the server seals with"
            f" CAIRN_SECRETS_KEY_FILE={file}.",
            err=True,
        )


@secret_keys.command(short_help="Print what a session of the agentapi door was asked for with.")
def payload(
    session: Annotated[UUID, typer.Argument(help="The id of the session.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Print the settings of a session as they came, with the secrets that no server shows.

    It takes the database, and the key that sealed them: CAIRN_SECRETS_KEY_FILE.
    """
    with complaining():
        from api.cli.keys.payload import read_payload

        read_payload(settings_of(data_dir=data_dir, database_url=database_url), session)
