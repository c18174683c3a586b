"""What a verification came to, and how it is told."""

from dataclasses import dataclass, field
from textwrap import fill
from typing import Any

import typer

from domain.counted import counted
from domain.repair.codes import advice_on


@dataclass
class VerificationSoFar:
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
        known = {one["code"] for one in self.findings if one["session_id"] is None}
        self.findings += [
            one
            for one in report["findings"]
            if one["session_id"] is not None or one["code"] not in known
        ]

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
            if self.checkpoint["holds"]:
                typer.echo(
                    f"The log still contains the {counted(size, 'event')} of the checkpoint."
                )
        were = "was" if self.events == 1 else "were"
        events, sessions = counted(self.events, "event"), counted(self.sessions, "session")
        typer.echo(f"{events} of {sessions} {were} verified.")
        if self.findings:
            self._advise()
        elif self.sessions or self.checkpoint is not None:
            typer.echo("All is well.")
        else:
            typer.echo("No session was in the sample, so nothing is known of any.")

    def _advise(self) -> None:
        """Say what can be done about what was found."""
        typer.echo(f"{counted(len(self.findings), 'finding')}. What can be done:")
        for code in dict.fromkeys(one["code"] for one in self.findings):
            advice = advice_on(code) or "This server is newer than this program."
            typer.echo(
                fill(f"{code}: {advice}", 100, initial_indent="  ", subsequent_indent="    ")
            )
        typer.echo("The handbook has a section on each: docs/repair.md.")
