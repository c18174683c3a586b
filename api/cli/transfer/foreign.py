"""`cairn import --from`: sessions of other systems, made into export files and then imported."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.cli.options import Failure, UsageError
from api.cli.screen import printable
from api.cli.transfer.importing import import_content
from api.cli.transfer.packing import archived_files
from api.composition.transfer_files import SOURCES, Conversion
from application.transfer.lines import FileFault
from domain.counted import counted

Report = Mapping[str, Any]


def zone_of(name: str | None) -> tzinfo:
    """Return a time zone; that of no name is UTC.

    Args:
        name: Such as `Europe/Stockholm`.

    Raises:
        UsageError: There is no time zone of that name.
    """
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"{name!r} is no time zone; one is Europe/Stockholm.") from None


def import_foreign(
    source: str,
    places: Sequence[str],
    *,
    app: str | None,
    user: str | None,
    zone: str | None,
    dry_run: bool,
    quarantine: bool,
    as_json: bool,
    url: str,
    token_file: Path | None,
) -> int:
    """Import sources, print the report, and return the exit status.

    Args:
        source: The kind of the sources.
        places: Files, folders and addresses.
        app: Whose sessions they become.
        user: The same.
        zone: The name of the zone of times that name none.
        dry_run: Only say what would be imported.
        quarantine: Take damaged sessions too.
        as_json: Print the report as JSON.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: There is no such kind of source.
        Failure: A source cannot be read, or the server cannot be asked.
    """
    if source not in SOURCES:
        raise UsageError(f"--from must be one of {', '.join(SOURCES)}, and it is {source!r}.")
    of = zone_of(zone)
    with TemporaryDirectory(prefix="cairn-import-") as name:
        folder = Path(name)
        conversion = Conversion(source, places, folder, app=app, user=user, zone=of)
        files = _readable(conversion.files(), folder)
        first = next((path for path in files if path is not None), None)
        if first is None:
            raise Failure("There is no session in what was named.")
        return import_content(
            _sent(conversion, folder, chain((first,), files), as_json=as_json),
            dry_run=dry_run,
            quarantine=quarantine,
            as_json=as_json,
            url=url,
            token_file=token_file,
            beside={"sources": conversion.found},
        )


def _readable(files: Iterator[Path | None], folder: Path) -> Iterator[Path | None]:
    try:
        yield from files
    except FileFault as fault:
        raise Failure(f"{fault}.") from None
    except OSError as error:
        where = error.filename or folder
        raise Failure(f"{where} cannot be written: {error.strerror}.") from None


def _sent(
    conversion: Conversion, folder: Path, files: Iterable[Path | None], *, as_json: bool
) -> Iterator[bytes]:
    """Give what is sent, while the rest is converted; say what was found when that is all."""
    yield from archived_files(folder, files)
    if not as_json:
        print("\n".join(_told(conversion.found)), flush=True)


def _told(found: Report) -> Iterator[str]:
    for source, report in found.items():
        counts = [counted(report[f"{name}s"], name) for name in ("session", "message", "event")]
        yield f"{source}: {', '.join(counts)}"
        if kept := report["kept_verbatim"]:
            yield f"  kept as they are, for they have no place: {_listed(kept)}"
        if notes := report["notes"]:
            yield f"  {_listed(notes)}"
        if report["failed_lines"]:
            yield f"  could not be read: {counted(report['failed_lines'], 'place')}"
        for place in report["places"]:
            yield "    " + printable(f"{place['place']}: {place['reason']}")


def _listed(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return printable(", ".join(f"{count} {name}" for name, count in ordered))
