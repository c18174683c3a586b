"""One holder at a time drives an active, well session."""

from uuid import UUID

import pytest

from domain.errors import Invalid, LeaseNotHeld, NotAttachable
from domain.session import events as e
from domain.session.commands import AcquireAttachment, ReleaseAttachment
from domain.session.state import Attachment
from domain.values import Failure
from tests.support.builders import (
    LEASE_ID,
    acquired,
    at,
    cancelled,
    created,
    requested,
    stalled,
    started,
    state_after,
    stopped,
)
from tests.support.given import given

OTHER = UUID(int=7)
ACQUIRE = AcquireAttachment(
    lease_id=LEASE_ID, holder="http:1", acquired_at=at(0), expires_at=at(900)
)
RELEASE = ReleaseAttachment(lease_id=LEASE_ID)
RELEASED = e.AttachmentReleased(lease_id=LEASE_ID, holder="http:1", reason="released")


def crashed(kind: str) -> list[e.SessionEvent]:
    """Return a crash, and the resumption that keeps it to be seen."""
    failure = Failure(kind=kind)
    return [
        stopped(cause="process_exited", reason="agent_crashed", failure=failure),
        e.SessionResumed(activation=2, crash=failure),
    ]


@pytest.mark.parametrize(
    "past",
    [
        [],
        [started()],
        [started(), requested()],
        [started(), stalled(), cancelled()],
        [e.SessionUnhealthy()],
        [stopped(), e.SessionResumed(activation=2)],
        crashed("process_exit"),
    ],
    ids=str,
)
def test_an_active_session_can_be_driven(past):
    given([created(), *past]).when(ACQUIRE).then([acquired()])


@pytest.mark.parametrize(
    ("past", "status"),
    [
        ([created(starting=True)], "starting"),
        ([created(), stopped()], "stopped"),
        (
            [created(), started(), e.SessionStopping(cause="shutdown", reason="shutdown")],
            "stopping",
        ),
        ([created(), started(), stalled()], "running"),
        ([created(), *crashed("provider_auth_failure")], "idle"),
        ([created(), *crashed("permission_failure")], "idle"),
    ],
    ids=str,
)
def test_a_session_that_is_not_well_cannot_be_driven(past, status):
    given(past).when(ACQUIRE).then_refused(NotAttachable, session_status=status)


def test_saying_again_who_drives_is_already_so():
    given([created(), acquired()]).when(ACQUIRE).then_nothing()


def test_a_new_lease_takes_the_place_of_one_that_ran_out():
    # That it ran out, the store has made sure of: its clock decides.
    again = AcquireAttachment(
        lease_id=OTHER, holder="http:2", acquired_at=at(0), expires_at=at(900)
    )

    given([created(), acquired()]).when(again).then([acquired(OTHER, "http:2")])
    held = state_after([created(), acquired(), acquired(OTHER, "http:2")])
    assert held.attachment == Attachment(lease_id=OTHER, holder="http:2")


@pytest.mark.parametrize("holder", ["", " ", "a\nb", "x" * 201])
def test_a_holder_has_a_name(holder):
    wrong = AcquireAttachment(
        lease_id=LEASE_ID, holder=holder, acquired_at=at(0), expires_at=at(900)
    )

    given([created()]).when(wrong).then_refused(Invalid, field="holder")


def test_the_holder_lets_go():
    given([created(), acquired()]).when(RELEASE).then([RELEASED])
    given([created(), acquired()]).when(
        ReleaseAttachment(lease_id=LEASE_ID, reason="expired")
    ).then([e.AttachmentReleased(lease_id=LEASE_ID, holder="http:1", reason="expired")])


def test_nobody_lets_go_of_what_another_holds():
    late = [created(), acquired(), acquired(OTHER, "http:2")]

    for past in ([created()], [created(), acquired(), RELEASED], late):
        given(past).when(RELEASE).then_refused(LeaseNotHeld, lease_id=str(LEASE_ID))
    given([created(), acquired()]).when(
        ReleaseAttachment(lease_id=LEASE_ID, reason="")
    ).then_refused(Invalid)


def test_the_state_knows_who_drives():
    held = state_after([created(), acquired()]).attachment

    assert held == Attachment(lease_id=LEASE_ID, holder="http:1")
    assert state_after([created(), acquired(), RELEASED]).attachment is None
    stray = e.AttachmentReleased(lease_id=OTHER, holder="http:2", reason="expired")
    assert state_after([created(), acquired(), stray]).attachment == held
