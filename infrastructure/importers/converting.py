"""From places of another system to a folder of export files."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from application.transfer.lines import FileFault

SOURCES = (
    *("adk", "agh", "claude-code", "codex", "docker-agent", "langchain", "langgraph"),
    *("openai-agents", "pydantic-ai"),
)
"""What can be imported."""


class Conversion:
    """Writes sessions of another system as export files.

    Args:
        source: One of `SOURCES`.
        places: Files, folders and addresses.
        folder: An empty one.
        app: Whose sessions they become; None takes what their system says.
        user: The same.
        zone: Of times that name none.
    """

    def __init__(
        self,
        source: str,
        places: Sequence[str],
        folder: Path,
        *,
        app: str | None,
        user: str | None,
        zone: tzinfo,
    ) -> None:
        self._source = source
        self._places = places
        self._folder = folder
        self._app, self._user, self._zone = app, user, zone
        self.found: dict[str, Mapping[str, Any]] = {}
        """What was found by system, when all files were given."""

    def files(self) -> Iterator[Path | None]:
        """Give each file that is complete; None now and then, while one takes long. Once.

        Raises:
            FileFault: One of the places cannot be read, or two of them have one session.
        """
        # A server never reads such sources, and starts without the libraries for them.
        from infrastructure.importers.choices import Choices
        from infrastructure.importers.registry import READERS
        from infrastructure.records.codec import JsonCodec
        from infrastructure.transfer.foreign_folder import SourceReport, foreign_files

        now = datetime.now(UTC)
        choices = Choices(app=self._app, user=self._user, zone=self._zone, now=now)
        read = READERS[self._source]
        sessions = (session for place in self._places for session in read(place, choices))
        reports: dict[str, SourceReport] = {}
        try:
            yield from foreign_files(sessions, self._folder, JsonCodec(), reports)
        except ValueError as error:
            raise FileFault(str(error)) from None
        self.found |= {name: report.document() for name, report in reports.items()}
