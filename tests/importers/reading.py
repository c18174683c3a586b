"""What an import makes of a source, read back from the export files that it writes."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from application.ports.log.events import StoredEvent
from application.transfer.foreign import ForeignSession, Tally
from application.transfer.lines import Line, event_of
from infrastructure.importers.choices import Choices
from infrastructure.importers.registry import READERS
from infrastructure.records.codec import JsonCodec
from infrastructure.transfer.foreign_folder import write_foreign

SAMPLES = Path(__file__).parent / "samples"
NOW = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass
class Imported:
    """A session as its export file has it."""

    session: ForeignSession
    events: list[dict[str, Any]]
    records: list[Line]

    def recorded(self) -> list[Any]:
        """Its events as the program has them."""
        codec, session_id = JsonCodec(), self.session.session_id
        return [
            codec.decode(
                StoredEvent(
                    session_id, one.sequence, one.position, one.type, one.record, one.digest
                )
            ).event
            for one in self.records
        ]

    @property
    def tally(self) -> Tally:
        return self.session.tally

    def of(self, *types: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] in types]

    def data(self, *types: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.of(*types)]

    def kept(self, kind: str) -> list[Any]:
        source = self.session.source
        found = self.data("runtime.event")
        return [data["data"] for data in found if data["kind"] == f"{source}.{kind}"]

    def calls(self) -> list[str]:
        return [data["tool_call_id"] for data in self.data("tool.called")]

    def results(self) -> list[dict[str, Any]]:
        """Those that the source has, not those that close a call with its turn."""
        found = self.data("tool.returned")
        return [data for data in found if data.get("meta") != {"inferred": True}]

    def open_calls(self) -> list[str]:
        left = Counter(self.calls()) - Counter(data["tool_call_id"] for data in self.results())
        return sorted(left.elements())

    def said(self) -> list[str]:
        """All texts of people and agents, in order."""
        parts = [
            part
            for data in self.data("turn.started", "message.added", "agent.message")
            for part in data["parts"]
        ]
        return [part["text"] for part in parts if part["type"] == "text" and part["text"]]

    def parts(self, kind: str) -> int:
        return sum(
            part["type"] == kind
            for data in self.data("turn.started", "message.added", "agent.message")
            for part in data["parts"]
        )


def imported(source: str, place: str | Path, folder: Path, **choices: Any) -> dict[str, Imported]:
    """Return the sessions of a source by what it calls them."""
    found: dict[str, ForeignSession] = {}

    def seen() -> Any:
        for session in READERS[source](str(place), Choices(**{"now": NOW, **choices})):
            found[session.source_id] = session
            yield session

    folder.mkdir(exist_ok=True)
    write_foreign(seen(), folder, JsonCodec())
    return {name: Imported(session, *events_of(folder, session)) for name, session in found.items()}


def events_of(folder: Path, session: ForeignSession) -> tuple[list[dict[str, Any]], list[Line]]:
    path = folder / "sessions" / f"{session.session_id}.jsonl"
    _, *lines = path.read_bytes().splitlines()
    records = [event for line in lines if (event := event_of(line)) is not None]
    assert len(records) == len(lines)
    return [json.loads(line) for line in lines], records


def expected(source: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((SAMPLES / source / "expected.json").read_text("utf-8"))
    return told
