"""New ids: how much of one nobody can guess."""

from collections.abc import Callable
from uuid import UUID

import pytest

from infrastructure import clock
from infrastructure.clock import SystemClock

# The id of an event is the salt in the hash of its record, which is kept when it is erased.
LEAST_RANDOM_BITS = 62
BEHIND_THE_TIME = (1 << 80) - 1


def _named(source: SystemClock) -> UUID:
    name = source.new_name()
    found = UUID(name)
    assert str(found) == name
    return found


both = pytest.mark.parametrize("made", [SystemClock.new_id, _named])
Made = Callable[[SystemClock], UUID]


def _bits(monkeypatch: pytest.MonkeyPatch, byte: bytes, made: Made) -> int:
    monkeypatch.setattr(clock.os, "urandom", lambda size: byte * size)
    return made(SystemClock()).int & BEHIND_THE_TIME


@both
def test_an_id_has_enough_bits_from_the_random_numbers_of_the_system(
    monkeypatch: pytest.MonkeyPatch, made: Made
):
    changed = _bits(monkeypatch, b"\x00", made) ^ _bits(monkeypatch, b"\xff", made)

    assert changed.bit_count() >= LEAST_RANDOM_BITS
    assert changed.bit_count() == 74


@both
def test_no_two_ids_share_their_random_bits(monkeypatch: pytest.MonkeyPatch, made: Made):
    fetched: list[int] = []

    def count(size: int) -> bytes:
        fetched.append(size)
        return b"".join((len(fetched) * 1_000 + n).to_bytes(10) for n in range(size // 10))

    monkeypatch.setattr(clock.os, "urandom", count)
    source = SystemClock()
    ids = [made(source) for _ in range(1_000)]

    assert len({one.int & BEHIND_THE_TIME for one in ids}) == len(ids)
    assert {one.version for one in ids} == {7}
