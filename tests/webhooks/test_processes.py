"""Several processes over one log: one of them delivers, and when it is killed another does."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes import Cairn, serving
from tests.support.receiver import Answer, Receiver, receiving_in_a_thread

PATIENCE = 40.0
TAKEN_OVER_WITHIN = 40.0
"""Seconds: who only looked once a minute would take longer."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving_in_a_thread() as one:
        yield one


@pytest.fixture
def pair(database_url: str, tmp_path: Path) -> Iterator[list[Cairn]]:
    with serving(database_url, tmp_path, count=2, webhook_private_targets=True) as servers:
        yield servers


def until(holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.01)


def post(server: Cairn, path: str, body: Any) -> dict[str, Any]:
    answer = httpx.post(f"http://127.0.0.1:{server.port}{path}", json=body, timeout=PATIENCE)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def say(server: Cairn, session: str, text: str = "hello") -> int:
    body = {"role": "user", "parts": [{"type": "text", "text": text}]}
    position: int = post(server, f"/v1/sessions/{session}/messages", body)["position"]
    return position


def delivered(server: Cairn) -> float:
    """How many batches a process has delivered."""
    text = httpx.get(f"http://127.0.0.1:{server.port}/metrics", timeout=PATIENCE).text
    found = re.search(r'cairn_webhook_attempts_total\{outcome="delivered"\} (\S+)', text)
    return float(found[1]) if found else 0.0


def test_one_of_two_delivers_and_after_its_end_the_other_does(
    pair: list[Cairn], receiver: Receiver
) -> None:
    webhook = post(pair[0], "/v1/webhooks", {"url": receiver.url, "batch": 10})
    session = post(pair[1], "/v1/sessions", {"app": "a", "user": "u"})["session"]["id"]
    for number in range(40):
        last = say(pair[number % 2], session)
    until(lambda: len(receiver.positions) == last)
    assert receiver.positions == list(range(1, last + 1))
    assert sorted(delivered(server) > 0 for server in pair) == [False, True]

    # Killed in the middle of a delivery, which the receiver has taken.
    owner, other = sorted(pair, key=delivered, reverse=True)
    receiver.answers = [Answer(200, gate=asyncio.Event())]
    before = receiver.arrived
    last = say(other, session)
    until(lambda: receiver.arrived == before + 1)
    cut = receiver.received[-1]
    owner.kill()
    killed = time.monotonic()
    for _ in range(15):
        last = say(other, session)
    until(lambda: len(set(receiver.positions)) == last, TAKEN_OVER_WITHIN)

    assert time.monotonic() - killed < TAKEN_OVER_WITHIN
    assert delivered(other) > 0
    # Nothing is left out; what came twice came under the same id.
    assert {one.body for one in receiver.received if one.id == cut.id} == {cut.body}
    assert cut.id in {message.id for message in receiver.accepted}
    once = {message.id: message.positions for message in receiver.messages}
    assert [one for positions in once.values() for one in positions] == list(range(1, last + 1))
    assert all(message.is_signed_with(webhook["secret"]) for message in receiver.messages)

    # And back again: what was killed starts anew and takes over when the other is stopped.
    owner.start()
    other.stop()
    say(owner, session)
    until(lambda: receiver.positions[-1] == last + 1, TAKEN_OVER_WITHIN)


def test_a_webhook_made_in_a_process_that_does_not_deliver_is_served_at_once(
    pair: list[Cairn], receiver: Receiver
) -> None:
    session = post(pair[0], "/v1/sessions", {"app": "a", "user": "u"})["session"]["id"]
    wanted = {"types": ["message.*"]}
    first = post(pair[0], "/v1/webhooks", {"url": receiver.url, **wanted})
    say(pair[0], session)
    until(lambda: len(receiver.messages) == 1)
    _, other = sorted(pair, key=delivered, reverse=True)

    began = time.monotonic()
    second = post(other, "/v1/webhooks", {"url": f"{receiver.url}/second", "from": 0, **wanted})
    until(lambda: any(message.path.endswith("/second") for message in receiver.messages))
    # Told, and not found by looking once a minute.
    assert time.monotonic() - began < TAKEN_OVER_WITHIN
    path = f"http://127.0.0.1:{other.port}/v1/webhooks/"
    for webhook in (first, second):
        assert httpx.delete(path + webhook["id"], timeout=PATIENCE).is_success
    say(other, session)
    time.sleep(0.3)
    assert len(receiver.messages) == 2
