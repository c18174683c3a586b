"""Checking the file of one log, line by line, whatever its length."""

from binascii import unhexlify
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from application.ports.log.codec import Codec
from application.transfer.line_pages import Lines, page_of, plain_events
from application.transfer.lines import LONGEST_LINE, Header, event_of
from application.transfer.plans import SharedStep
from domain.log.chain import genesis
from domain.log.erased_records import erased_hash
from domain.log.spelling import is_on_the_calendar
from domain.repair.analyser import Analyser, Facts
from domain.repair.cairn_rows import CairnRows
from domain.repair.integrity import Placed
from domain.repair.record_shape import GlanceAtData
from domain.repair.report import Options
from domain.repair.rows import Row
from domain.repair.turns import Turns
from domain.session.content.key_writes import WRITER_NAMES

_AT_ONCE = 100
_DATA = b',"data":'
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


class _Seen(NamedTuple):
    """What a glance shows of a line that is spelled plainly."""

    at: str
    turn_id: str | None
    data: GlanceAtData


class LogCheck:
    """Goes through the lines of one log.

    Args:
        header: Of its file.
        wanted: The sequences whose digests are asked for.
        read: Reads JSON.
        codec: Reads, quickly, a record that is as its type has it.
        spelling_fault: Judges records.
    """

    def __init__(
        self,
        header: Header,
        wanted: set[int],
        read: Callable[[bytes], Any],
        codec: Codec,
        spelling_fault: SpellingFault,
    ) -> None:
        self._header = header
        self._wanted = wanted
        self._codec = codec
        self._spelling_fault = spelling_fault
        self._text_id = str(header.session_id).encode()
        self._reader = CairnRows(str(header.session_id), read, codec.glances)
        self._analyser = Analyser(self._reader, Options(), genesis(header.session_id))
        self._position = 0
        self._seen: dict[int, _Seen] = {}
        """Of the lines of this page that are spelled plainly, by their sequences."""
        self.events = 0
        self.digests: dict[int, bytes] = {}
        self.shared: list[SharedStep] = []

    @property
    def digest(self) -> bytes:
        """Of the last event."""
        return self._analyser.integrity.digest

    def take(self, lines: Iterable[bytes | None]) -> None:
        """Look at all lines of a file behind its header, some at a time.

        Args:
            lines: Without their ends; None for one that is too long.

        Raises:
            LogRefused: It cannot be stored, not even in quarantine.
        """
        for _ in self.steps(lines):
            pass

    def steps(self, lines: Iterable[bytes | None]) -> Iterator[None]:
        """Look at all lines of a file behind its header, and pause now and then.

        Args:
            lines: Without their ends; None for one that is too long.

        Raises:
            LogRefused: It cannot be stored, not even in quarantine.
        """
        left = iter(lines)
        while page := page_of(left, _AT_ONCE):
            rows = self._plain(page) or self._any(page)
            self._analyser.page(rows, self)
            self.events += len(rows)
            yield

    def _plain(self, lines: Lines) -> Sequence[Placed]:
        """Return the events of lines that are plain and of this log; none when one is not."""
        rows: list[Placed] = []
        seen: dict[int, _Seen] = {}
        log_id, moment, on_calendar = self._text_id, b"", False
        look = self._codec.glance_at_data
        for expected, event in enumerate(plain_events(lines), self.events + 1):
            of, number, at_position, digest, rest, _, name, version, at, turn, data = event
            sequence, type_ = int(number), name.decode()
            if sequence != expected or of != log_id:
                return ()
            record = b"{" + rest
            rows.append((sequence, int(at_position), type_, record, unhexlify(digest), None))
            if at != moment:
                moment, on_calendar = at, is_on_the_calendar(at.decode())
            said = look(type_, version, data) if on_calendar else None
            if said is not None:
                turn_id = turn.decode() if turn else None
                seen[sequence] = _Seen(moment.decode(), turn_id, said)
        self._seen = seen
        for row in rows:
            self._note(row)
        return rows

    def _any(self, lines: Lines) -> Sequence[Placed]:
        rows: list[Placed] = []
        self._seen = {}
        for number, line in enumerate(lines, self.events + 2):
            event = None if line is None else event_of(line)
            if event is None:
                raise LogRefused("damaged", f"line {number} is {_what(line)}")
            if event.session_id != self._text_id:
                raise LogRefused("damaged", f"line {number} is an event of another log")
            sequence, record = event.sequence, event.record
            if sequence != number - 1:
                raise _misplaced(number, sequence, number - 1)
            hashed = erased_hash(record)
            row = (sequence, event.position, event.type, record, event.digest, hashed)
            self._note(row)
            rows.append(row)
        return rows

    def _note(self, placed: Placed) -> None:
        """Note what is asked of an event beside whether it is sound."""
        sequence, position, type_, record, digest, hashed = placed
        self._position = max(self._position, position)
        if sequence in self._wanted:
            self.digests[sequence] = digest
        if type_ in WRITER_NAMES and not hashed and _writes_shared_keys(record):
            header = self._header
            step = SharedStep(header.store, self._position, header.session_id, sequence)
            self.shared.append(step)

    def unclear(self, rows: Sequence[Placed], turns: Turns) -> Iterable[Row]:
        """Let turns follow rows, and give those that a glance does not make clear.

        Args:
            rows: Each in its place.
            turns: Follow the others.
        """
        if self._seen:
            # Clear ones are spelled plainly.
            seen = [self._seen.get(row[0]) for row in rows]
            return map(self._judged, self._reader.unclear(rows, turns, seen))
        faults = [None if row[5] else self._spelling_fault(row[3]) for row in rows]
        if any(faults):
            return map(self._judged, map(self._reader.closely, rows), faults)
        return self._reader.unclear(rows, turns)

    def closely(self, placed: Placed) -> Row:
        """Return an event of the file as a row, with what keeps it from being stored.

        Args:
            placed: What the file has of it.
        """
        return self._judged(self._reader.closely(placed))

    def _judged(self, row: Row, fault: str | None = None) -> Row:
        if fault is None and row.record is not None and not row.hashed:
            fault = self._spelling_fault(row.record)
        if fault is not None and not row.problems:
            return row._replace(problems=[("invalid_event_json", fault)])
        return row

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


def _writes_shared_keys(record: bytes) -> bool:
    # An actor may be called `user:ada`; it stands before the data.
    data = max(record.find(_DATA), 0)
    return any(record.find(one, data) >= 0 for one in _SHARED_KEYS)


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
