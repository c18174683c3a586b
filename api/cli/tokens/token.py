"""`cairn token`: access tokens, by the database or through a server."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import UUID

import msgspec
import typer

from api.cli.json_client import JsonClient
from api.cli.options import Failure, UsageError
from api.cli.screen import printable
from api.composition.database import (
    existing_database_of,
    open_token_registry,
    program_url,
    require_up_to_date,
)
from api.settings import Settings
from api.start_error import StartError
from api.v1.documents.tokens import token_document
from application.tokens.manage import TokenRegistry
from domain.errors import CairnError
from domain.principal import RIGHTS, Principal, Right

_LIFETIME = re.compile(r"([1-9]\d{0,5})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_OWNER_OF_THE_DATA = Principal(actor="cairn token")

Json = Mapping[str, Any]


def rights_of(lists: Iterable[str]) -> list[Right]:
    """Return the rights of comma-separated lists.

    Args:
        lists: Such as `read,write`.

    Raises:
        UsageError: One is none.
    """
    words = [word.strip() for word in ",".join(lists).split(",") if word.strip()]
    wrong = [word for word in words if word not in RIGHTS]
    if wrong or not words:
        said = f"{wrong[0]!r} is no right" if wrong else "at least one right is needed"
        raise UsageError(f"--allow: {said}; the rights are {', '.join(RIGHTS)}.")
    return cast("list[Right]", words)


def token_id_of(text: str) -> str:
    """Return the id of a token.

    Args:
        text: As it was given.

    Raises:
        UsageError: It is none.
    """
    try:
        return str(UUID(text))
    except ValueError:
        raise UsageError("A token is named by its id; see `cairn token list`.") from None


def lifetime_of(text: str | None) -> timedelta | None:
    """Return a lifetime such as `90d` or `12h`.

    Args:
        text: As it was given; None is for ever.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    match = _LIFETIME.fullmatch(text)
    if match is None:
        raise UsageError(f"--expires: {text!r} is no time; write one such as 90d, 12h or 30m.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


class Tokens(Protocol):
    """Where tokens are asked for; what comes back is as `/v1/tokens` answers it."""

    def create(self, body: Json) -> Json:
        """Make a token, as the body of `POST /v1/tokens` has it."""
        ...

    def all(self) -> Json:
        """Return all tokens."""
        ...

    def revoke(self, token_id: str) -> None:
        """Revoke a token."""
        ...


class TokensOfServer:
    """The tokens of a server, through its API.

    Args:
        url: Where it is.
        token_file: Holds a bearer token that allows `admin`.
    """

    def __init__(self, url: str, token_file: Path | None) -> None:
        self._server = JsonClient(url, token_file)

    def create(self, body: Json) -> Json:
        """Make a token."""
        made: Json = self._server.ask("POST", "/v1/tokens", body=body)
        return made

    def all(self) -> Json:
        """Return all tokens."""
        found: Json = self._server.ask("GET", "/v1/tokens")
        return found

    def revoke(self, token_id: str) -> None:
        """Revoke a token."""
        self._server.ask("DELETE", f"/v1/tokens/{token_id}")


class TokensOfDatabase:
    """The tokens of a database, beside a server that runs or without one.

    Args:
        settings: Say which database.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def create(self, body: Json) -> Json:
        """Make a token."""
        seconds = body.get("expires_in_seconds")

        async def create(registry: TokenRegistry) -> Json:
            secret, token = await registry.create(
                name=body.get("name"),
                rights=frozenset(body["allow"]),
                app=body.get("app"),
                user=body.get("user"),
                lifetime=None if seconds is None else timedelta(seconds=seconds),
            )
            return {**token_document(token), "token": secret}

        return self._with_registry(create)

    def all(self) -> Json:
        """Return all tokens."""

        async def read(registry: TokenRegistry) -> Json:
            return {"tokens": [*map(token_document, await registry.all(_OWNER_OF_THE_DATA))]}

        return self._with_registry(read)

    def revoke(self, token_id: str) -> None:
        """Revoke a token."""

        async def revoke(registry: TokenRegistry) -> Json:
            await registry.revoke(UUID(token_id), _OWNER_OF_THE_DATA)
            return {}

        self._with_registry(revoke)

    def _with_registry(self, ask: Callable[[TokenRegistry], Awaitable[Json]]) -> Json:
        async def asked(url: str) -> Json:
            async with open_token_registry(url) as registry:
                return await ask(registry)

        try:
            with existing_database_of(self._settings) as url:
                require_up_to_date(url)
                document = asyncio.run(asked(program_url(self._settings, url)))
        except StartError as error:
            raise Failure(str(error)) from error
        except CairnError as error:
            raise Failure(error.detail) from error
        said: Json = msgspec.json.decode(msgspec.json.encode(document))
        return said


def create(tokens: Tokens, body: Json) -> None:
    """Make a token, and print it alone on the last line.

    Args:
        tokens: Where.
        body: As `POST /v1/tokens` takes it.
    """
    made = tokens.create(body)
    rights = ", ".join(made["allow"])
    name = printable(made["name"])
    typer.echo(f"Token {made['id']}: {name} may {rights}; it sees {_whose(made)}.")
    typer.echo("It is shown this once:")
    typer.echo(made["token"])


def show(tokens: Tokens, *, as_json: bool) -> None:
    """Print all tokens, two lines each.

    Args:
        tokens: Where.
        as_json: Print JSON instead.
    """
    found = tokens.all()
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    for one in found["tokens"]:
        ends = _end(one["expires_at"])
        used = f"used {one['last_used_at'][:16]}Z" if one["last_used_at"] else "never used"
        typer.echo(f"{one['id']}  {printable(one['name'])}")
        typer.echo(f"  {','.join(one['allow'])}; {_whose(one)}; {ends}; {used}")
    if not found["tokens"]:
        typer.echo("There are no tokens.")


def revoke(tokens: Tokens, token_id: str) -> None:
    """Revoke a token.

    Args:
        tokens: Where.
        token_id: Its id.

    Raises:
        UsageError: It is no id.
    """
    token_id = token_id_of(token_id)
    tokens.revoke(token_id)
    typer.echo(f"Token {token_id} is revoked.")


def _end(expires_at: str | None) -> str:
    if expires_at is None:
        return "for ever"
    is_over = datetime.fromisoformat(expires_at) <= datetime.now(UTC)
    return f"{'ran out' if is_over else 'until'} {expires_at[:16]}Z"


def _whose(token: Json) -> str:
    if token["app"] is None:
        return "every app"
    user = f" of user {token['user']}" if token["user"] else ""
    return printable(f"the sessions{user} in app {token['app']}")
