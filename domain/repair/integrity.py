"""Whether a log is whole: its places follow each other, and its digests cover its records."""

from collections.abc import Iterable, Iterator
from hashlib import sha256

from domain.log.chain import link, record_hash
from domain.repair.rows import Row

Placed = tuple[int, int, str, bytes, bytes, bytes | None]
"""The sequence, position, type, record and digest of an event as they are stored, and the hash of
its record when the record itself was erased."""


class Integrity:
    """Looks at the rows of one log in the order of their source.

    Args:
        genesis: The digest before the first event; None for a source that has no digests.
    """

    def __init__(self, genesis: bytes | None = None) -> None:
        self._follows = genesis
        self._before_last = genesis
        self.whole = True
        self.last: int | None = None
        self._expected: int = 1
        self.digest = b""
        self.position: int | None = None

    def run(self, rows: Iterable[Placed]) -> int:
        """Take rows as long as each is in its place, as nearly all are, and return how many were.

        The next one is left to `check`.

        Args:
            rows: In order of the source.
        """
        before, follows = self._before_last, self._follows
        if follows is None:
            return 0
        first = expected = self._expected
        position = self.position or 0
        for sequence, at, _, record, digest, hashed in rows:
            if sequence != expected or at <= position:
                break
            # `link` and `record_hash` written out: to call them takes as long as to hash.
            if sha256(follows + (hashed or sha256(record).digest())).digest() != digest:
                break
            before, follows = follows, digest
            expected, position = expected + 1, at
        if expected != first:
            self._before_last, self._follows = before, follows
            self.last, self.position, self.digest = expected - 1, position, follows
            self._expected = expected
        return expected - first

    def check(self, row: Row) -> list[tuple[str, str]]:
        """Return the codes and details of what is wrong with the place of a row.

        Args:
            row: The next one.
        """
        sequence, position, record, digest = row.sequence, row.position, row.record, row.digest
        if (
            sequence is not None
            and position is not None
            and record is not None
            and digest is not None
            and self.run([(sequence, position, "", record, digest, row.hashed)])
        ):
            return []
        found = list(self._check(row))
        if found:
            self.whole = False
        return found

    def _check(self, row: Row) -> Iterator[tuple[str, str]]:
        follows = self._follows
        if row.sequence is not None:
            last = self.last
            if last is not None and row.sequence == last:
                yield "event_sequence_duplicate", f"sequence {row.sequence} is there already"
                follows = self._before_last
            elif last is not None and row.sequence < last:
                yield (
                    "event_sequence_regression",
                    f"sequence {row.sequence} comes after {last}",
                )
                follows = None
            elif row.sequence != self._expected:
                yield "event_sequence_gap", f"expected {self._expected}, found {row.sequence}"
                # What the missing ones said is not known, so neither is what this one follows.
                follows = None
            self.last = row.sequence if last is None else max(last, row.sequence)
            self._expected = max(self.last, 0) + 1
        if row.position is not None:
            if self.position is not None and row.position <= self.position:
                yield (
                    "position_regression",
                    f"position {row.position} comes after {self.position}",
                )
            self.position = max(self.position or 0, row.position)
        if row.record is not None and row.digest is not None:
            hashed = row.hashed or record_hash(row.record)
            if follows is not None and link(follows, hashed) != row.digest:
                yield "digest_mismatch", "the digest does not cover this record and those before it"
            self._before_last, self._follows = follows, row.digest
            self.digest = row.digest
