"""From places of another system to a folder of export files."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from application.transfer.lines import FileFault

SOURCES = (
    *("adk", "agh", "claude-code", "codex", "docker-agent", "langchain", "langgraph"),
    *("openai-agents", "pydantic-ai"),
)
"""What can be imported."""


def convert_foreign(
    source: str,
    places: Sequence[str],
    folder: Path,
    *,
    app: str | None,
    user: str | None,
    zone: tzinfo,
) -> Mapping[str, Mapping[str, Any]]:
    """Write sessions of another system as export files, and return what was found by system.

    Args:
        source: One of `SOURCES`.
        places: Files, folders and addresses.
        folder: An empty one.
        app: Whose sessions they become; None takes what their system says.
        user: The same.
        zone: Of times that name none.

    Raises:
        FileFault: One of the places cannot be read, or two of them have one session.
    """
    # A server never reads such sources, and starts without the libraries for them.
    from infrastructure.importers.choices import Choices
    from infrastructure.importers.registry import READERS
    from infrastructure.records.codec import JsonCodec
    from infrastructure.transfer.foreign_folder import write_foreign

    choices = Choices(app=app, user=user, zone=zone, now=datetime.now(UTC))
    read = READERS[source]
    sessions = (session for place in places for session in read(place, choices))
    try:
        reports = write_foreign(sessions, folder, JsonCodec())
    except ValueError as error:
        raise FileFault(str(error)) from None
    return {name: report.document() for name, report in reports.items()}
