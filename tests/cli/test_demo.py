"""`cairn demo`, and the proof that it ends with."""

import json
from hashlib import sha256
from uuid import UUID

import pytest

from api.cli.demonstration.proof import examine
from tests.cli.conftest import run

SESSION = "01890a5d-ac96-774b-bcce-b302099a8057"
PLAYED = [
    {"do": "create"},
    {"do": "events", "events": [{"type": "agent.message", "data": {"parts": []}}]},
    {"do": "partial", "events": [{"type": "agent.message", "data": {"parts": []}}]},
    {"do": "stop"},
]


def test_kills_the_server_and_loses_nothing() -> None:
    done = run("demo", "--speed", "0", patience=100.0)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "kill -9" in done.stdout
    assert "The client's copy is the log: nothing missing, nothing twice" in done.stdout
    assert "  NOT  " not in done.stdout
    assert done.stderr == ""


def log_of(session_id: str = SESSION) -> list[bytes]:
    link = sha256(UUID(session_id).bytes).digest()
    log: list[bytes] = []
    for number, name in enumerate(("session.created", "agent.message", "session.stopped"), 1):
        stored = json.dumps({"type": name, "data": {"parts": []}}).encode()
        link = sha256(link + sha256(stored).digest()).digest()
        place = f'{{"session_id":"{session_id}","sequence":{number},"position":{number * 10},'
        log.append(f'{place}"digest":"{link.hex()}",'.encode() + stored[1:])
    return log


def verdict(log: list[bytes], copy: list[bytes]) -> list[bool]:
    return [finding.holds for finding in examine(SESSION, PLAYED, log, copy)]


def test_what_is_whole_is_found_whole() -> None:
    assert verdict(log_of(), log_of()) == [True] * 4


@pytest.mark.parametrize("missing", range(3))
def test_a_copy_that_lacks_something_is_found_out(missing: int) -> None:
    copy = log_of()
    del copy[missing]

    assert verdict(log_of(), copy) == [False, True, True, True]


def test_a_log_that_was_changed_is_found_out() -> None:
    log = log_of()
    log[1] = log[1].replace(b'"parts": []', b'"parts":[] ')

    assert verdict(log, log) == [True, True, False, True]


def test_an_event_that_is_there_twice_is_found_out() -> None:
    log = log_of()
    log.insert(1, log[1])

    assert verdict(log, log) == [True, False, False, False]
