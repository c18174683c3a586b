"""What stands in one place twice, or where it may not, is told apart by what it is chained to."""

import pytest

from domain.log.chain import genesis, link, record_hash
from domain.repair.integrity import Integrity, Placed
from domain.repair.rows import Row
from tests.support.builders import SESSION_ID

Codes = list[list[str]]


def chained(*before: Placed, sequence: int, position: int, record: bytes) -> Placed:
    """Return an event that follows others."""
    digest = before[-1][4] if before else genesis(SESSION_ID)
    return (sequence, position, "x", record, link(digest, record_hash(record)), None)


FIRST = chained(sequence=1, position=1, record=b"{}")
SECOND = chained(FIRST, sequence=2, position=2, record=b'{"a":1}')
OTHER_SECOND = chained(FIRST, sequence=2, position=3, record=b'{"b":1}')
THIRD = chained(FIRST, OTHER_SECOND, sequence=3, position=4, record=b"{}")


def codes_of(*rows: Placed) -> Codes:
    """Return what is found in each row."""
    integrity, found = Integrity(genesis(SESSION_ID)), list[list[str]]()
    for sequence, position, _, record, digest, hashed in rows:
        row = Row(sequence, position=position, record=record, digest=digest, hashed=hashed)
        found.append([code for code, _ in integrity.check(row)])
    assert integrity.whole == (not any(found))
    return found


CASES: list[tuple[tuple[Placed, ...], Codes]] = [
    ((FIRST, SECOND), [[], []]),
    ((FIRST, SECOND, OTHER_SECOND), [[], [], ["event_sequence_duplicate"]]),
    ((FIRST, SECOND, OTHER_SECOND, THIRD), [[], [], ["event_sequence_duplicate"], []]),
    (
        (FIRST, SECOND, OTHER_SECOND, (*OTHER_SECOND[:1], 5, *OTHER_SECOND[2:])),
        [[], [], ["event_sequence_duplicate"], ["event_sequence_duplicate"]],
    ),
    (
        (FIRST, SECOND, (*OTHER_SECOND[:3], b'{"c":1}', *OTHER_SECOND[4:])),
        [[], [], ["event_sequence_duplicate", "digest_mismatch"]],
    ),
    ((FIRST, (2, 1, *SECOND[2:])), [[], ["position_regression"]]),
]


@pytest.mark.parametrize(
    ("rows", "codes"),
    CASES,
    ids=["whole", "twice", "gone on with", "three times", "changed", "at one position"],
)
def test_what_is_found(rows: tuple[Placed, ...], codes: Codes) -> None:
    assert codes_of(*rows) == codes
