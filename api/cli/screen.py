"""Events for people to read: one line each, and the pieces of a message as they come."""

import os
import re
import shutil
import sys
import unicodedata
from typing import Any, TextIO, cast

import msgspec

from api.cli.written import Gap, Written

_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_COLOURS = {
    "turn": "36",
    "session": "35",
    "tool": "33",
    "permission": "34",
    "agent.thought": "2",
    "usage": "2",
}
_WIDTH_OF_NAME = 20


class Screen:
    """Prints a session as it happens.

    Args:
        output: Where to.
    """

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output or sys.stdout
        terminal = self._output.isatty()
        self._coloured = terminal and "NO_COLOR" not in os.environ
        self._width = shutil.get_terminal_size((100, 24)).columns if terminal else 100
        self._streaming: str | None = None
        self._written = Written()

    def event(self, raw: bytes) -> None:
        """Print one record of the log."""
        record: dict[str, Any] = msgspec.json.decode(raw)
        self._written.end(record)
        name: str = record["type"]
        data: Any = record.get("data")
        if name == "runtime.event":
            name, data = data["kind"], data["data"]
        shown = self._streaming == name
        self._end_piece()
        text = "" if shown else printable(summary(name, data))
        head = f"{record['sequence']:>6}  {printable(name):<{_WIDTH_OF_NAME}}  "
        room = max(self._width - len(head), 20)
        line = text if len(text) <= room else f"{text[: room - 1]}…"
        self._line(head + line, _colour(name))

    def piece(self, raw: bytes) -> None:
        """Print part of a message that is still being streamed, behind what came before."""
        piece: dict[str, Any] = msgspec.json.decode(raw)
        name: str = piece["type"]
        try:
            new = self._written.take(piece)
        except Gap:
            # The event that records the message shows all of it.
            return
        if not new:
            return
        if self._streaming != name:
            self._end_piece()
            self._write(f"{'…':>6}  {printable(name):<{_WIDTH_OF_NAME}}  ", _colour(name))
            self._streaming = name
        text = new.replace("\n", "\n" + " " * (_WIDTH_OF_NAME + 10))
        self._write(harmless(text), _colour(name))

    def say(self, text: str) -> None:
        """Print a word of our own."""
        self._end_piece()
        self._line(f"    --  {text}", "1")

    def _end_piece(self) -> None:
        if self._streaming is not None:
            self._write("\n", None)
            self._streaming = None

    def _line(self, text: str, colour: str | None) -> None:
        self._write(text, colour)
        self._write("\n", None)

    def _write(self, text: str, colour: str | None) -> None:
        if colour and self._coloured:
            text = f"\x1b[{colour}m{text}\x1b[0m"
        self._output.write(text)
        self._output.flush()


def _colour(name: str) -> str | None:
    return _COLOURS.get(name) or _COLOURS.get(name.partition(".")[0])


def printable(text: str) -> str:
    """Return a text on one line, without what would steer a terminal."""
    return harmless(" ".join(text.split()))


def harmless(text: str) -> str:
    """Return a text, of one line or several, without what would steer a terminal."""
    return _UNPRINTABLE.sub("", text)


def fitted(text: str, width: int) -> str:
    """Return a text that fills so many columns of a terminal, cut with `…` where it is longer.

    Args:
        text: On one line.
        width: In columns; a wide letter takes two.
    """
    columns = [_columns(letter) for letter in text]
    if sum(columns) <= width:
        return text + " " * (width - sum(columns))
    room, kept = width - 1, 0
    while kept < len(columns) and columns[kept] <= room:
        room -= columns[kept]
        kept += 1
    return text[:kept] + "…" + " " * room


def _columns(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def stop_writing() -> None:
    """Write nothing more, at exit either: whoever read the output has had enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def summary(name: str, data: Any) -> str:
    """Return an event in a few words.

    Args:
        name: Its type.
        data: Its data.
    """
    if not isinstance(data, dict):
        return _json(data)
    fields = cast("dict[str, Any]", data)
    match name:
        case "agent.message" | "agent.thought" | "message.added" | "message.revised":
            return text_of(fields)
        case "turn.started":
            return text_of(fields) or text_of(fields.get("input"))
        case "session.created":
            owner: dict[str, Any] = fields.get("owner") or {}
            return str(fields.get("title") or f"{owner.get('app')} / {owner.get('user')}")
        case "plan.updated":
            entries: list[dict[str, Any]] = fields.get("entries") or []
            done = sum(entry.get("status") == "completed" for entry in entries)
            now = [str(e.get("content")) for e in entries if e.get("status") == "in_progress"]
            return f"{done} of {len(entries)} done" + (f", now: {now[0]}" if now else "")
        case "usage.reported":
            return f"{fields.get('input_tokens')} tokens in, {fields.get('output_tokens')} out"
        case "turn.failed":
            failure: dict[str, Any] = fields.get("failure") or fields
            return f"{failure.get('kind')}: {failure.get('summary')}"
        case _:
            names = ("title", "name", "text", "status", "option_id", "stop_reason", "cause")
            words = [str(fields[one]) for one in (*names, "reason") if fields.get(one)]
            return words[0] if words else _json(fields)


def text_of(data: Any) -> str:
    """Return what the parts of a message say.

    Args:
        data: Of an event, or a message.
    """
    if not isinstance(data, dict):
        return ""
    parts: list[Any] = cast("dict[str, Any]", data).get("parts") or []
    return " ".join(str(part.get("text") or f"[{part.get('type')}]") for part in parts)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
