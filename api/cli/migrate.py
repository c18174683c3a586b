"""`cairn migrate`."""

from contextlib import AbstractContextManager
from functools import partial

import typer

from api.cli.options import Failure, say_making
from api.composition.database import (
    bring_up_to_date,
    database_of,
    existing_database_of,
    grant_rights,
)
from api.settings import Settings
from api.start_error import StartError


def migrate(settings: Settings, *, dry_run: bool, grant_to: str | None = None) -> None:
    """Apply the migrations that are missing, and name them.

    Args:
        settings: Say which database.
        dry_run: Only name them.
        grant_to: A role that the program will connect as, with no right to change the log.

    Raises:
        Failure: The database cannot be reached, or is not one this program can use.
    """
    try:
        with _opened(settings, dry_run=dry_run) as url:
            missing = bring_up_to_date(url, dry_run=dry_run)
            if grant_to is not None and not dry_run:
                grant_rights(url, grant_to)
    except StartError as error:
        raise Failure(str(error)) from error
    for name in missing:
        typer.echo(f"{'missing' if dry_run else 'applied'} {name}")
    if not missing:
        typer.echo("The database is up to date.")
    if grant_to is not None and not dry_run:
        typer.echo(f"The role {grant_to} may read the log and add to it, and change nothing in it.")


def _opened(settings: Settings, *, dry_run: bool) -> AbstractContextManager[str]:
    if dry_run:
        # What only looks makes nothing.
        return existing_database_of(settings)
    return database_of(settings, partial(say_making, settings))
