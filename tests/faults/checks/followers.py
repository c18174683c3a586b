"""Readers that follow a log are given each event once, in order, however often they come back."""

from collections.abc import Iterator

from tests.faults.checks.violation import Violation
from tests.faults.history import WHOLE_LOG, FollowedTo, Following, History, Seen, Stored


def gap_free(history: History) -> Iterator[Violation]:
    """Hold what each reader was given against the log."""
    stored = history.of(Stored)
    by_position = {one.position: one.id for one in stored}
    by_sequence = {(one.session, one.sequence): one.id for one in stored}
    cursors = {one.reader: one.after for one in history.of(Following)}
    is_judged = dict.fromkeys(cursors, False)
    for seen in history.of(Seen):
        if is_judged[seen.reader]:
            continue
        cursor = cursors[seen.reader]
        if seen.number != cursor + 1:
            is_judged[seen.reader] = True
            yield Violation(
                "hole" if seen.number > cursor else "doubled",
                f"{seen.reader} was given {seen.number} after {cursor}",
            )
            continue
        cursors[seen.reader] = seen.number
        if seen.log == WHOLE_LOG:
            expected = by_position.get(seen.number)
        else:
            expected = by_sequence.get((seen.log, seen.number))
        if expected != seen.id:
            is_judged[seen.reader] = True
            words = f"{seen.reader} was given {seen.number} of {seen.log}, which is another event"
            yield Violation("lost", words)
    ends: dict[str, int] = {WHOLE_LOG: len(stored)}
    for one in stored:
        ends[one.session] = max(ends.get(one.session, 0), one.sequence)
    ends |= {one.log: one.head for one in history.of(FollowedTo)}
    for reader in history.of(Following):
        name, end = reader.reader, ends.get(reader.log, 0)
        if not is_judged[name] and cursors[name] < end:
            words = f"{name} has come to {cursors[name]} of {end} in {reader.log}"
            yield Violation("hole", words)
