"""So many connections at a time, of all clients and of each."""

from contextlib import closing

import pytest

from api.cli.serving.connection_counts import ConnectionCounts, Place
from api.cli.serving.connection_guard import ConnectionGuard, ConnectionLimits
from tests.support.own_logs import own_records


def test_connections_are_counted_in_all_and_of_each_peer(caplog: pytest.LogCaptureFixture) -> None:
    guard = ConnectionGuard(ConnectionLimits(connections=3, per_peer=2))

    assert [guard.admit("a", 0.0) for _ in range(3)] == [True, True, False]
    assert [guard.admit("b", 100.0), guard.admit("c", 100.0)] == [True, False]
    # A Unix socket has no peers, but counts.
    assert not guard.admit(None, 100.0)
    # Who was refused makes no room by going.
    guard.leave("c", was_admitted=False)
    assert not guard.admit(None, 100.0)
    guard.leave("a", was_admitted=True)
    assert guard.admit(None, 101.0)
    assert not guard.admit("a", 101.0)

    assert [one.getMessage() for one in own_records(caplog)] == [
        "connections are refused: 2 are open of a",
        "connections are refused: 3 are open in all",
    ]


def test_all_that_end_are_counted_out_for_the_other_workers() -> None:
    with closing(ConnectionCounts.make(1)) as counts:
        place = Place(counts, 0)
        place.enter()
        for _ in range(3):
            place.begin()
        guard = ConnectionGuard(ConnectionLimits(connections=1), place)

        assert [guard.admit("a", 0.0), guard.admit("b", 0.0)] == [True, False]
        guard.leave("a", was_admitted=True)
        guard.leave("b", was_admitted=False)

        assert place.own() == 1
