"""Whether a log is whole: its places follow each other, and its digests cover its records."""

from collections.abc import Iterator

from domain.log.chain import link, record_hash
from domain.repair.rows import Row


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
        self._expected = 1
        self.digest = b""
        self.position: int | None = None

    def goes_on(
        self, sequence: int, position: int, record: bytes, digest: bytes, hashed: bytes | None
    ) -> bool:
        """Take a row that is in its place, as nearly all are; False leaves it to `check`.

        Args:
            sequence: As it is stored.
            position: As it is stored.
            record: As it is stored.
            digest: As it is stored.
            hashed: The hash of the record when the record itself was erased.
        """
        follows = self._follows
        if (
            follows is None
            or sequence != self._expected
            or position <= (self.position or 0)
            or link(follows, hashed or record_hash(record)) != digest
        ):
            return False
        self.last, self.position, self.digest = sequence, position, digest
        self._expected = sequence + 1
        self._before_last, self._follows = follows, digest
        return True

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
            and self.goes_on(sequence, position, record, digest, row.hashed)
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
