"""Sessions of other systems, written as a folder of export files that can be imported."""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from application.ports.log.codec import Codec
from application.transfer.drafts import DraftedLog
from application.transfer.foreign import ForeignSession, ForkPoint, Tally
from domain.values import Origin

_TOLD_EVERY = 2000
"""Events."""


@dataclass(slots=True)
class SourceReport:
    """What was found in the sources of one kind.

    Args:
        sessions: How many.
        events: That they became.
        tally: What else was counted.
    """

    sessions: int = 0
    events: int = 0
    tally: Tally = field(default_factory=Tally)

    def document(self) -> dict[str, Any]:
        """Return it as reports show it."""
        return {"sessions": self.sessions, "events": self.events, **self.tally.document()}


def write_foreign(
    sessions: Iterable[ForeignSession], folder: Path, codec: Codec
) -> dict[str, SourceReport]:
    """Write sessions as export files, one each, and return what was found by kind of source.

    Args:
        sessions: An origin comes before its forks.
        folder: An empty one.
        codec: Writes the records.

    Raises:
        ValueError: Two sessions have one id, or an origin does not come before its fork.
    """
    reports: dict[str, SourceReport] = {}
    for _ in foreign_files(sessions, folder, codec, reports):
        pass
    return reports


def foreign_files(
    sessions: Iterable[ForeignSession],
    folder: Path,
    codec: Codec,
    reports: dict[str, SourceReport],
) -> Iterator[Path | None]:
    """Write sessions as export files, one each, and give each one that is complete.

    Args:
        sessions: An origin comes before its forks.
        folder: An empty one; what is given stays there, for forks of it.
        codec: Writes the records.
        reports: Gets what was found by kind of source.

    Yields:
        A file; None now and then, while one takes long.

    Raises:
        ValueError: Two sessions have one id, or an origin does not come before its fork.
    """
    (folder / "sessions").mkdir(exist_ok=True)
    position = 0
    for session in sessions:
        path = _file(folder, str(session.session_id))
        if path.exists():
            raise ValueError(f"{session.source_id}: a session with this id was there before")
        origin = None if session.forked_from is None else _origin(folder, session.forked_from)
        log = DraftedLog(session, codec, position=position, origin=origin)
        body = path.with_suffix(".part")
        with body.open("wb") as file:
            for line in log.lines():
                file.write(line)
                if log.events % _TOLD_EVERY == 0:
                    yield None
        with path.open("wb") as file, body.open("rb") as made:
            file.write(log.header().line())
            shutil.copyfileobj(made, file)
        body.unlink()
        position = log.position
        report = reports.setdefault(session.source, SourceReport())
        report.sessions += 1
        report.events += log.events
        report.tally.add(session.tally)
        yield path


def _file(folder: Path, session_id: str) -> Path:
    return folder / "sessions" / f"{session_id}.jsonl"


def _origin(folder: Path, point: ForkPoint) -> Origin:
    with suppress(FileNotFoundError), _file(folder, str(point.session_id)).open("rb") as file:
        for number, line in enumerate(file):
            if number == point.sequence:
                digest = json.loads(line)["digest"]
                return Origin(session_id=point.session_id, sequence=point.sequence, digest=digest)
    raise ValueError(
        f"event {point.sequence} of {point.session_id}, from which a session was forked, does not"
        " come before it"
    )
