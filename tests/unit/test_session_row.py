"""From a state to what lists show of it, and to the keys that sessions share."""

from dataclasses import fields
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from application.ports.session.session_row import Activity, SessionRow
from application.projections.session_document import activity_of, kept_document, session_document
from application.projections.session_row import (
    PROJECTION_VERSION,
    facets_of,
    listed_differently,
    session_row,
)
from domain.session import events as e
from domain.values import Agent, Failure, Owner, rfc3339
from infrastructure.records.codec import JsonCodec
from tests.support.builders import (
    SAMPLES,
    SESSION_ID,
    added,
    at,
    called,
    cancelled,
    completed,
    created,
    requested,
    returned,
    started,
    state_after,
    stopped,
)

CODEC = JsonCodec()
SHAPES = Path(__file__).parent / "golden" / "row_shapes.txt"
AGENT = Agent(name="coder", provider="acme", model="m", reasoning_effort="high")
FULL_OWNER = Owner(app="console", user="ada", workspace="w", team="t", scope="s")


def test_a_new_session_is_shown_with_everything_it_was_given():
    past = [created(owner=FULL_OWNER, title="T", tags=("a",), agent=AGENT, metadata={"k": 1})]

    shown = session_document(SESSION_ID, state_after(past))

    owner = {"app": "console", "user": "ada", "workspace": "w", "team": "t", "scope": "s"}
    assert owner.items() <= shown.items()
    assert shown["agent"] == {
        "name": "coder", "provider": "acme", "model": "m", "reasoning_effort": "high"
    }  # fmt: skip
    assert (shown["id"], shown["title"], shown["tags"]) == (SESSION_ID, "T", ("a",))
    assert (shown["status"], shown["type"], shown["starred"]) == ("idle", "user", False)
    assert (shown["metadata"], shown["activation"]) == ({"k": 1}, 1)
    assert shown["created_at"] == rfc3339(at(1))
    assert shown["turn_id"] is shown["stop"] is shown["failure"] is None
    assert (shown["turns"], shown["usage"]) == (
        0, {"input_tokens": 0, "output_tokens": 0, "cost": None}
    )  # fmt: skip


def test_the_running_turn_and_its_totals_are_shown():
    past = [created(), started("t1"), e.UsageReported(input_tokens=3, cost=0.5)]

    shown = session_document(SESSION_ID, state_after(past))

    assert (shown["status"], shown["turn_id"], shown["turns"]) == ("running", "t1", 1)
    assert shown["usage"] == {"input_tokens": 3, "output_tokens": 0, "cost": 0.5}


def test_a_stop_is_shown_with_its_cause():
    past = [created(), stopped(detail="d", failure=Failure(kind="k", summary="s"))]

    shown = session_document(SESSION_ID, state_after(past))

    assert shown["status"] == "stopped"
    assert shown["stop"] == {"cause": "user_requested", "reason": "user_canceled", "detail": "d"}
    assert shown["failure"] == {"kind": "k", "summary": "s", "bundle": None}


def test_a_row_has_what_lists_filter_by_and_the_document_as_json():
    session = state_after([created(owner=FULL_OWNER, title="T", tags=("a",), agent=AGENT)])

    row = session_row(SESSION_ID, session, CODEC)

    assert Owner(**{f.name: getattr(row, f.name) for f in fields(Owner)}) == FULL_OWNER
    assert (row.agent, row.title, row.tags, row.status) == ("coder", "T", ("a",), "idle")
    assert (row.created_at, row.deleted) == (at(1), False)
    document = kept_document(SESSION_ID, session)
    assert row.doc.encode() == CODEC.to_json(document)
    assert msgspec.json.decode(row.doc)["id"] == str(SESSION_ID)


def test_a_deleted_session_has_a_row_that_says_so():
    row = session_row(SESSION_ID, state_after([created(), e.SessionDeleted()]), CODEC)

    assert (row.deleted, row.status) == (True, "deleted")


def test_even_a_session_whose_creation_is_not_understood_has_a_row():
    row = session_row(SESSION_ID, state_after([e.Unrecognised(type="session.created")]), CODEC)

    assert row.created_at.year == 1970


RUNNING = [created(), started()]


