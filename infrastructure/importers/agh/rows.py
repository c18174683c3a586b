"""What the rows of a session of AGH are here."""

from collections.abc import Mapping
from typing import Any

from domain.session.events import (
    PermissionDecided,
    PermissionRequested,
    PlanUpdated,
    RuntimeNotice,
    SessionStopped,
)
from domain.values import MAX_SUMMARY, Failure, Option, Usage
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.parts import text_part
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.reading.values import (
    Unreadable,
    count_of,
    decoded,
    id_of,
    list_of,
    moment_of,
    name_of,
    object_of,
    text_of,
)

_CHUNKS = ("agent_message", "thought")
_OPTIONS = (
    Option(option_id="allow_once", name="Allow", kind="allow_once"),
    Option(option_id="reject_once", name="Reject", kind="reject_once"),
)


class AghMapper:
    """Maps the rows of one session, one after the other."""

    def __init__(self, drafter: SessionDrafter, choices: Choices) -> None:
        self.last: int | None = None
        self._drafter = drafter
        self._choices = choices
        self._chunks: tuple[str, list[str]] | None = None
        self._called: set[str] = set()

    def row(self, row: Mapping[str, Any]) -> None:
        """Map a row.

        Args:
            row: With its `payload`, or the text of it in `payload_raw`.
        """
        drafter, kind = self._drafter, name_of(row.get("type"), "untyped")
        self._count(row.get("seq"))
        at = moment_of(row.get("timestamp"), self._choices, drafter.tally)
        try:
            told = self._payload(row)
        except Unreadable as error:
            self.flush()
            drafter.item(at, cause=id_of(row.get("id")))
            raw = row.get("payload_raw")
            drafter.unreadable(f"event {row.get('seq')}", str(error), raw)
            return
        chunk = told.get("text")
        if kind in _CHUNKS and isinstance(chunk, str):
            if self._chunks is None or self._chunks[0] != kind:
                self.flush()
                drafter.item(at, cause=id_of(row.get("id")))
                self._in_turn(row)
                self._chunks = (kind, [])
            self._chunks[1].append(chunk)
            return
        self.flush()
        drafter.item(at, cause=id_of(row.get("id")))
        self._map(kind, told, row)

    def _count(self, sequence: Any) -> None:
        if not isinstance(sequence, int):
            return
        if self.last is not None and sequence != self.last + 1:
            kind = "sequence_gap" if sequence > self.last else "sequence_repeated"
            self._drafter.tally.notes[kind] += 1
        self.last = sequence

    def flush(self) -> None:
        """Add the pieces of what the agent said as one message."""
        if self._chunks is None:
            return
        (kind, pieces), self._chunks = self._chunks, None
        meta = {"rows": len(pieces)} if len(pieces) > 1 else None
        text = "".join(pieces)
        if kind == "thought":
            self._drafter.think(text, meta=meta)
        else:
            self._drafter.say([text_part(text)], meta=meta)

    def _payload(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        raw = row.get("payload_raw")
        if isinstance(raw, str | bytes):
            return object_of(decoded(raw, self._drafter.tally)) if raw.strip() else {}
        return object_of(row.get("payload"))

    def _in_turn(self, row: Mapping[str, Any]) -> None:
        turn_id = text_of(row.get("turn_id"))
        if turn_id is not None and turn_id != self._drafter.turn_id:
            self._drafter.tally.notes["inferred_turn"] += 1
            self._drafter.begin(turn_id, "synthetic")

    def _map(self, kind: str, told: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        drafter = self._drafter
        match kind:
            case "user_message" | "synthetic_reentry":
                drafter.ask(
                    [text_part(str(told.get("text") or ""))],
                    turn_id=text_of(row.get("turn_id")),
                    source="user" if kind == "user_message" else "synthetic",
                )
            case "tool_call":
                self._call(told, row)
            case "tool_result":
                failed = told.get("tool_error") is True
                drafter.returned(
                    told.get("tool_call_id"),
                    told.get("tool_result", told.get("error")),
                    status="failed" if failed else "completed",
                    raw=dict(told),
                )
            case "permission":
                self._permission(told, row)
            case "plan":
                self._in_turn(row)
                entries = tuple(object_of(one) for one in list_of(told.get("entries")))
                drafter.act(PlanUpdated(entries=entries, meta=dict(told)))
            case "usage":
                drafter.used(_usage(object_of(told.get("usage")) or told))
            case "runtime_progress" | "runtime_warning" | "runtime_notice":
                level = "warning" if kind == "runtime_warning" else "info"
                text = text_of(told.get("text")) or kind
                drafter.add(RuntimeNotice(level=level, text=text, meta=dict(told)))
            case _:
                self._end(kind, told)

    def _end(self, kind: str, told: Mapping[str, Any]) -> None:
        drafter = self._drafter
        summary = text_of(told.get("error"))
        failure = Failure(
            kind=name_of(object_of(told.get("failure")).get("kind"), "error"),
            summary=None if summary is None else summary[:MAX_SUMMARY],
        )
        if kind == "done" and drafter.turn_id is not None:
            drafter.complete(text_of(told.get("stop_reason")) or "unknown")
        elif kind == "error" and drafter.turn_id is not None:
            drafter.fail(failure)
        elif kind == "error":
            drafter.add(RuntimeNotice(level="error", text=summary or kind, meta=dict(told)))
        elif kind == "session_stopped":
            if drafter.turn_id is not None:
                drafter.cancel("session_stopped")
            reason = text_of(told.get("stop_reason"))
            clean = reason in (None, "completed", "end_turn")
            drafter.add(
                SessionStopped(
                    cause="completed" if clean else "failed",
                    reason="completed" if clean else "agent_crashed",
                    detail=reason,
                )
            )
        else:
            drafter.verbatim(kind, dict(told))

    def _call(self, told: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        drafter, call = self._drafter, id_of(told.get("tool_call_id"))
        if call is not None and call in self._called:
            drafter.progress(call, dict(told))
            return
        self._in_turn(row)
        name = told.get("tool_name") or told.get("title")
        if call is not None:
            self._called.add(call)
        drafter.call(told.get("tool_call_id"), name, told.get("tool_input"), raw=dict(told))

    def _permission(self, told: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        drafter, request_id = self._drafter, id_of(told.get("request_id"))
        decision = text_of(told.get("decision"))
        if request_id is None:
            drafter.verbatim("permission", dict(told))
        elif decision is None:
            self._in_turn(row)
            drafter.add(
                PermissionRequested(
                    request_id=request_id,
                    turn_id=drafter.turn_id or "",
                    options=_OPTIONS,
                    tool_call_id=id_of(told.get("tool_call_id")),
                    title=text_of(told.get("title")),
                    meta={n: told[n] for n in ("action", "resource") if n in told},
                )
            )
        else:
            drafter.add(
                PermissionDecided(
                    request_id=request_id,
                    decision=name_of(decision, "cancelled"),
                    option_id=decision if decision in ("allow_once", "reject_once") else None,
                )
            )


def _usage(told: Mapping[str, Any]) -> Usage:
    def count(*names: str) -> int | None:
        found = (count_of(told.get(name)) for name in names)
        return next((number for number in found if number is not None), None)

    return Usage(
        input_tokens=count("input_tokens", "InputTokens"),
        output_tokens=count("output_tokens", "OutputTokens"),
        total_tokens=count("total_tokens", "TotalTokens"),
        cached_tokens=count("cache_read_tokens", "CacheReadTokens"),
        reasoning_tokens=count("thought_tokens", "ThoughtTokens"),
    )
