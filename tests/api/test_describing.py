"""What is said about a session: title, mark, tags, usage, models and summaries."""

from typing import Any

import pytest

from tests.support.api import HELLO, Api, SessionApi, done, refused
from tests.support.every_route import (
    refuses_the_past_and_repeats_an_answer,
    refuses_to_change_what_is_not_there,
    refuses_to_read_what_is_not_there,
)

# ── usage ────────────────────────────────────────────────────────────────────────────────────


def test_totals_are_set_and_added_to(session: SessionApi) -> None:
    body = {"mode": "set", "input_tokens": 100, "output_tokens": 20, "cost": 0.5}
    assert done(session.post("/usage", body))["usage"] == {
        "input_tokens": 100, "output_tokens": 20, "cost": 0.5
    }  # fmt: skip
    added = done(session.post("/usage", {"mode": "add", "input_tokens": 5, "cost": 0.25}))
    assert added["usage"] == {"input_tokens": 105, "output_tokens": 20, "cost": 0.75}
    some = done(session.post("/usage", {"mode": "set", "output_tokens": 7}))
    assert some["usage"] == {"input_tokens": 105, "output_tokens": 7, "cost": 0.75}

    assert session.document()["usage"] == some["usage"]
    assert done(session.get("/snapshot"))["session"]["usage"] == some["usage"]
    listed = done(session.api.get("/v1/sessions", params={"user": session.user}))["sessions"]
    assert listed[0]["usage"] == some["usage"]
    assert session.types()[1:] == ["usage.recorded"] * 3


def test_totals_that_are_so_already_are_not_recorded(session: SessionApi) -> None:
    done(session.post("/usage", {"mode": "set", "input_tokens": 5}))
    with session.nothing_recorded():
        done(session.post("/usage", {"mode": "set", "input_tokens": 5}))
        done(session.post("/usage", {"mode": "add", "output_tokens": 0}))


def test_a_running_turn_and_a_description_lose_nothing_of_each_other(session: SessionApi) -> None:
    session.start()
    session.record(("usage.reported", {"input_tokens": 10, "output_tokens": 1}))
    done(session.patch("", {"title": "T", "starred": True, "tags": ["a"]}))
    done(session.post("/usage", {"mode": "add", "input_tokens": 1000}))
    done(session.put("/models/clerk", {"model": "large"}))
    session.record(("usage.reported", {"input_tokens": 5}))
    session.complete(usage={"input_tokens": 0, "output_tokens": 2})

    shown = session.document()
    assert (shown["title"], shown["starred"], shown["tags"]) == ("T", True, ["a"])
    assert shown["usage"]["input_tokens"] >= 1015
    assert shown["models"]["clerk"]["model"] == "large"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "mode"),
        ({"mode": "set"}, "mode"),
        ({"mode": "multiply", "input_tokens": 1}, "mode"),
        ({"mode": "add", "input_tokens": -1}, "input_tokens"),
        ({"mode": "add", "input_tokens": 1.5}, "input_tokens"),
        ({"mode": "add", "input_tokens": 2**53 + 1}, "input_tokens"),
        ({"mode": "add", "output_tokens": "1"}, "output_tokens"),
        ({"mode": "add", "output_tokens": True}, "output_tokens"),
        ({"mode": "set", "cost": -0.01}, "cost"),
        ({"mode": "set", "cost": 1e13}, "cost"),
        ({"mode": "set", "cost": "1"}, "cost"),
        ({"mode": "set", "total_tokens": 1}, "total_tokens"),
    ],
)
def test_usage_that_makes_no_sense(session: SessionApi, body: dict[str, Any], field: str) -> None:
    with session.nothing_recorded():
        problem = refused(session.post("/usage", body), 422, "invalid")
        assert problem["errors"][0]["field"] == field


# ── models ───────────────────────────────────────────────────────────────────────────────────


