"""Which program has written a file of JSON Lines, by the fields that only its lines have."""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from application.transfer.foreign import Tally
from application.transfer.lines import FileFault
from infrastructure.importers.reading.source_files import SourceLine
from infrastructure.importers.reading.torn_lines import entries_of

_PROGRAMS = {"agh": "AGH", "claude-code": "Claude Code", "codex": "Codex"}
_LOOKED_THROUGH = 300


def refuse_lines_of_others(path: Path, lines: Iterable[SourceLine], source: str) -> None:
    """Refuse a file that another program has written, as its first telling line says.

    Args:
        path: Of the file, for the message.
        lines: Of the file.
        source: What it is to be: `claude-code` or `codex`.

    Raises:
        FileFault: It is of another program; the message names the source to import it as.
    """
    for entry in islice(entries_of(lines, Tally()), _LOOKED_THROUGH):
        writer = _writer_of(entry.value)
        if writer == source:
            return
        if writer is not None:
            raise FileFault(
                f"{path} is of {_PROGRAMS[writer]} and not of {_PROGRAMS[source]}; import it with"
                f" --from {writer}"
            )


def _writer_of(line: Mapping[str, Any]) -> str | None:
    if line.get("type") in ("ledger_meta", "session_event"):
        return "agh"
    if "parentUuid" in line or "sessionId" in line:
        return "claude-code"
    if "payload" in line or "record_type" in line:
        return "codex"
    return None
