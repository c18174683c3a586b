"""The state of an erased session."""

from dataclasses import fields
from typing import Any

from domain.replacing import replace
from domain.session import events as e
from domain.session.evolve import evolve
from domain.session.state import ABSENT, Session
from tests.support.builders import NOON

ERASED = e.SessionErased(reason="asked for", app="shop", began_at=NOON)


def test_nothing_of_the_state_is_left():
    anything: dict[str, Any] = {field.name: object() for field in fields(Session)}
    recorded = e.Recorded(7, NOON, ERASED, None)

    assert evolve(replace(ABSENT, **anything), recorded) == evolve(ABSENT, recorded)