def test_an_agent_answers_with_another_model_until_it_is_restored(session: SessionApi) -> None:
    chosen = {"model": "large", "provider": "acme", "reasoning_effort": "high"}
    done(session.put("/models/clerk", chosen))
    done(session.put("/models/a%2Fb", {"model": "small"}))

    plain = {"model": "small", "provider": None, "reasoning_effort": None}
    models = session.get("/models")
    assert done(models)["models"] == {"a/b": plain, "clerk": chosen}
    assert models.headers["etag"] == '"3"'
    assert session.get("/models", headers={"If-None-Match": '"3"'}).status_code == 304
    assert session.document()["models"] == {"a/b": plain, "clerk": chosen}
    assert done(session.get("/snapshot"))["session"]["models"] == {"a/b": plain, "clerk": chosen}

    with session.nothing_recorded():
        done(session.put("/models/clerk", chosen))
        done(session.delete("/models/nobody"))
    done(session.put("/models/clerk", {"model": "other"}))
    done(session.delete("/models/clerk"))
    assert done(session.get("/models"))["models"].keys() == {"a/b"}
    assert session.types()[-2:] == ["model.overridden", "model.restored"]
    with session.nothing_recorded():
        done(session.delete("/models/clerk"))


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high", "xhigh"])
def test_every_reasoning_effort_is_taken(session: SessionApi, effort: str) -> None:
    done(session.put("/models/clerk", {"model": "m", "reasoning_effort": effort}))
    assert done(session.get("/models"))["models"]["clerk"]["reasoning_effort"] == effort


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "invalid", "model"),
        ({"model": None}, "invalid", "model"),
        ({"model": ""}, "invalid", "model"),
        ({"model": " "}, "invalid", "model"),
        ({"model": "x" * 201}, "invalid", "model"),
        ({"model": "m", "provider": "a\u0000"}, "invalid", "provider"),
        ({"model": "m", "provider": 1}, "invalid", "provider"),
        ({"model": "m", "reasoning_effort": "much"}, "invalid_runtime_override",
         "reasoning_effort"),
        ({"provider": "p"}, "invalid", "model"),
        ({"model": "m", "temperature": 1}, "invalid", "temperature"),
    ],
)  # fmt: skip
def test_a_model_that_is_none_is_refused_before_anything_is_recorded(
    session: SessionApi, body: dict[str, Any], code: str, field: str
) -> None:
    with session.nothing_recorded():
        problem = refused(session.put("/models/clerk", body), 422, code)
        assert problem["errors"][0]["field"] == field


def test_an_agent_that_could_have_no_such_name(session: SessionApi) -> None:
    with session.nothing_recorded():
        for name in ("%00", "%20", "x" * 201):
            wrong = session.put(f"/models/{name}", {"model": "m"})
            refused(wrong, 422, "invalid", field="agent")
            refused(session.delete(f"/models/{name}"), 422, "invalid", field="agent")


def test_models_have_a_limit(session: SessionApi) -> None:
    for number in range(100):
        done(session.put(f"/models/agent-{number}", {"model": "m"}))
    with session.nothing_recorded():
        over = session.put("/models/one-more", {"model": "m"})
        refused(over, 429, "limit_reached")
        assert over.headers["retry-after"].isdigit()
    done(session.put("/models/agent-0", {"model": "other"}))


# ── summaries ────────────────────────────────────────────────────────────────────────────────


def test_the_newest_summary_counts_and_the_messages_stay(session: SessionApi) -> None:
    assert done(session.get("/summaries")) == {"latest": None, "summary_ids": [], "sequence": 1}
    session.say(id="m1")
    session.say(id="m2")
    first = session.post("/summaries", {"text": "They met.", "summary_id": "s1"})
    assert done(first, 201)["summary_id"] == "s1"
    assert first.headers["location"] == f"{session.path}/summaries"
    second = session.post("/summaries", {"text": "They parted.", "first_kept": "m2", "tokens": 3})
    made = done(second, 201)["summary_id"]

    summaries = session.get("/summaries")
    assert done(summaries) == {
        "latest": {"summary_id": made, "text": "They parted.", "first_kept": "m2", "tokens": 3},
        "summary_ids": ["s1", made],
        "sequence": 5,
    }
    assert summaries.headers["etag"] == '"5"'
    assert session.get("/summaries", headers={"If-None-Match": '"5"'}).status_code == 304
    mark = {"summary_id": made, "first_kept": "m2", "tokens": 3}
    assert session.document()["summary"] == mark
    assert done(session.get("/snapshot"))["session"]["summary"] == mark
    assert len(done(session.get("/messages"))["messages"]) == 2
    texts = [event["data"]["text"] for event in session.events(types="summary.added")]
    assert texts == ["They met.", "They parted."]

    done(session.post("/clear"))
    cleared = done(session.get("/summaries"))
    assert (cleared["latest"], cleared["summary_ids"]) == (None, ["s1", made])


