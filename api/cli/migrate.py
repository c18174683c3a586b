"""`cairn migrate`."""

import typer

from api.cli.options import Failure
from api.main import StartError, bring_up_to_date, database_of
from api.settings import Settings


def migrate(settings: Settings, *, dry_run: bool) -> None:
    """Apply the migrations that are missing, and name them.

    Args:
        settings: Say which database.
        dry_run: Only name them.

    Raises:
        Failure: The database cannot be reached, or is not one this program can use.
    """
    try:
        with database_of(settings) as url:
            missing = bring_up_to_date(url, dry_run=dry_run)
    except StartError as error:
        raise Failure(str(error)) from error
    for name in missing:
        typer.echo(f"{'missing' if dry_run else 'applied'} {name}")
    if not missing:
        typer.echo("The database is up to date.")
