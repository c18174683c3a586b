"""Event streams, read by the clients that people use for them."""

import httpx
from httpx_sse import connect_sse

from tests.support.api import SessionApi, done
from tests.support.node import node


def url_of(session: SessionApi) -> str:
    return f"{session.api.base_url}{session.path}/events?since=0"


def test_fetch_event_source_gets_no_event_without_data(session: SessionApi) -> None:
    session.say()

    seen = node("fetch_event_source.mjs", None, url_of(session))

    assert [(id_, name) for id_, name, _, _ in seen] == [
        ("1", "session.created"), ("2", "message.added"), ("2", "caught-up")
    ]  # fmt: skip
    assert [retry for _, _, _, retry in seen] == [2000, None, None]


def test_an_event_source_that_has_everything_of_a_closed_session_stays_away(
    session: SessionApi,
) -> None:
    done(session.delete())

    found = node("eventsource.mjs", None, url_of(session))

    assert [(id_, name) for id_, name, _ in found["seen"]] == [
        ("1", "session.created"), ("2", "session.deleted"),
        ("2", "caught-up"), ("2", "session.closed"),
    ]  # fmt: skip
    assert found["code"] == 204


def test_httpx_sse_has_what_the_page_has(session: SessionApi) -> None:
    session.say("one line\nand another")
    seen = []

    with httpx.Client() as client, connect_sse(client, "GET", url_of(session)) as source:
        for event in source.iter_sse():
            if event.event == "caught-up":
                break
            seen.append(event)

    assert [event.json() for event in seen] == session.events()
    assert [(event.id, event.retry) for event in seen] == [("1", 2000), ("2", None)]


def test_eventsource_parser_has_what_the_page_has_however_the_bytes_are_cut(
    session: SessionApi,
) -> None:
    session.say("one line\nand \u2028 another, \U0001f600")

    found = node("eventsource_parser.mjs", None, url_of(session))

    *events, caught_up = found["seen"]
    assert [event for _, _, event in events] == session.events()
    assert [(id_, name) for id_, name, _ in events] == [
        ("1", "session.created"), ("2", "message.added")
    ]  # fmt: skip
    assert (caught_up[1], found["retry"]) == ("caught-up", 2000)


def test_only_who_has_everything_is_told_that_nothing_will_come(session: SessionApi) -> None:
    stream = {"accept": "text/event-stream"}
    done(session.delete())

    for cursor, status in (("1", 200), ("2", 204)):
        for query, headers in (
            (f"?since={cursor}", stream), ("", {**stream, "last-event-id": cursor})
        ):  # fmt: skip
            response = session.get(f"/events{query}", headers=headers)
            assert response.status_code == status
            assert ("event: session.closed" in response.text) == (status == 200)