def test_the_summary_that_counted_then_counts_after_a_rewind(session: SessionApi) -> None:
    session.say(id="m1")
    said = {"text": "They met.", "summary_id": "s1", "first_kept": "m1", "tokens": 3}
    done(session.post("/summaries", said), 201)
    to = session.head
    done(session.post("/summaries", {"text": "They parted.", "summary_id": "s2"}), 201)
    done(session.post("/clear"))

    done(session.post("/rewind", {"to": to}))

    assert done(session.get("/summaries"))["latest"] == said
    assert session.document()["summary"] == {key: said[key] for key in said if key != "text"}


def test_a_summary_may_come_while_a_turn_runs_or_none_can(session: SessionApi) -> None:
    session.start()
    done(session.post("/summaries", {"text": "x"}), 201)
    session.complete()
    session.post("/stop")
    done(session.post("/summaries", {"text": "y"}), 201)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({"text": 1}, "text"),
        ({"text": "x" * (256 * 1024 + 1)}, "text"),
        ({"text": "x", "first_kept": ""}, "first_kept"),
        ({"text": "x", "tokens": -1}, "tokens"),
        ({"text": "x", "summary_id": ""}, "summary_id"),
        ({"text": "x", "summary_id": "a\u0000"}, "summary_id"),
        ({"text": "x", "first_kept_entry": 1}, "first_kept_entry"),
    ],
)
def test_a_summary_that_makes_no_sense(
    session: SessionApi, body: dict[str, Any], field: str
) -> None:
    with session.nothing_recorded():
        problem = refused(session.post("/summaries", body), 422, "invalid")
        assert problem["errors"][0]["field"] == field


def test_a_summary_id_is_taken_once(session: SessionApi) -> None:
    said = {"text": "x", "summary_id": "taken"}
    done(session.post("/summaries", said), 201)
    with session.nothing_recorded():
        refused(session.post("/summaries", said), 409, "summary_exists", summary_id="taken")


def test_a_summary_keeps_only_messages_of_its_own_session(api: Api, session: SessionApi) -> None:
    other = api.create()
    other.say(id="theirs")
    with session.nothing_recorded():
        body = {"text": "x", "first_kept": "theirs"}
        refused(session.post("/summaries", body), 404, "message_not_found", message_id="theirs")


# ── everywhere ───────────────────────────────────────────────────────────────────────────────

COMMANDS = [
    ("PATCH", "", {"title": "T"}),
    ("POST", "/usage", {"mode": "add", "input_tokens": 1}),
    ("PUT", "/models/clerk", {"model": "m"}),
    ("DELETE", "/models/clerk", {}),
    ("POST", "/summaries", {"text": "x"}),
]


@pytest.mark.parametrize(("method", "path", "body"), COMMANDS)
def test_commands_to_a_session_that_is_no_more_or_never_was(
    api: Api, method: str, path: str, body: dict[str, Any]
) -> None:
    session = api.create()
    session.delete()

    refuses_to_change_what_is_not_there(session, method, path, body)


@pytest.mark.parametrize(("method", "path", "body"), COMMANDS)
def test_commands_again_and_behind(
    session: SessionApi, method: str, path: str, body: dict[str, Any]
) -> None:
    done(session.put("/models/clerk", {"model": "other"}))
    refuses_the_past_and_repeats_an_answer(session, method, path, body)
    assert session.head == 3


@pytest.mark.parametrize("path", ["/models", "/summaries"])
def test_reads_of_a_session_that_is_no_more_or_never_was(api: Api, path: str) -> None:
    session = api.create(messages=[{"role": "user", "parts": HELLO}])
    session.delete()

    refuses_to_read_what_is_not_there(session, path)
