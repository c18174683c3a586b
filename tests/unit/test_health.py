"""Badges, health rows and attachability, held to the vectors and to the whole table of inputs."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any, get_args

import pytest

from domain.badges import (
    Badge,
    Info,
    badge_for_health,
    badge_for_info,
    badge_for_log,
    canonical_badge,
    drivable,
    failure_now,
    state_of,
)
from domain.health import STALE_AFTER, Health, HealthState, Ineligibility, health_row, mark_stale
from domain.session.state import Status

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "badge.json").read_text("utf-8"))
NOW = datetime(2031, 3, 1, 10, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def every(name: str) -> Any:
    assert len(VECTORS[name]) > 5, name
    return pytest.mark.parametrize("vector", VECTORS[name], ids=lambda one: one["id"])


def info(**known: Any) -> Info:
    """Info as a vector writes it."""
    known["turn_id"] = known.pop("activity_turn_id", "")
    # Leases are the store's: the domain does not know of them.
    known.pop("attached_to", None)
    known.pop("attach_expires_at", None)
    return Info(**known)


# ── badges ───────────────────────────────────────────────────────────────────────────────────


@every("badge_vectors")
def test_the_badge_is_that_of_the_vector(vector: Any) -> None:
    assert canonical_badge(**vector["input"]) == vector["expected"]


FAILURES = (
    "", "cancellation", "provider_auth_failure", "permission_failure", "process_exit", "cosmic_ray",
)  # fmt: skip
STATES = ("", "starting", "active", "stopping", "stopped")
TOTALS = {
    "failed": 13824,
    "stopped": 6912,
    "waiting-for-auth": 24576,
    "hung": 8704,
    "unhealthy": 1280,
    "running": 1872,
    "idle": 360,
    "unknown": 72,
}


def test_the_badges_of_all_inputs_there_are_add_up() -> None:
    began = process_time()
    inputs = product(
        STATES,
        FAILURES,
        ("", *get_args(Health)),
        ("", *get_args(HealthState)),
        get_args(Ineligibility),
        *[(False, True)] * 3,
    )
    badges = [
        canonical_badge(
            state=state,
            failure_kind=failure,
            health=health,
            health_state=health_state,
            ineligibility_reason=reason,
            pending_auth=pending,
            stalled=stalled,
            active_prompt=prompt,
        )
        for state, failure, health, health_state, reason, pending, stalled, prompt in inputs
    ]

    assert len(badges) == 57_600
    assert Counter(badges) == TOTALS
    assert set(badges) == set(get_args(Badge))
    assert process_time() - began < 5


@every("info_vectors")
def test_what_is_known_of_the_session_itself_is_enough_for_a_badge(vector: Any) -> None:
    known = None if vector["info"] is None else info(**vector["info"])

    assert badge_for_info(known) == vector["expected"]["badge"]
    # Who holds a lease is told by the store, which finds those alone that are in force.
    leased = known is not None and bool(vector["info"].get("attached_to", "").strip())
    attachable = vector["expected"]["attachable"]
    assert (known is not None and drivable(known)) is attachable or (leased and not attachable)


def test_a_permission_failure_waits_for_somebody_too() -> None:
    failed = Info(state="active", failure_kind=" permission_failure ")

    assert badge_for_info(failed) == "waiting-for-auth"
    assert not drivable(failed)


def test_a_health_row_has_the_last_word_on_stalls_and_prompts() -> None:
    stalled_once = Info(state="active", stall_state="stalled", turn_id="t1")
    well = health_row(state="active", attachable=True)

    assert badge_for_info(stalled_once) == "hung"
    assert badge_for_health(stalled_once, well) == "idle"
    assert badge_for_health(None, well) == "idle"
    for told, badge in (
        ({"stalled": True}, "hung"),
        ({"unhealthy": True}, "unhealthy"),
        ({"unhealthy": True, "active_prompt": True}, "unhealthy"),
        ({"stalled": True, "unhealthy": True}, "hung"),
        ({"active_prompt": True}, "running"),
        ({"live": False}, "idle"),
    ):
        row = health_row(state="active", attachable=True, **told)
        assert badge_for_health(Info(state="active"), row) == badge, told
    stale = mark_stale(well, None)
    assert badge_for_health(Info(state="active"), stale) == "hung"
    stopped = health_row(state="stopped")
    assert badge_for_health(Info(state="stopped"), stopped) == "stopped"
    crashed = Info(state="stopped", failure_kind="process_exit")
    assert badge_for_health(crashed, stopped) == "failed"


def test_health_makes_no_other_badge_than_hung_of_that_of_the_log() -> None:
    for state, kind, stalled, prompt, unhealthy, age in product(
        STATES[1:], FAILURES, *[(False, True)] * 3, (None, timedelta(0))
    ):
        known = Info(
            state=state,
            failure_kind=failure_now(state, kind),
            stall_state="stalled" if stalled else "",
            turn_id="t1" if prompt else "",
        )
        row = health_row(state=state, active_prompt=prompt, stalled=stalled, unhealthy=unhealthy)
        now = badge_for_health(known, mark_stale(row, age))
        assert now in ("hung", badge_for_log(known, unhealthy=unhealthy))


# ── attachability ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", ["", "starting", "stopping", "stopped", " active", "Active"])
def test_only_an_active_session_can_be_attached(state: str) -> None:
    assert not drivable(Info(state=state))


# ── health rows ──────────────────────────────────────────────────────────────────────────────


@every("health_vectors")
def test_the_health_row_is_that_of_the_vector(vector: Any) -> None:
    given = dict(vector["input"])
    given["live"] = given.get("attachable", False)
    given["stalled"] = given.pop("stall_state", "") == "stalled"
    row = health_row(**given)

    assert {
        "state": row.state,
        "health": row.health,
        "eligible_for_wake": row.eligible_for_wake,
        "ineligibility_reason": row.ineligibility_reason,
    } == vector["expected"]


@pytest.mark.parametrize(
    ("told", "state", "health", "reason"),
    [
        ({}, "detached", "unknown", "session_health_unknown"),
        ({"stalled": True}, "detached", "unknown", "session_health_unknown"),
        ({"state": "starting", "stalled": True}, "detached", "degraded", "session_health_hung"),
        ({"state": "stopping", "unhealthy": True}, "detached", "degraded", "session_unhealthy"),
        ({"state": "stopped", "unhealthy": True}, "stopped", "dead", "session_health_dead"),
        ({"state": "active", "live": False}, "detached", "healthy", "session_not_attachable"),
        ({"state": "active", "attachable": False}, "idle", "healthy", "session_not_attachable"),
        ({"state": "active", "stalled": True}, "idle", "degraded", "session_health_hung"),
        ({"state": "active", "unhealthy": True}, "idle", "degraded", "session_unhealthy"),
        (
            {"state": "active", "stalled": True, "unhealthy": True, "active_prompt": True},
            "prompting", "degraded", "session_health_hung",
        ),
        ({"state": "active", "active_prompt": True, "live": False},
         "prompting", "healthy", "session_prompt_active"),
    ],
)  # fmt: skip
def test_the_row_by_what_is_told(told: Any, state: str, health: str, reason: str) -> None:
    row = health_row(**{"attachable": True, **told})

    assert (row.state, row.health, row.ineligibility_reason) == (state, health, reason)
    assert not row.eligible_for_wake


def test_only_who_is_idle_healthy_and_free_may_be_woken() -> None:
    flags = ("active_prompt", "live", "stalled", "unhealthy", "attachable")
    may = [
        (state, told)
        for state in (*STATES, "hibernating")
        for told in (
            dict(zip(flags, values, strict=True)) for values in product((False, True), repeat=5)
        )
        if health_row(state=state, **told).eligible_for_wake
    ]

    free = {"live": True, "attachable": True}
    assert may == [("active", {name: free.get(name, False) for name in flags})]


# ── presence ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("age", "stale"),
    [
        (None, True),
        (STALE_AFTER + MOMENT, True),
        (STALE_AFTER, False),
        (timedelta(0), False),
        (-STALE_AFTER, False),
    ],
)
def test_an_idle_session_is_stale_two_minutes_after_the_last_sign(
    age: timedelta | None, stale: bool
) -> None:
    fresh = health_row(state="active", attachable=True)
    row = mark_stale(fresh, age)

    assert timedelta(minutes=2) == STALE_AFTER
    if stale:
        assert (row.health, row.ineligibility_reason) == ("stale", "session_health_stale")
        assert (row.state, row.attachable) == ("idle", True)
        assert mark_stale(row, age) == row
    else:
        assert row == fresh


@pytest.mark.parametrize(
    "told",
    [
        {"state": "active", "active_prompt": True},
        {"state": "stopped"},
        {"state": "starting"},
        {"state": "active", "live": False},
        {},
    ],
)
def test_who_is_not_idle_is_never_stale(told: Any) -> None:
    row = health_row(**told)

    assert mark_stale(row, None) == row


def test_silence_weighs_more_than_what_was_said_before_it() -> None:
    ill = health_row(state="active", unhealthy=True)

    assert mark_stale(ill, timedelta(0)).health == "degraded"
    assert mark_stale(ill, None).health == "stale"


# ── the states of Cairn ──────────────────────────────────────────────────────────────────────


def test_every_status_stands_for_a_state() -> None:
    for status in get_args(Status):
        assert state_of(status) in STATES[1:], status
    for status in ("idle", "running", "waiting"):
        assert state_of(status) == "active"
    for status in ("starting", "stopping", "stopped"):
        assert state_of(status) == status
    assert (state_of("deleted"), state_of("hibernating")) == ("stopped", "")
