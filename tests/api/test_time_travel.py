"""Sessions as they were: `at` names a sequence or a time on every read that has a state."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.api import HELLO, Json, SessionApi, done, refused

READS = ("", "/status", "/snapshot", "/state", "/messages", "/messages/first", "/history")
TICK = timedelta(microseconds=1)


@pytest.fixture
def lived(session: SessionApi) -> SessionApi:
    """A session with something of everything that reads show."""
    session.say(id="first")
    session.patch("/state", {"set": {"k": 1}})
    session.start()
    session.record(("agent.message", {"parts": HELLO}))
    session.complete()
    session.patch("", {"title": "later"})
    session.patch("/messages/first", {"parts": [{"type": "text", "text": "Revised"}]})
    return session


def at(event: Json) -> datetime:
    return datetime.fromisoformat(event["at"])


def read(session: SessionApi, path: str, moment: Any) -> Json:
    if isinstance(moment, datetime):
        moment = moment.isoformat()
    return done(session.get(path, params={"at": moment}))


def test_reads_of_the_past_say_what_they_said_then(session: SessionApi) -> None:
    taken: dict[int, dict[str, Json]] = {}

    def take() -> None:
        answers = {path: session.get(path) for path in READS}
        found = {path: one.json() for path, one in answers.items() if one.status_code == 200}
        taken[found[""]["sequence"]] = found

    session.say(id="first")
    for step in (
        lambda: None,
        lambda: session.patch("/state", {"set": {"k": 1}}),
        lambda: session.start(),
        lambda: session.record(("agent.message", {"parts": HELLO})),
        lambda: session.complete(),
        lambda: session.patch("", {"title": "later"}),
        lambda: session.patch("/messages/first", {"parts": [{"type": "text", "text": "Revised"}]}),
        lambda: session.post("/clear"),
        lambda: session.say(id="second"),
    ):
        step()
        take()

    assert "/messages/first" in taken[2]
    assert "/messages/first" not in taken[session.head]
    for sequence, found in taken.items():
        for path, then in found.items():
            past = read(session, path, sequence)
            if path == "":
                past["session"]["attachable"] = then["session"]["attachable"]
            if path == "/snapshot" and then["turn"]:
                then["turn"]["partial"] = past["turn"]["partial"] = []
            assert past == then, (path, sequence)


@pytest.mark.parametrize("path", READS)
def test_a_time_is_that_of_the_last_event_at_or_before_it(lived: SessionApi, path: str) -> None:
    events = lived.events()
    for event, following in zip(events[1:], [*events[2:], None], strict=True):
        wanted = read(lived, path, event["sequence"])
        if following is None or at(following) > at(event):
            assert read(lived, path, at(event)) == wanted
        if following is not None and at(following) > at(event) + TICK:
            assert read(lived, path, at(following) - TICK) == wanted
    to_come = at(events[-1]) + timedelta(days=365)
    assert read(lived, path, to_come) == read(lived, path, events[-1]["sequence"])


@pytest.mark.parametrize("path", READS)
def test_moments_that_there_are_not(lived: SessionApi, path: str) -> None:
    events = lived.events()

    def asked(moment: Any) -> Any:
        return lived.get(path, params={"at": moment})

    before = (at(events[0]) - TICK).isoformat()
    began = events[0]["at"]
    told = refused(asked(before), 404, "before_first_event", begun_at=began)
    assert began in told["detail"]
    refused(asked("0001-01-01T00:00:00+14:00"), 404, "before_first_event")
    told = refused(asked(len(events) + 1), 409, "cursor_ahead", head=len(events))
    assert f"{len(events)} events so far, and not {len(events) + 1}" in told["detail"]
    for wrong in ("0", "-1", "1.5", "", "now", "2026-01-31", "2026-01-31T12:00:00", "9" * 30):
        refused(asked(wrong), 400, "invalid_parameter", field="at")
    both = "it must be a sequence such as 7, or an RFC 3339 time such as "
    assert both in refused(asked("nope"), 400, "invalid_parameter")["detail"]
    refused(lived.get(f"{path}?at=1&at=2"), 400, "invalid_parameter", field="at")


def test_what_is_only_known_of_now_is_not_asked_of_the_past(lived: SessionApi) -> None:
    wrong = lived.get("?include_health=true&at=2")
    refused(wrong, 400, "invalid_parameter", field="at")
    refused(lived.get("/status?wait=1s&at=2"), 400, "invalid_parameter", field="at")


def test_the_past_of_a_deleted_session_is_its_history(lived: SessionApi) -> None:
    head = lived.head
    lived.delete()

    for path in READS[:-1]:
        refused(lived.get(path, params={"at": 2}), 404, "session_not_found")
    past = read(lived, "/history", head)
    assert (past["next"], past["head"], past["up_to_date"]) == (head, head, True)


def test_pages_of_the_past_end_there(session: SessionApi) -> None:
    for number in range(6):
        session.say(str(number))
    events = session.events()
    moment = events[4]["at"]
    for number in range(6, 9):
        session.say(str(number))

    def pages(path: str) -> list[Json]:
        found: list[Json] = []
        response = session.get(path, params={"at": moment, "limit": 2})
        while True:
            found.append(done(response))
            if "next" not in response.links:
                return found
            response = session.api.get(response.links["next"]["url"])

    said = [one["parts"][0]["text"] for page in pages("/messages") for one in page["messages"]]
    groups = [group for page in pages("/history") for group in page["groups"]]
    assert said == ["0", "1", "2", "3"]
    assert [event for group in groups for event in group["events"]] == events[:5]


def test_what_differs_between_two_moments(lived: SessionApi) -> None:
    def diff(**query: Any) -> Json:
        return done(lived.get("/diff", params=query))

    events = lived.events()
    whole = diff(**{"from": 1})
    assert whole == diff()
    assert whole == diff(**{"from": events[0]["at"], "to": events[-1]["at"]})
    assert (whole["from"], whole["to"]) == (1, len(events))
    assert whole["title"] == {"from": None, "to": "later"}
    assert whole["status"] is None
    assert whole["state"] == {"added": {"k": 1}, "removed": {}, "changed": {}}
    assert len(whole["messages"]["added"]) == 3
    back = diff(**{"from": len(events), "to": 1})
    assert back["messages"]["removed"] == whole["messages"]["added"]
    revised = diff(**{"from": len(events) - 1})["messages"]["changed"]["first"]
    assert [revised[one]["parts"][0]["text"] for one in ("from", "to")] == ["Hello", "Revised"]
    assert diff(**{"from": 3, "to": 4})["status"] == {"from": "idle", "to": "running"}

    same = diff(**{"from": 4, "to": 4})
    nothing: Json = {"added": {}, "removed": {}, "changed": {}}
    parts = ("messages", "tool_calls", "state", "inputs", "interactions")
    assert [same[name] for name in parts] == [nothing] * len(parts)
    assert (same["title"], same["status"]) == (None, None)


def test_a_diff_as_text(lived: SessionApi) -> None:
    text = lived.get("/diff?from=2&to=3", headers={"Accept": "text/plain"})
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text == f'session {lived.id}: from 2 to 3\n+ state "k": 1\n'


def test_diffs_that_make_no_sense(lived: SessionApi) -> None:
    refused(lived.get("/diff?from=x"), 400, "invalid_parameter", field="from")
    refused(lived.get("/diff?from=1&to=0"), 400, "invalid_parameter", field="to")
    refused(lived.get("/diff?from=1&to=99"), 409, "cursor_ahead")
    refused(lived.get("/diff?from=2001-01-01T00:00:00Z"), 404, "before_first_event")
    html = lived.get("/diff?from=1", headers={"Accept": "image/png"})
    refused(html, 406, "not_acceptable")
