"""Pages of events that are looked over in pieces: cut between events, and whole again."""

import json

import pytest

from infrastructure.records import joined_lines
from infrastructure.records.joined_lines import with_commas


def lines(*lengths: int) -> list[bytes]:
    return [
        json.dumps(
            {
                "sequence": number,
                "id": f"id{number}",
                "type": "note",
                "v": 1,
                "at": "2026-01-01T00:00:00Z",
                "actor": "a",
                "origin": "o",
                "data": {"text": "x" * length},
            }
        ).encode()
        for number, length in enumerate(lengths)
    ]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined_lines, "_PIECE", 300)


LENGTHS = (
    (1,),
    (1, 1, 1, 1, 1, 1, 1),
    (1000,),
    (1000, 1),
    (1, 1000, 1),
    (300 - len(lines(0)[0]), 1),
    (299 - len(lines(0)[0]), 1),
    (301 - len(lines(0)[0]), 1, 1),
)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_pieces_of_a_page_are_its_events_with_commas_between_them(lengths: tuple[int, ...]) -> None:
    page = lines(*lengths)
    pieces = with_commas(b"\n".join(page), len(page))
    assert pieces is not None
    assert b"".join(pieces) == b",".join(page)
    assert all(piece.count(b'"sequence"') == 1 or len(piece) <= 300 for piece in pieces)


@pytest.mark.parametrize("at", range(7))
@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"[1]", b'{"a":"\xff"}', b"not json", b'{"sequence":1', b"[" * 5000]
)
def test_a_page_with_one_line_that_cannot_be_read_has_no_pieces(damage: bytes, at: int) -> None:
    page = lines(1, 1, 1, 1, 1, 1, 1)
    page[at] = damage
    assert with_commas(b"\n".join(page), len(page)) is None


def test_a_page_of_another_number_of_lines_has_no_pieces() -> None:
    page = b"\n".join(lines(1, 1, 1))
    assert with_commas(page, 2) is None
    assert with_commas(page, 4) is None
    assert with_commas(b"", 1) is None
