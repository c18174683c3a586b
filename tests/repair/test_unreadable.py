"""A record that cannot be read: whatever looks into records passes over it, and answers."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.repair.damage import Damage
from tests.support.api import Api, SessionApi, done

Json = dict[str, Any]
ENVELOPE = (
    b'"id":"01890a5d-ac96-774b-bcce-b302099a8058","type":"state.patched","v":1,'
    b'"at":"2026-11-21T12:00:00.123456Z","actor":"user:ada","origin":"http"'
)
UNREADABLE = {
    "nothing": b"",
    "no JSON": b"no",
    "no UTF-8": b'{"id":"\xff"}',
    "a list": b"[1]",
    "other JSON": b'{"x":1}',
    "nested deeply": b'{%b,"data":{"set":{"k":%b}}}' % (ENVELOPE, b"[" * 20_000 + b"]" * 20_000),
    "half a character": b'{%b,"data":{"set":{"k":"\\ud800"}}}' % ENVELOPE,
    "a number too large": b'{%b,"data":{"set":{"k":1e400000}}}' % ENVELOPE,
    "data of another kind": b'{%b,"data":[1]}' % ENVELOPE,
    "a turn of another kind": b'{%b,"turn_id":{},"data":{}}' % ENVELOPE,
    "no time": b'{%b,"data":{}}' % ENVELOPE.replace(b"2026-11-21T12", b"yesterday"),
    "a NUL": b'{%b,"data":{"set":{"k":"\x00"}}}' % ENVELOPE,
}


@pytest.fixture(scope="module")
def api(shared_api: Api) -> Api:
    return shared_api


@pytest.fixture
def damage(shared_url: str) -> Callable[[SessionApi], Damage]:
    return lambda session: Damage(shared_url, session)


@pytest.fixture(params=UNREADABLE)
def broken(
    request: pytest.FixtureRequest, api: Api, damage: Callable[[SessionApi], Damage]
) -> SessionApi:
    """A session whose third event, one of its turn that sets keys, cannot be read."""
    session = api.create()
    session.start("t1")
    for value in (1, 2):
        done(session.patch("/state", {"set": {"k": value, "app:k": value}}))
    session.complete("t1")
    damage(session).record(3, UNREADABLE[request.param])
    return session


def test_what_looks_into_records_answers(api: Api, broken: SessionApi) -> None:
    events = broken.events()
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    for query in ({"last": 50}, {"since": 0}):
        of_turn = done(broken.get("/events", params={**query, "turn": "t1"}))["events"]
        assert {2, 5} <= {event["sequence"] for event in of_turn}
    own = done(broken.get("/state/k/history"))["writes"]
    assert [one["value"] for one in own if one["sequence"] == 4] == [2]
    shared = done(api.get(f"/v1/apps/{broken.app}/state/app:k/history"))["writes"]
    assert [one["value"] for one in shared] == [2, 1]
    for query in (
        "actor=nobody", "origin=http", "text=k", "tool=grep", "since=2020-01-01T00:00:00Z",
        "until=2030-01-01T00:00:00Z", f"session={broken.id}", f"app={broken.app}", "types=state.*",
    ):  # fmt: skip
        for form in ("application/json", "application/jsonl", "text/csv"):
            url = f"{api.base_url}/v1/audit/events?{query}"
            assert httpx.get(url, headers={"accept": form}).status_code == 200, (query, form)


def test_all_other_reads_answer_and_the_session_takes_more(api: Api, broken: SessionApi) -> None:
    for path in (
        "", "/status", "/snapshot", "/messages", "/history", "/state", "/inputs", "/permissions",
        "/interactions", "/turns/t1", "/models", "/summaries", "/peers", "/profile", "/health",
        "/children", "/ancestry", "/verify", "/messages?format=ui",
    ):  # fmt: skip
        assert broken.get(path).status_code < 500, path
    for query in ("", "?types=state.patched", f"?app={broken.app}"):
        done(api.get(f"/v1/events{query}"))
    broken.say("after")
    assert broken.events()[-1]["type"] == "message.added"
    fork = done(broken.post("/fork", {"at": 2}), 201)["session"]
    assert done(api.get(f"/v1/sessions/{fork['id']}"))
    assert broken.post("/repair", params={"dry_run": "1"}).status_code == 200
    assert not done(broken.get("/verify"))["ok"]
    assert api.get("/v1/audit/verify").status_code == 200
    done(broken.delete())


@pytest.mark.parametrize(
    "data", [b'{"set":[1],"delete":{"k":1}}', b'{"set":{"k":1},"delete":7}', b'{"set":"k"}']
)
def test_keys_of_another_kind_are_no_writes(
    data: bytes, api: Api, damage: Callable[[SessionApi], Damage]
) -> None:
    session = api.create(state={"k": 0})
    done(session.patch("/state", {"set": {"k": 1}}))
    damage(session).record(2, b'{%b,"data":%b}' % (ENVELOPE, data))
    done(session.patch("/state", {"set": {"k": 2}}))

    writes = done(session.get("/state/k/history"))["writes"]
    assert {(1, 0), (3, 2)} <= {(one["sequence"], one["value"]) for one in writes}
