"""`cairn rebuild`."""

import asyncio
from contextlib import aclosing

import msgspec
import typer

from api.cli.options import Failure
from api.cli.progress import Bar
from api.composition.database import existing_database_of, open_read_models, require_up_to_date
from api.settings import Settings
from api.start_error import StartError
from application.errors import StoreUnavailable
from application.ports.read_models.progress import RebuildRuns
from application.projections.read_models import Rebuilding, Rebuilt, StillDifferent
from domain.counted import counted


def rebuild(settings: Settings, *, verify: bool, as_json: bool) -> int:
    """Rebuild the read models, or verify them, and return the exit status.

    Args:
        settings: Say which database, and how long turns may be silent or run.
        verify: Change nothing.
        as_json: Say what it came to in JSON.

    Raises:
        Failure: It cannot be done.
    """
    try:
        with existing_database_of(settings) as url:
            require_up_to_date(url)
            rebuilt = asyncio.run(_run(url, settings, verify=verify))
    except StartError as error:
        raise Failure(str(error)) from error
    except RebuildRuns:
        raise Failure("Another process rebuilds this store; wait until it has ended.") from None
    except StillDifferent as error:
        raise Failure(f"Nothing was changed, because it would still differ: {error}.") from None
    except StoreUnavailable:
        raise Failure("The database was lost; run it again, and it goes on from there.") from None
    (_say_json if as_json else _say)(rebuilt, verify=verify)
    return 1 if verify and rebuilt.differences else 0


async def _run(url: str, settings: Settings, *, verify: bool) -> Rebuilt:
    bar: Bar | None = None
    async with (
        open_read_models(url, settings.timers()) as read_models,
        aclosing(read_models.run(verify=verify)) as steps,
    ):
        async for step in steps:
            if isinstance(step, Rebuilding):
                bar = bar or Bar("events", step.expected)
                bar.show(step.events)
            else:
                if bar is not None:
                    bar.end()
                return step
    raise Failure("It ended before it was done; run it again.")


def _say(rebuilt: Rebuilt, *, verify: bool) -> None:
    for one in rebuilt.differences:
        typer.echo(f"{one.read_model} {' '.join(map(repr, one.key))}: {one.detail}")
    were = "was" if rebuilt.events == 1 else "were"
    read = f"{counted(rebuilt.events, 'event')} {were} read"
    if verify:
        is_well = "All is as the log says" if not rebuilt.differences else "Not all is so"
        typer.echo(f"{is_well}; {read}.")
    else:
        typer.echo(f"{read}, and {counted(rebuilt.changed, 'row')} mended.")


def _say_json(rebuilt: Rebuilt, *, verify: bool) -> None:
    said = {
        "ok": not rebuilt.differences,
        "verify": verify,
        "events": rebuilt.events,
        "changed": rebuilt.changed,
        "differences": [one._asdict() for one in rebuilt.differences],
    }
    typer.echo(msgspec.json.encode(said).decode())
