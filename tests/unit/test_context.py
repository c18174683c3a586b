"""The persona of an agent, its sandbox, its runtime and its peers."""

import pytest

from domain.errors import (
    Invalid,
    LimitReached,
    ModelNotOffered,
    ModelSwitchingUnsupported,
    PeerNotFound,
    ProfileChanged,
    SessionIsStopped,
    TurnInProgress,
)
from domain.session import events as e
from domain.session.commands import (
    NewInput,
    OverrideModel,
    QueueInputs,
    RefreshProfile,
    ReportPeer,
    ReportRuntime,
    ReportSandbox,
    StartTurn,
)
from domain.session.environment.profile import MAX_BODY
from domain.session.environment.runtime import MAX_OFFERED, MAX_REPORT
from domain.session.family.peers import MAX_PEERS
from domain.session.state import Sandbox
from domain.values import MAX_SUMMARY, ModelChoice, OfferedModel
from tests.support.builders import completed, created, started, state_after, stopped, text
from tests.support.given import given

ONE = {"digest": "sha256:1", "name": "coder", "body": "Be brief.", "profile": {"tone": "dry"}}
TWO = {"digest": "sha256:2", "name": "coder", "body": "Be kind.", "profile": {"tone": "warm"}}
CAPTURED = e.ProfileCaptured(**ONE)
REFRESHED = e.ProfileRefreshed(previous="sha256:1", **TWO)
GONE = e.ProfileRefreshed(previous="sha256:1")


# ── persona ──────────────────────────────────────────────────────────────────────────────────


def test_the_first_persona_is_captured():
    given([created()]).when(RefreshProfile(**ONE)).then([CAPTURED])


def test_another_persona_says_what_it_replaces():
    given([created(), CAPTURED]).when(RefreshProfile(**TWO)).then([REFRESHED])
    given([created(), CAPTURED]).when(RefreshProfile(**TWO, expected_digest="sha256:1")).then(
        [REFRESHED]
    )


def test_the_persona_that_is_there_already_is_not_recorded_again():
    given([created(), CAPTURED]).when(RefreshProfile(**ONE)).then_nothing()
    given([created(), started(), CAPTURED]).when(RefreshProfile(**ONE)).then_nothing()


def test_a_persona_can_be_taken_away():
    given([created(), CAPTURED]).when(RefreshProfile(digest=None)).then([GONE])
    given([created()]).when(RefreshProfile(digest=None)).then_nothing()
    given([created(), CAPTURED, GONE]).when(RefreshProfile(**TWO)).then([e.ProfileCaptured(**TWO)])


@pytest.mark.parametrize(
    ("past", "digest"), [([], None), ([CAPTURED], "sha256:1"), ([CAPTURED, GONE], None)]
)
def test_a_refresh_that_expects_another_persona_is_refused(past, digest):
    for wanted in (ONE, TWO):
        given([created(), *past]).when(
            RefreshProfile(**wanted, expected_digest="sha256:0")
        ).then_refused(ProfileChanged, digest=digest)


def test_a_persona_does_not_change_under_a_running_turn():
    given([created(), started(), CAPTURED]).when(RefreshProfile(**TWO)).then_refused(
        TurnInProgress, turn_id="t1"
    )
    given([created(), started(), CAPTURED, completed()]).when(RefreshProfile(**TWO)).then(
        [REFRESHED]
    )


def test_a_stopped_session_takes_no_persona():
    given([created(), stopped()]).when(RefreshProfile(**ONE)).then_refused(SessionIsStopped)


