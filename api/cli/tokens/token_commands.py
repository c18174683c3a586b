"""The commands of `cairn token`; their work is in `token.py`, imported when it is needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.options import (
    DatabaseUrl,
    DataDir,
    TokenFile,
    UsageError,
    complaining,
    settings_of,
)

if TYPE_CHECKING:
    from api.cli.tokens.token import Tokens

tokens = typer.Typer(
    name="token",
    help="Access tokens: who may do what, and with whose sessions.",
    no_args_is_help=True,
)

ServerUrl = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Ask this server, not the database."),
]


def _tokens(
    url: str | None, token_file: Path | None, data_dir: str | None, database_url: str | None
) -> "Tokens":
    from api.cli.tokens.token import TokensOfDatabase, TokensOfServer

    if url is not None:
        if (data_dir or database_url) is not None:
            raise UsageError("--url asks a server, and not a database: leave the other option out.")
        return TokensOfServer(url, token_file)
    return TokensOfDatabase(settings_of(data_dir=data_dir, database_url=database_url))


@tokens.command(short_help="Make a token, and print it once.")
def create(
    allow: Annotated[
        list[str],
        typer.Option(
            metavar="RIGHTS",
            help="Such as read,write,stream; may be given again; see docs/access.md.",
        ),
    ],
    app_name: Annotated[
        str | None, typer.Option("--app", metavar="APP", help="Sees only sessions of this app.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="And only those of this user of it.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The actor in the log.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="Good for so long, such as 90d or 12h.")
    ] = None,
    url: ServerUrl = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make an access token, and print it alone on the last line: it cannot be read again.

    Once there is one, every request needs one.
    """
    with complaining():
        from api.cli.tokens.token import create as run
        from api.cli.tokens.token import lifetime_of, rights_of

        lifetime = lifetime_of(expires)
        body = {
            "name": name,
            "allow": rights_of(allow),
            "app": app_name,
            "user": user,
            "expires_in_seconds": None if lifetime is None else lifetime.total_seconds(),
        }
        run(_tokens(url, token_file, data_dir, database_url), body)


@tokens.command(name="list", short_help="List tokens, without the tokens themselves.")
def list_tokens(
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    url: ServerUrl = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """List access tokens: what each allows, how long it is good, when it was last used."""
    with complaining():
        from api.cli.tokens.token import show as run

        run(_tokens(url, token_file, data_dir, database_url), as_json=json)


@tokens.command(short_help="Revoke a token.")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="See `cairn token list`.")],
    url: ServerUrl = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Revoke an access token, in all servers of the database at once."""
    with complaining():
        from api.cli.tokens.token import revoke as run

        run(_tokens(url, token_file, data_dir, database_url), token_id)
