"""Damage made on purpose, by somebody who owns the database and has put its guards aside."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from domain.log.chain import genesis, link, record_hash
from tests.support.api import Api, SessionApi


@contextmanager
def hands_in(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection with which the log can be changed; its triggers do not look."""
    with psycopg.connect(url) as connection:
        connection.execute("alter table events disable trigger user")
        yield connection
        connection.execute("alter table events enable trigger user")


class Damage:
    """Damages one session.

    Args:
        url: The database.
        session: Which.
    """

    def __init__(self, url: str, session: SessionApi) -> None:
        self._url = url
        self.session = session

    def run(self, statement: LiteralString, **values: Any) -> None:
        with hands_in(self._url) as connection:
            connection.execute(statement, {"id": self.session.id, **values})

    def hole(self, sequence: int) -> None:
        self.run(
            "delete from events where originator_id = %(id)s and originator_version = %(at)s",
            at=sequence,
        )

    def cut(self, after: int) -> None:
        self.run(
            "delete from events where originator_id = %(id)s and originator_version > %(at)s",
            at=after,
        )

    def record(self, sequence: int, record: bytes) -> None:
        self.run(
            "update events set state = %(record)s"
            " where originator_id = %(id)s and originator_version = %(at)s",
            at=sequence,
            record=record,
        )

    def replace(self, sequence: int, old: bytes, new: bytes) -> None:
        record = self.records()[sequence - 1]
        assert old in record
        self.record(sequence, record.replace(old, new))

    def chain_again(self) -> None:
        """Make all digests anew, and the head: what somebody does who does not want to be seen."""
        with hands_in(self._url) as connection:
            rows = connection.execute(
                "select originator_version, state from events where originator_id = %s"
                " order by originator_version",
                (self.session.id,),
            ).fetchall()
            digest = genesis(UUID(self.session.id))
            for sequence, state in rows:
                digest = link(digest, record_hash(state))
                connection.execute(
                    "update events set digest = %s"
                    " where originator_id = %s and originator_version = %s",
                    (digest, self.session.id, sequence),
                )
            connection.execute(
                "update sessions set digest = %s where session_id = %s", (digest, self.session.id)
            )

    def records(self) -> list[bytes]:
        with psycopg.connect(self._url) as connection:
            rows = connection.execute(
                "select state from events where originator_id = %s order by originator_version",
                (self.session.id,),
            ).fetchall()
        return [bytes(state) for (state,) in rows]


def crashed(api: Api) -> SessionApi:
    """Return a session that crashed in a turn, with a call open.

    It has 1 created, 2 started, 3 said, 4 called, 5 to 7 the end of all that.
    """
    session = api.create()
    session.start("t1")
    session.record(
        ("agent.message", {"parts": [{"type": "text", "text": "Looking"}]}),
        ("tool.called", {"tool_call_id": "c1", "name": "grep"}),
    )
    assert session.post("/stop", {"cause": "process_exited"}).status_code == 200
    assert session.types()[4:] == ["tool.returned", "turn.cancelled", "session.stopped"]
    return session


def left_open(damage: Damage) -> SessionApi:
    """Return a crashed session whose last turn has lost its end, as a partial restore leaves it."""
    damage.hole(6)
    damage.hole(5)
    return damage.session
