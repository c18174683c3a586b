"""What a verification came to, and how it is told."""

from dataclasses import dataclass, field
from typing import Any

import typer

from domain.counted import counted


@dataclass
class Outcome:
    """What a verification came to so far."""

    sessions: int = 0
    events: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    checkpoint: dict[str, Any] | None = None

    def found(self, code: str, detail: str) -> None:
        """Add what is wrong with the log as a whole."""
        self.findings.append({"session_id": None, "code": code, "sequence": None, "detail": detail})

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        shown: dict[str, Any] = {
            "ok": not self.findings,
            "sessions": self.sessions,
            "events": self.events,
            "findings": self.findings,
        }
        if self.checkpoint is not None:
            shown["checkpoint"] = self.checkpoint
        return shown

    def add(self, report: dict[str, Any]) -> None:
        """Add what the server has found."""
        self.sessions += report["sessions"]
        self.events += report["events"]
        self.findings += report["findings"]

    def tell(self) -> None:
        """Say it to a person."""
        for one in self.findings:
            where = one["session_id"] or "the log"
            at = f" at {one['sequence']}" if one["sequence"] is not None else ""
            typer.echo(f"{where}{at}: {one['code']}: {one['detail']}")
        if self.checkpoint is not None:
            size = self.checkpoint["size"]
            if self.checkpoint["key_from"] == "server":
                typer.echo(
                    "The key came from the server itself; name one that you kept with --key.",
                    err=True,
                )
            if not self.findings:
                typer.echo(
                    f"The log still contains the {counted(size, 'event')} of the checkpoint."
                )
        if self.sessions:
            were = "was" if self.events == 1 else "were"
            events, sessions = counted(self.events, "event"), counted(self.sessions, "session")
            typer.echo(f"{events} of {sessions} {were} verified.")
        typer.echo("All is well." if not self.findings else f"{len(self.findings)} found.")
