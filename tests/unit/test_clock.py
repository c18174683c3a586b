"""New ids: how much of one nobody can guess."""

import pytest

from infrastructure import clock
from infrastructure.clock import SystemClock

# The id of an event is the salt in the hash of its record, which is kept when it is erased.
LEAST_RANDOM_BITS = 62
BEHIND_THE_TIME = (1 << 80) - 1


def _bits(monkeypatch: pytest.MonkeyPatch, byte: bytes) -> int:
    monkeypatch.setattr(clock.os, "urandom", lambda size: byte * size)
    return SystemClock().new_id().int & BEHIND_THE_TIME


def test_an_id_has_enough_bits_from_the_random_numbers_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
):
    changed = _bits(monkeypatch, b"\x00") ^ _bits(monkeypatch, b"\xff")

    assert changed.bit_count() >= LEAST_RANDOM_BITS
    assert changed.bit_count() == 74


def test_no_two_ids_share_their_random_bits(monkeypatch: pytest.MonkeyPatch):
    fetched: list[int] = []

    def count(size: int) -> bytes:
        fetched.append(size)
        return b"".join((len(fetched) * 1_000 + n).to_bytes(10) for n in range(size // 10))

    monkeypatch.setattr(clock.os, "urandom", count)
    source = SystemClock()
    ids = [source.new_id() for _ in range(1_000)]

    assert len({one.int & BEHIND_THE_TIME for one in ids}) == len(ids)
    assert {one.version for one in ids} == {7}