@pytest.mark.parametrize(
    ("wrong", "field"), [({"name": " "}, "name"), ({"body": "ä" * (MAX_BODY // 2 + 1)}, "body")]
)
def test_a_persona_is_bounded(wrong, field):
    given([created()]).when(RefreshProfile(**ONE | wrong)).then_refused(Invalid, field=field)


def test_the_state_knows_the_persona_by_its_digest_and_where_it_is_said():
    captured = state_after([created(), CAPTURED]).profile
    assert captured is not None
    assert (captured.digest, captured.name, captured.sequence) == ("sha256:1", "coder", 2)

    refreshed = state_after([created(), CAPTURED, REFRESHED]).profile
    assert refreshed is not None
    assert (refreshed.digest, refreshed.sequence) == ("sha256:2", 3)
    assert state_after([created(), CAPTURED, GONE]).profile is None


# ── sandbox ──────────────────────────────────────────────────────────────────────────────────


def sandbox(**fields) -> e.SandboxReported:
    given_fields = {"sandbox_id": "box", "operation": "exec", "outcome": "completed"}
    return e.SandboxReported(**given_fields | fields)


@pytest.mark.parametrize("past", [[created()], [created(), started()], [created(), stopped()]])
def test_news_of_the_sandbox_is_recorded_whenever_it_comes(past):
    full = sandbox(outcome="failed", detail="exit 1", duration_ms=12, meta={"cpu": 1})

    given(past).when(ReportSandbox(event=full)).then([full])
    after = state_after([*past, full])
    assert after.sandbox == Sandbox(
        sandbox_id=full.sandbox_id,
        operation=full.operation,
        outcome="failed",
        sequence=after.sequence,
    )


def test_news_of_the_sandbox_holds_no_secrets():
    given([created()]).when(ReportSandbox(event=sandbox(detail="login: api_key=abc"))).then(
        [sandbox(detail="login: api_key=[redacted]")]
    )


@pytest.mark.parametrize(
    "wrong", [{"sandbox_id": ""}, {"operation": " "}, {"detail": "x" * (MAX_SUMMARY + 1)}]
)
def test_news_of_the_sandbox_that_could_not_be_shown_is_refused(wrong):
    given([created()]).when(ReportSandbox(event=sandbox(**wrong))).then_refused(Invalid)


# ── runtime ──────────────────────────────────────────────────────────────────────────────────

FAST = OfferedModel(ref="fast", provider="acme", model="small-1", is_default=True)
LARGE = OfferedModel(ref="acme/large-1")


def runtime(**fields) -> e.RuntimeReported:
    return e.RuntimeReported(**{"runtime_session_id": "thread-7"} | fields)


@pytest.mark.parametrize("past", [[created()], [created(), started()], [created(), stopped()]])
def test_a_report_takes_the_place_of_the_one_before_it(past):
    first, second = runtime(name="runner", capabilities={"a": 1}), runtime(models=(FAST,))
    given(past).when(ReportRuntime(event=first)).then([first])
    given([*past, first]).when(ReportRuntime(event=first)).then_nothing()
    given([*past, first]).when(ReportRuntime(event=second)).then([second])

    now = state_after([*past, first, second]).runtime
    assert now is not None
    assert (now.runtime_session_id, now.name, now.sequence) == ("thread-7", None, len(past) + 2)
    assert now.offered == ("fast", "small-1", "acme/small-1")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"runtime_session_id": " "}, "runtime_session_id"),
        ({"name": ""}, "name"),
        ({"version": "1\n"}, "version"),
        ({"models": (OfferedModel(ref=" "),)}, "models[0].ref"),
        ({"models": (FAST, OfferedModel(ref="x", provider=""))}, "models[1].provider"),
        ({"models": (FAST, OfferedModel(ref="fast"))}, "models[1].ref"),
        ({"models": (FAST, OfferedModel(ref="x", is_default=True))}, "models"),
        ({"models": tuple(OfferedModel(ref=str(n)) for n in range(MAX_OFFERED + 1))}, "models"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused(wrong, field):
    given([created()]).when(ReportRuntime(event=runtime(**wrong))).then_refused(
        Invalid, field=field
    )


def test_a_report_is_bounded_in_bytes():
    too_large = runtime(capabilities={"a": "x" * MAX_REPORT})
    given([created()]).when(ReportRuntime(event=too_large)).then_refused(Invalid)


def choosing(model: str, provider: str | None = None):
    """Every command that chooses a model."""
    choice = ModelChoice(model=model, provider=provider)
    waiting = NewInput(input_id="i1", message_id="m1", parts=text(), model=choice)
    return (
        OverrideModel(agent="a", model=model, provider=provider),
        StartTurn(turn_id="t1", message_id="m1", parts=text(), model=choice),
        StartTurn(turn_id="t1", message_id="m1", parts=text(), model=choice, mode="queue"),
        QueueInputs(inputs=(waiting,)),
    )


def test_where_only_what_is_offered_can_be_chosen_another_model_is_refused():
    offered = given([created(), runtime(models=(FAST, LARGE), switching="offered")])
    for command in choosing("huge"):
        offered.when(command).then_refused(ModelNotOffered, field="model")
    for command in choosing("small-1", "other"):
        offered.when(command).then_refused(ModelNotOffered, field="model")
    for choice in [("fast",), ("small-1",), ("small-1", "acme"), ("large-1", "acme")]:
        for command in choosing(*choice):
            assert offered.when(command).refusal is None


def test_where_nothing_can_be_chosen_every_model_is_refused():
    fixed = [created(), runtime(models=(FAST,), switching="none")]
    for command in choosing("fast"):
        given(fixed).when(command).then_refused(ModelSwitchingUnsupported, field="model")
    # One that was chosen before can still be taken back.
    before = e.ModelOverridden(agent="a", model="fast")
    given([created(), before, *fixed[1:]]).when(OverrideModel(agent="a", model=None)).then(
        [e.ModelRestored(agent="a")]
    )


def test_until_a_runtime_says_otherwise_every_model_can_be_chosen():
    for past in ([created()], [created(), runtime(models=(FAST,))]):
        for command in choosing("huge"):
            assert given(past).when(command).refusal is None


# ── peers ────────────────────────────────────────────────────────────────────────────────────


def joined(peer_id: str = "p1", **fields) -> e.PeerJoined:
    return e.PeerJoined(peer_id=peer_id, **fields)


FULL = joined(display_name="Coder", channel="build", capabilities=({"name": "review"},))
LEFT = e.PeerLeft(peer_id="p1")


def test_a_peer_joins_and_leaves():
    given([created()]).when(ReportPeer(event=FULL)).then([FULL])
    given([created(), FULL]).when(ReportPeer(event=LEFT)).then([LEFT])


def test_who_has_joined_already_has():
    given([created(), FULL]).when(ReportPeer(event=FULL)).then_nothing()


@pytest.mark.parametrize(
    "again",
    [
        joined(display_name="Other", channel="build", capabilities=({"name": "review"},)),
        joined(display_name="Coder", capabilities=({"name": "review"},)),
        joined(display_name="Coder", channel="build"),
        joined(display_name="Coder", channel="build", capabilities=({"name": "test"},)),
    ],
)
def test_a_peer_that_says_something_else_of_itself_joins_anew(again):
    given([created(), FULL]).when(ReportPeer(event=again)).then([again])


def test_a_peer_can_come_back():
    given([created(), FULL, LEFT]).when(ReportPeer(event=FULL)).then([FULL])


def test_who_has_not_joined_cannot_leave():
    for past in ([created()], [created(), FULL, LEFT], [created(), FULL, stopped()]):
        given(past).when(ReportPeer(event=LEFT)).then_refused(PeerNotFound, peer_id="p1")


def test_nobody_joins_a_stopped_session():
    given([created(), stopped()]).when(ReportPeer(event=FULL)).then_refused(SessionIsStopped)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (joined(""), "peer_id"),
        (joined(display_name="a\nb"), "display_name"),
        (joined(channel=" "), "channel"),
        (e.PeerLeft(peer_id="p1", reason=""), "reason"),
    ],
)
def test_news_of_a_peer_that_could_not_be_shown_is_refused(wrong, field):
    given([created(), FULL]).when(ReportPeer(event=wrong)).then_refused(Invalid, field=field)


def test_the_peers_are_bounded():
    many = [joined(f"peer-{n}") for n in range(MAX_PEERS)]
    full = given([created(), *many])

    full.when(ReportPeer(event=joined("more"))).then_refused(LimitReached)
    full.when(ReportPeer(event=joined("peer-1", channel="c"))).then([joined("peer-1", channel="c")])


def test_the_state_knows_who_can_be_reached():
    peers = state_after([created(), FULL, joined("p2"), e.PeerLeft(peer_id="p2")])

    assert list(peers.peers) == ["p1"]
    peer = peers.peers["p1"]
    assert (peer.display_name, peer.channel) == ("Coder", "build")
