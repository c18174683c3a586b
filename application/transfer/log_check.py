"""Checking the file of one log, line by line, whatever its length."""

from collections.abc import Callable
from typing import Any

from application.transfer.lines import LONGEST_LINE, Header, event_of
from application.transfer.plans import SharedStep
from domain.log.chain import genesis
from domain.log.erased_records import erased_hash
from domain.repair.analyser import Analyser, Facts
from domain.repair.cairn_rows import CairnRows
from domain.repair.report import Options
from domain.session.content.key_writes import WRITER_NAMES

_SHARED_KEYS = (b'"app:', b'"user:')
_UNSTORABLE = {
    "event_sequence_gap": "events are missing",
    "event_sequence_duplicate": "an event is there twice",
    "event_sequence_regression": "the events are not in their order",
}

SpellingFault = Callable[[bytes], str | None]
"""Says what keeps a record from being spelled as the log spells its own; None when nothing does."""


class LogRefused(Exception):
    """One log cannot be imported."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class LogCheck:
    """Goes through the lines of one log.

    Args:
        header: Of its file.
        wanted: The sequences whose digests are asked for.
        read: Reads JSON.
        spelling_fault: Judges records.
    """

    def __init__(
        self,
        header: Header,
        wanted: set[int],
        read: Callable[[bytes], Any],
        spelling_fault: SpellingFault,
    ) -> None:
        self._header = header
        self._wanted = wanted
        self._spelling_fault = spelling_fault
        self._text_id = str(header.session_id).encode()
        self._reader = CairnRows(str(header.session_id), read)
        self._analyser = Analyser(self._reader, Options(), genesis(header.session_id))
        self._position = 0
        self.events = 0
        self.digests: dict[int, bytes] = {}
        self.shared: list[SharedStep] = []

    @property
    def digest(self) -> bytes:
        """Of the last event."""
        return self._analyser.integrity.digest

    def take(self, number: int, line: bytes | None) -> None:
        """Look at the next line.

        Args:
            number: Of the line.
            line: Without its end; None for one that is too long.

        Raises:
            LogRefused: It cannot be stored, in quarantine neither.
        """
        event = None if line is None else event_of(line)
        if event is None:
            raise LogRefused("damaged", f"line {number} is {_what(line)}")
        if event.session_id != self._text_id:
            raise LogRefused("damaged", f"line {number} is an event of another log")
        sequence, record = event.sequence, event.record
        hashed = erased_hash(record)
        row = self._reader.row(
            sequence,
            "",
            record,
            position=event.position,
            digest=event.digest,
            erased_hash=hashed,
        )
        fault = None if hashed else self._spelling_fault(record)
        if fault is not None and not row.problems:
            row = row._replace(problems=[("invalid_event_json", fault)])
        self._analyser.row(row)
        self.events += 1
        if sequence != self.events:
            raise _misplaced(number, sequence, self.events)
        self._position = max(self._position, event.position)
        if sequence in self._wanted:
            self.digests[sequence] = event.digest
        if not hashed and event.type in WRITER_NAMES and any(one in record for one in _SHARED_KEYS):
            header = self._header
            step = SharedStep(header.store, self._position, header.session_id, sequence)
            self.shared.append(step)

    def damage(self) -> str | None:
        """Return what keeps the log from being appended to; None when nothing does."""
        header, integrity = self._header, self._analyser.integrity
        report = self._analyser.report(
            Facts(
                source="import",
                standing=self._reader.standing,
                found=self._reader.unexplained,
                head=(header.head, header.digest, integrity.position or 0),
                keeps_head=True,
            )
        )
        if self._analyser.damaged:
            issue = next((one for one in report.issues if one.blocks), None)
            return "too much is wrong" if issue is None else f"{issue.code}: {issue.detail}"
        if header.events != header.head:
            return "event_head_mismatch: the header contradicts itself"
        if header.blocked:
            return f"{', '.join(header.blocked)}: so it was found in the system that it comes from"
        return None


def _what(line: bytes | None) -> str:
    if line is None:
        return f"longer than {LONGEST_LINE} bytes"
    return "no event as Cairn exports it"


def _misplaced(number: int, sequence: int, expected: int) -> LogRefused:
    if sequence > expected:
        code = "event_sequence_gap"
    elif sequence == expected - 1:
        code = "event_sequence_duplicate"
    else:
        code = "event_sequence_regression"
    detail = f"{_UNSTORABLE[code]}: line {number} is event {sequence}, and should be {expected}"
    return LogRefused(code, detail)
