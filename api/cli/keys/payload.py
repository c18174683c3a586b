"""`cairn secrets payload`: what a session was asked for with, for whoever has the key."""

import asyncio
from uuid import UUID

import typer

from api.cli.options import Failure
from api.composition.database import existing_database_of, program_url, require_up_to_date
from api.composition.keys import open_payloads
from api.settings import Settings
from api.start_error import StartError
from application.ports.managers.provision_payloads import PayloadLocked
from domain.errors import CairnError


def read_payload(settings: Settings, session_id: UUID) -> None:
    """Print a payload as it came, and a line feed.

    Args:
        settings: Say where the database and the key are.
        session_id: Of which session.

    Raises:
        Failure: There is none, it does not open, or the database cannot be reached.
    """

    async def read(url: str) -> str | None:
        async with open_payloads(settings, url) as payloads:
            return await payloads.get(session_id)

    try:
        with existing_database_of(settings) as url:
            require_up_to_date(url)
            payload = asyncio.run(read(program_url(settings, url)))
    except StartError as error:
        raise Failure(str(error)) from error
    except PayloadLocked as error:
        raise Failure(f"It does not open: {error} (CAIRN_SECRETS_KEY_FILE).") from error
    except CairnError as error:
        raise Failure(error.detail) from error
    if payload is None:
        raise Failure(f"Nothing is kept of a session {session_id}.")
    typer.echo(payload)