@pytest.mark.parametrize(
    ("past", "more"),
    [
        ([], [created()]),
        ([created()], [e.SessionRenamed(title="x")]),
        ([created()], [e.SessionStarred()]),
        ([created()], [e.SessionTagged(tags=("x",))]),
        ([created()], [started()]),
        (RUNNING, [completed()]),
        (RUNNING, [completed(), started("t2")]),
        (RUNNING, [requested()]),
        (RUNNING, [e.UsageReported(input_tokens=1)]),
        (RUNNING, [e.AgentSwitched(agent=AGENT)]),
        ([created()], [stopped()]),
        ([created(), stopped()], [e.SessionResumed(activation=2)]),
        ([created()], [e.SessionDeleted()]),
    ],
    ids=str,
)
def test_what_lists_show_is_written_when_it_changes(past, more):
    before = state_after(past)

    assert listed_differently(before, state_after(more, before))


@pytest.mark.parametrize(
    "event",
    [
        added(),
        called(),
        returned(),
        e.AgentMessage(parts=()),
        e.StatePatched(set={"a": 1}),
        e.Unrecognised(type="x"),
    ],
    ids=str,
)
def test_what_lists_do_not_show_is_not_written_anew(event):
    before = state_after(RUNNING)

    assert not listed_differently(before, state_after([event], before))


def test_no_event_changes_the_document_without_the_row_being_written():
    for past in ([], [created()], RUNNING, [*RUNNING, requested()], [created(), stopped()]):
        before = state_after(past)
        for event in (*SAMPLES, cancelled()):
            after = state_after([event], before)
            if kept_document(SESSION_ID, before) != kept_document(SESSION_ID, after):
                assert listed_differently(before, after), event


def test_activity_is_what_was_said_and_the_tool_that_runs():
    begun = state_after([created()])
    assert activity_of(begun) == Activity(at(1), 0, None)
    # Neither a title nor a mark nor who drives it is a message.
    more = [
        e.SessionRenamed(title="x"),
        e.SessionStarred(),
        e.StatePatched(set={"a": 1}),
        e.AttachmentAcquired(lease_id=SESSION_ID, holder="cli:1", expires_at=at(9)),
        e.AttachmentReleased(lease_id=SESSION_ID, holder="cli:1", reason="done"),
    ]
    assert activity_of(state_after(more, begun)) == Activity(at(1), 0, None)
    running = state_after([added(), started()], begun)
    assert activity_of(running) == Activity(at(3), 2, None)
    calling = state_after([called("c1", name="ls"), called("c2", name="grep")], running)
    assert activity_of(calling) == Activity(at(3), 2, "grep")
    assert activity_of(state_after([returned("c2")], calling)).current_tool == "ls"
    ended = state_after([completed()], calling)
    assert activity_of(ended) == Activity(at(3), 2, None)


def test_a_document_shows_its_activity():
    shown = session_document(SESSION_ID, state_after([created(), added()]))
    assert shown["last_activity_at"] == rfc3339(at(2))
    assert (shown["num_messages"], shown["current_tool"]) == (1, None)


def test_metadata_is_filtered_by_what_is_text_or_like_it():
    metadata = {
        "s": "x", "n": 5, "f": 1.5, "t": True, "z": None, "o": {"a": 1}, "l": [1],
        "long": "x" * 501, "nul": "a\0b", "n\0": 1, "": "empty", "ü.b": "😀",
    }  # fmt: skip
    assert facets_of(metadata, CODEC) == {
        "s": "x", "n": "5", "f": "1.5", "t": "true", "z": "null", "": "empty", "ü.b": "😀"
    }  # fmt: skip


def test_the_shape_of_a_row_changes_only_with_its_version() -> None:
    columns = sorted(field.name for field in fields(SessionRow))
    shown = sorted(kept_document(SESSION_ID, state_after([created()])))
    digest = sha256(repr((columns, shown)).encode()).hexdigest()[:16]

    # A line for each version there ever was; a line that is there is never changed.
    newest = SHAPES.read_text().splitlines()[-1]
    assert newest == f"{PROJECTION_VERSION} {digest}", (
        "What a row or its document has was changed: raise PROJECTION_VERSION, so that older rows"
        f" are made anew, and add its line to {SHAPES.name}: {PROJECTION_VERSION} {digest}"
    )
