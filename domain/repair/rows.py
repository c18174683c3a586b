"""A row of a log as the analyser sees it, whoever wrote it: perhaps out of order, or unreadable."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, NoReturn, Protocol

from domain.repair.report import Action, PlannedEvent
from domain.values import Failure

Role = Literal["input", "data", "call", "result", "terminal", "passive", "outside"]
"""What a row does to its turn: opens it, adds to it, calls, answers, ends it, or sets nothing; what
is outside of turns does not count for them at all."""

INTERRUPTED = "interrupted: it was still open when the session ended, and repair closed it"
LARGEST = 2**63 - 1
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Unreadable(Exception):
    """A row lacks what every row has; the message says what."""


class Row(NamedTuple):
    """A row of a log.

    Args:
        sequence: Its place in the log; None when it does not say.
        event_id: Its id, if that can be read.
        turn_id: Its turn, if it has one.
        role: What it does to its turn.
        tool_call_id: Of a call or a result.
        tool_name: Of a call.
        problems: Codes and details of what is wrong with the row by itself.
        position: Its place among all sessions.
        record: What its digest covers.
        digest: As it is stored.
        hashed: The hash of the record when the record itself was erased.
    """

    sequence: int | None
    event_id: str | None = None
    turn_id: str | None = None
    role: Role = "outside"
    tool_call_id: str = ""
    tool_name: str = ""
    problems: Sequence[tuple[str, str]] = ()
    position: int | None = None
    record: bytes | None = None
    digest: bytes | None = None
    hashed: bytes | None = None


class Standing(NamedTuple):
    """Where a session stands, as far as a repair asks.

    Args:
        session_id: Which one.
        state: `stopped`, or anything else.
        stop_reason: Why it stopped.
        failure: What it died of.
    """

    session_id: str
    state: str = ""
    stop_reason: str = ""
    failure: Failure | None = None


class Dialect(Protocol):
    """How one system writes its events."""

    quiet_gates: bool
    """Report why a repair must wait only where it would change something."""

    def planned(self, action: Action, standing: Standing) -> PlannedEvent:
        """Return the event that an action appends."""
        ...


def text_of(value: Any) -> str | None:
    """Return a text that can be written as UTF-8; None for what is no text, or blank."""
    if not isinstance(value, str):
        return None
    stripped = value.strip()
    return (stripped if stripped.isascii() else _writable(stripped)) or None


def _writable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def place_of(value: Any) -> int | None:
    """Return a sequence or position; None for what cannot be one."""
    if type(value) is int and -LARGEST <= value <= LARGEST:
        return value
    return None


def decoded(raw: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises:
        Unreadable: It is none.
    """
    try:
        # Python would take other encodings than UTF-8 too.
        raw = raw.decode() if isinstance(raw, bytes) else raw
        return json.loads(raw, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"it is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except ValueError:
        raise Unreadable("it has a number that no program can hold") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def is_moment(value: Any) -> bool:
    """Return whether a value is a time as RFC 3339 has it."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value[:19])
    except ValueError:
        return False
    return True


def object_of(value: Any) -> Mapping[str, Any] | None:
    """Return an object; None for what is none."""
    if not isinstance(value, dict):
        return None
    return value  # pyright: ignore[reportUnknownVariableType]


def failure_of(value: Any) -> Failure | None:
    """Return a failure as a file or an event has it; None when there is none."""
    told = object_of(value)
    if told is None:
        return None
    kind, summary = text_of(told.get("kind")), text_of(told.get("summary"))
    bundle = text_of(told.get("bundle")) or text_of(told.get("crash_bundle_path"))
    return Failure(kind=kind or "unknown_failure", summary=summary, bundle=bundle)
