"""Requests that wait for a person."""

from datetime import timedelta

import pytest

from domain.errors import (
    ContentInvalid,
    InteractionDecided,
    InteractionExists,
    InteractionExpired,
    InteractionNotFound,
    Invalid,
    LimitReached,
    OptionNotOffered,
    PermissionDenied,
    SessionIsStopped,
    TurnEnded,
    TurnNotFound,
    WrongInteraction,
)
from domain.permissions.permission_rules import MAX_RULES, PermissionRules
from domain.session import events as e
from domain.session.commands import (
    AnswerElicitation,
    CancelInteraction,
    CancelTurn,
    CompleteTurn,
    DecidePermission,
    ExpireDue,
    FailTurn,
    RequestElicitation,
    RequestPermission,
)
from domain.session.interaction.elicitations import MAX_MESSAGE
from domain.session.interaction.interactions import MAX_PENDING
from domain.session.interaction.permission_requests import MAX_ASKED, MAX_OPTIONS
from domain.values import Failure, Option
from tests.support.builders import (
    ALLOW,
    NOON,
    REJECT,
    answered,
    cancelled,
    completed,
    created,
    decided,
    elicited,
    recovered,
    requested,
    stalled,
    started,
    state_after,
    stopped,
)
from tests.support.given import given

RUNNING = [created(), started()]


def ask(request_id: str = "r1", **fields) -> RequestPermission:
    return RequestPermission(
        **{"request_id": request_id, "turn_id": "t1", "options": (ALLOW, REJECT)} | fields
    )


def answer(option_id: str = "yes", request_id: str = "r1") -> DecidePermission:
    return DecidePermission(request_id=request_id, option_id=option_id)


def test_the_agent_asks_in_its_turn():
    given(RUNNING).when(ask(tool_call_id="c1", title="May I?", meta={"k": 1})).then(
        [requested(tool_call_id="c1", title="May I?", meta={"k": 1})]
    )


def test_a_request_needs_the_turn_that_runs():
    given([created()]).when(ask()).then_refused(TurnNotFound, turn_id="t1")
    given([*RUNNING, completed()]).when(ask()).then_refused(TurnEnded, turn_id="t1")


@pytest.mark.parametrize("past", [[requested()], [requested(), decided()]])
def test_a_request_id_is_used_once(past):
    given([*RUNNING, *past]).when(ask()).then_refused(InteractionExists, interaction_id="r1")


@pytest.mark.parametrize(
    "wrong",
    [
        ask(""),
        ask(tool_call_id=" "),
        ask(title="x" * (MAX_ASKED + 1)),
        ask(options=()),
        ask(options=(ALLOW, ALLOW)),
        ask(options=(ALLOW, Option(option_id="later", name="Later", kind="timeout"))),
        ask(options=(ALLOW, Option(option_id="never", name="Never", kind="cancelled"))),
        ask(
            options=tuple(
                Option(option_id=str(n), name="n", kind="k") for n in range(MAX_OPTIONS + 1)
            )
        ),
    ],
)
def test_a_request_that_could_not_be_shown_is_refused(wrong):
    given(RUNNING).when(wrong).then_refused(Invalid)


def test_the_requests_that_wait_are_bounded():
    many = [requested(f"r{n}") for n in range(MAX_PENDING)]

    given([*RUNNING, *many]).when(ask("more")).then_refused(LimitReached)
    given([*RUNNING, *many, decided("r0")]).when(ask("more")).then([requested("more")])


def test_a_decision_says_the_option_and_its_kind():
    given([*RUNNING, requested()]).when(answer("no")).then(
        [e.PermissionDecided(request_id="r1", decision="reject_once", option_id="no")]
    )


def test_an_option_that_was_not_offered_is_refused_and_the_request_still_waits():
    given([*RUNNING, requested()]).when(answer("maybe")).then_refused(
        OptionNotOffered, interaction_id="r1", offered=["yes", "no"]
    )


def test_the_first_decision_stands_and_is_told():
    given([*RUNNING, requested(), decided()]).when(answer("no")).then_refused(
        InteractionDecided, interaction_id="r1", decision="allow_once"
    )


def test_a_request_that_its_turn_took_along_is_decided():
    past = [*RUNNING, requested(), decided(decision="cancelled"), cancelled()]

    given(past).when(answer()).then_refused(InteractionDecided, decision="cancelled")


def test_a_request_that_never_was_cannot_be_decided():
    given(RUNNING).when(answer()).then_refused(InteractionNotFound, interaction_id="r1")


def test_a_stopped_session_takes_no_decision():
    given([created(), stopped()]).when(answer()).then_refused(SessionIsStopped)


def test_the_state_knows_what_waits_and_what_was_decided():
    now = state_after([*RUNNING, requested("r1"), requested("r2", title="T"), decided("r1")])

    assert dict(now.interactions.decided) == {"r1": "allow_once"}
    assert list(now.interactions.pending) == ["r2"]
    waiting = now.interactions.pending["r2"]
    assert (waiting.turn_id, waiting.title, waiting.sequence) == ("t1", "T", 4)
    assert waiting.options == (ALLOW, REJECT)


# ── rules that answer for a person ───────────────────────────────────────────────────────────

FOREVER = Option(option_id="always", name="Always", kind="allow_always")
NEVER = Option(option_id="never", name="Never", kind="reject_always")


def running(rules: PermissionRules, *more: e.SessionEvent) -> list[e.SessionEvent]:
    return [created(permissions=rules), started(), *more]


def test_p10_where_a_rule_decides_nobody_is_asked():
    asked = ask(tool="rm", arguments={"path": "/"})
    request = requested(tool="rm", arguments={"path": "/"})

    given(running(PermissionRules(deny=("rm",)))).when(asked).then(
        [
            request,
            e.PermissionDecided(
                request_id="r1", decision="reject_once", option_id="no", reason="deny_rule rm"
            ),
        ]
    )
    given(running(PermissionRules(allow=("rm",)))).when(asked).then(
        [
            request,
            e.PermissionDecided(
                request_id="r1", decision="allow_once", option_id="yes", reason="allow_rule rm"
            ),
        ]
    )
    given(running(PermissionRules(mode="approve-all", ask=("rm",)))).when(asked).then([request])


@pytest.mark.parametrize(
    ("mode", "read_only", "decision", "because"),
    [
        ("deny-all", True, "reject_once", "mode"),
        ("deny-all", False, "reject_once", "mode"),
        ("approve-reads", True, "allow_once", "read_only"),
        ("approve-reads", False, None, None),
        ("approve-all", False, "allow_once", "mode"),
        ("ask", True, None, None),
    ],
)
def test_p10_the_mode_decides_where_no_rule_does(mode, read_only, decision, because):
    result = given(running(PermissionRules(mode=mode))).when(ask(tool="ls", read_only=read_only))

    assert result.events is not None
    answers = [event for event in result.events if isinstance(event, e.PermissionDecided)]
    assert [(one.decision, one.reason) for one in answers] == (
        [] if decision is None else [(decision, because)]
    )


def test_the_approval_switch_allows_all_but_what_a_rule_denies():
    past = running(PermissionRules(deny=("rm",)), e.ToolApprovalEnabled())

    given(past).when(ask(tool="ls")).then(
        [
            requested(tool="ls"),
            e.PermissionDecided(
                request_id="r1", decision="allow_once", option_id="yes", reason="tool_approval"
            ),
        ]
    )
    result = given(past).when(ask(tool="rm"))
    assert result.events is not None
    assert isinstance(result.events[1], e.PermissionDecided)
    assert result.events[1].decision == "reject_once"


def test_a_rule_takes_the_sibling_where_its_own_option_is_not_offered():
    allowed = given(running(PermissionRules(mode="approve-all"))).when(
        ask(tool="ls", options=(FOREVER,))
    )
    denied = given(running(PermissionRules(mode="deny-all"))).when(ask(tool="ls", options=(NEVER,)))

    for result, option in ((allowed, FOREVER), (denied, NEVER)):
        assert result.events is not None
        answer = result.events[-1]
        assert isinstance(answer, e.PermissionDecided)
        assert (answer.option_id, answer.decision) == (option.option_id, option.kind)


def test_what_is_denied_never_waits_for_somebody_to_allow_it():
    given(running(PermissionRules(mode="deny-all"))).when(ask(tool="ls", options=(ALLOW,))).then(
        [
            requested(tool="ls", options=(ALLOW,)),
            e.PermissionDecided(request_id="r1", decision="cancelled", reason="mode"),
        ]
    )


def test_what_is_allowed_but_cannot_be_said_waits_for_a_person():
    given(running(PermissionRules(mode="approve-all"))).when(
        ask(tool="ls", options=(REJECT,))
    ).then([requested(tool="ls", options=(REJECT,))])


def test_a_request_that_names_no_tool_always_asks():
    given(running(PermissionRules(mode="approve-all"))).when(ask()).then([requested()])


def test_new_rules_decide_for_the_running_turn_at_once():
    replaced = e.PermissionsReplaced(permissions=PermissionRules(deny=("*",)))

    result = given(running(PermissionRules(), replaced)).when(ask(tool="ls"))

    assert result.events is not None
    assert len(result.events) == 2


# ── grants ───────────────────────────────────────────────────────────────────────────────────


def allow(**fields) -> DecidePermission:
    return DecidePermission(**{"request_id": "r1", "option_id": "yes"} | fields)


def test_a_grant_for_the_tool_is_a_rule_in_the_same_append():
    past = [*RUNNING, requested(tool="git:push*")]
    rules = PermissionRules(allow=(r"git\:push[*]",))

    given(past).when(allow(grant="tool")).then(
        [decided(decision="allow_once", option_id="yes", grant="tool"),
         e.PermissionsReplaced(permissions=rules)]
    )  # fmt: skip
    after = [*past, decided(), e.PermissionsReplaced(permissions=rules)]
    result = given(after).when(ask("r2", tool="git:push*"))
    assert result.events is not None
    assert len(result.events) == 2
    given(after).when(ask("r2", tool="git:pushed")).then([requested("r2", tool="git:pushed")])


def test_a_grant_keeps_the_rules_that_are_there_and_is_made_once():
    rules = PermissionRules(allow=("ls",), deny=("rm",), mode="approve-reads")
    begun = [created(permissions=rules), started()]

    given([*begun, requested(tool="cat")]).when(allow(grant="tool")).then(
        [
            decided(decision="allow_once", option_id="yes", grant="tool"),
            e.PermissionsReplaced(
                permissions=PermissionRules(allow=("ls", "cat"), deny=("rm",), mode="approve-reads")
            ),
        ]
    )
    given([*begun, requested(tool="ls")]).when(allow(grant="tool")).then(
        [decided(decision="allow_once", option_id="yes", grant="tool")]
    )


def test_a_grant_for_the_session_turns_questions_off_in_the_same_append():
    given([*RUNNING, requested()]).when(allow(grant="session", reason="go ahead")).then(
        [
            decided(decision="allow_once", option_id="yes", grant="session", reason="go ahead"),
            e.ToolApprovalEnabled(),
        ]
    )
    given([*RUNNING, requested(), e.ToolApprovalEnabled()]).when(allow(grant="session")).then(
        [decided(decision="allow_once", option_id="yes", grant="session")]
    )


@pytest.mark.parametrize("grant", ["session", "tool"])
def test_a_refusal_grants_nothing(grant):
    given([*RUNNING, requested(tool="ls")]).when(allow(option_id="no", grant=grant)).then_refused(
        Invalid, field="grant"
    )


def test_a_person_allows_a_tool_with_other_arguments():
    asked = [*RUNNING, requested(tool="rm", arguments={"path": "/"})]
    edited = decided(decision="allow_once", option_id="yes", arguments={"path": "/tmp"})

    given(asked).when(allow(arguments={"path": "/tmp"})).then([edited])
    given(asked).when(allow(option_id="no", arguments={})).then_refused(Invalid, field="arguments")


def test_no_arguments_of_a_person_are_what_the_rules_deny():
    rules = PermissionRules(deny=("rm:path=/etc*",))
    asked = [created(permissions=rules), started(), requested(tool="rm", arguments={"path": "/a"})]
    wider = ["not deny:rm:path=/etc*"]

    given(asked).when(allow(arguments={"path": "/etc/x"})).then_refused(
        PermissionDenied, wider=wider
    )


def test_a_grant_for_a_tool_needs_a_tool():
    given([*RUNNING, requested()]).when(allow(grant="tool")).then_refused(Invalid, field="grant")


def test_grants_do_not_make_rules_that_could_not_be_written_down():
    full = PermissionRules(allow=tuple(f"tool-{n}" for n in range(MAX_RULES)))
    past = [created(permissions=full), started(), requested(tool="more")]

    given(past).when(allow(grant="tool")).then_refused(LimitReached)
    odd = requested(tool="*" * 200)
    given([*RUNNING, odd]).when(allow(grant="tool")).then_refused(Invalid, field="grant")
    given([*RUNNING, odd]).when(allow()).then([decided()])


# ── elicitations ─────────────────────────────────────────────────────────────────────────────

FORM = {
    "type": "object",
    "properties": {"branch": {"type": "string"}},
    "required": ["branch"],
}
RIGHT = {"branch": "main"}


def elicit(**fields) -> RequestElicitation:
    form = {"request_id": "r1", "message": "Which branch?", "schema": FORM}
    return RequestElicitation(**form | fields)


def reply(**fields) -> AnswerElicitation:
    accept = {"request_id": "r1", "action": "accept", "violations": (), "content": RIGHT}
    return AnswerElicitation(**accept | fields)


def test_an_agent_asks_for_content_in_its_turn_or_from_the_background():
    full = {"expires_at": NOON, "meta": {"k": 1}}

    given(RUNNING).when(elicit(turn_id="t1", **full)).then(
        [elicited(schema=FORM, turn_id="t1", **full)]
    )
    given([created()]).when(elicit()).then([elicited(schema=FORM)])
    given(RUNNING).when(elicit(schema=None, url="https://example.org/go")).then(
        [elicited(schema=None, url="https://example.org/go")]
    )


def test_an_elicitation_needs_the_turn_it_names_or_an_active_session():
    given([*RUNNING, completed()]).when(elicit(turn_id="t1")).then_refused(TurnEnded)
    given([created()]).when(elicit(turn_id="t9")).then_refused(TurnNotFound)
    given([created(), stopped()]).when(elicit()).then_refused(SessionIsStopped)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"request_id": ""}, "request_id"),
        ({"message": " "}, "message"),
        ({"message": "x" * (MAX_MESSAGE + 1)}, "message"),
        ({"schema": None}, "schema"),
        ({"url": "https://example.org"}, "schema"),
        ({"schema": None, "url": "javascript:alert(1)"}, "url"),
        ({"schema": None, "url": "https://" + "x" * 2000}, "url"),
        ({"schema": None, "url": "https://"}, "url"),
        ({"schema": None, "url": "https:///path"}, "url"),
        ({"schema": None, "url": "https://example.org/a b"}, "url"),
        ({"schema": None, "url": "https://example.org/\n"}, "url"),
        ({"schema": None, "url": "https://example.org/\x1b[2J"}, "url"),
        ({"schema": {"type": "string"}}, "schema.type"),
        ({"schema": {"type": "object"}}, "schema.properties"),
    ],
)
def test_an_elicitation_that_could_not_be_shown_is_refused(wrong, field):
    given(RUNNING).when(elicit(**wrong)).then_refused(Invalid, field=field)


def test_requests_of_both_kinds_share_their_ids_and_their_number():
    given([*RUNNING, requested("r1")]).when(elicit()).then_refused(InteractionExists)
    given([*RUNNING, elicited("r1")]).when(ask()).then_refused(InteractionExists)
    given([*RUNNING, elicited("r1"), answered("r1")]).when(ask()).then_refused(InteractionExists)
    many = [elicited(f"q{n}") for n in range(MAX_PENDING)]
    given([*RUNNING, *many]).when(ask("more")).then_refused(LimitReached)
    given([*RUNNING, *many]).when(elicit()).then_refused(LimitReached)


def test_content_that_fits_the_schema_answers_an_elicitation():
    given([created(), elicited(schema=FORM)]).when(reply()).then(
        [answered(action="accept", content=RIGHT)]
    )


def test_content_that_does_not_fit_is_refused_and_the_request_still_waits():
    given([created(), elicited(schema=FORM)]).when(
        reply(content={}, violations=("branch is missing",))
    ).then_refused(ContentInvalid, interaction_id="r1", violations=["branch is missing"])


def test_content_that_was_given_before_the_request_was_known_is_no_answer_to_it():
    given([created(), elicited(schema=FORM)]).when(reply(violations=None)).then_refused(
        InteractionNotFound, interaction_id="r1"
    )


def test_declining_needs_no_content_and_takes_none():
    past = [created(), elicited(schema=FORM)]

    given(past).when(reply(action="decline", content=None)).then([answered(action="decline")])
    given(past).when(reply(action="decline")).then_refused(Invalid, field="content")
    given(past).when(reply(content=None)).then_refused(Invalid, field="content")


def test_who_turns_away_without_an_answer_cancels_the_request():
    past = [created(), elicited(schema=FORM)]
    dismissed = answered(action="cancelled", reason="dismissed")

    given(past).when(reply(action="cancel", content=None)).then([dismissed])
    given(past).when(reply(action="cancel")).then_refused(Invalid, field="content")
    given([*past, dismissed]).when(reply(action="cancel", content=None)).then_refused(
        InteractionDecided, interaction_id="r1", decision="cancelled"
    )


def test_what_was_to_be_done_elsewhere_is_accepted_without_content():
    past = [created(), elicited(schema=None, url="https://example.org")]

    given(past).when(reply(content=None)).then([answered(action="accept")])
    given(past).when(reply()).then_refused(Invalid, field="content")


def test_a_request_is_answered_in_the_way_of_its_kind():
    given([*RUNNING, requested()]).when(reply()).then_refused(WrongInteraction, kind="permission")
    given([*RUNNING, elicited()]).when(allow()).then_refused(WrongInteraction, kind="elicitation")


def test_the_first_answer_to_an_elicitation_stands_and_is_told():
    given([*RUNNING, elicited(), answered()]).when(reply()).then_refused(
        InteractionDecided, interaction_id="r1", decision="decline"
    )
    given([*RUNNING]).when(reply()).then_refused(InteractionNotFound, interaction_id="r1")


# ── what nobody decides any more ─────────────────────────────────────────────────────────────


def test_the_agent_may_take_a_request_back():
    given([*RUNNING, requested()]).when(CancelInteraction(request_id="r1")).then(
        [e.PermissionDecided(request_id="r1", decision="cancelled", reason="withdrawn")]
    )
    given([*RUNNING, elicited()]).when(CancelInteraction(request_id="r1", reason="moot")).then(
        [answered(action="cancelled", reason="moot")]
    )


def test_taking_back_what_is_cancelled_already_is_already_so_but_an_answer_stands():
    gone = decided(decision="cancelled", reason="withdrawn")

    given([*RUNNING, requested(), gone]).when(CancelInteraction(request_id="r1")).then_nothing()
    given([*RUNNING, requested(), decided()]).when(CancelInteraction(request_id="r1")).then_refused(
        InteractionDecided, decision="allow_once"
    )
    given(RUNNING).when(CancelInteraction(request_id="r1")).then_refused(InteractionNotFound)
    given([*RUNNING, requested()]).when(CancelInteraction(request_id="r1", reason="")).then_refused(
        Invalid
    )


@pytest.mark.parametrize(
    ("end", "ended", "outcome"),
    [
        (CompleteTurn(turn_id="t1"), completed(), "completed"),
        (
            FailTurn(turn_id="t1", failure=Failure(kind="k")),
            e.TurnFailed(turn_id="t1", failure=Failure(kind="k")),
            "failed",
        ),
        (CancelTurn(turn_id="t1"), cancelled(), "cancelled"),
    ],
)
def test_the_end_of_a_turn_answers_what_was_asked_in_it_and_nothing_else(end, ended, outcome):
    past = [*RUNNING, elicited("q2", turn_id="t1"), elicited("outside"), requested("r1")]

    given(past).when(end).then(
        [
            answered("q2", action="cancelled", reason=f"turn_{outcome}"),
            e.PermissionDecided(request_id="r1", decision="cancelled", reason=f"turn_{outcome}"),
            ended,
        ]
    )


def test_two_decisions_at_once_are_one_decision_and_one_refusal():
    session = given([*RUNNING, requested()])
    first = session.when(answer("no")).events
    assert first is not None

    given([*RUNNING, requested(), *first]).when(answer("yes")).then_refused(
        InteractionDecided, decision="reject_once"
    )


@pytest.mark.parametrize(
    ("when", "expired"),
    [(timedelta(microseconds=-1), False), (timedelta(0), True), (timedelta(seconds=1), True)],
)
def test_a_request_runs_out_exactly_at_its_time(when, expired):
    for past, command in (
        ([*RUNNING, requested(expires_at=NOON)], allow(at=NOON + when)),
        ([*RUNNING, elicited(expires_at=NOON, schema=FORM)], reply(at=NOON + when)),
    ):
        if expired:
            given(past).when(command).then_refused(InteractionExpired, interaction_id="r1")
        else:
            assert given(past).when(command).events


def test_p7_a_request_that_ran_out_is_answered_once_by_the_clock():
    past = [
        *RUNNING,
        requested("r2", expires_at=NOON),
        elicited("r1", expires_at=NOON - timedelta(seconds=1)),
        requested("r3", expires_at=NOON + timedelta(microseconds=1)),
        requested("r4"),
    ]

    given(past).when(ExpireDue(at=NOON)).then(
        [
            e.PermissionDecided(request_id="r2", decision="timeout", reason="expired"),
            answered("r1", action="timeout", reason="expired"),
        ]
    )
    over = decided("r1", decision="timeout", reason="expired")
    given([*RUNNING, requested(), over]).when(answer()).then_refused(
        InteractionDecided, decision="timeout"
    )


def test_asking_is_a_sign_of_life_that_ends_a_stall():
    past = [*RUNNING, stalled()]

    given(past).when(ask()).then([recovered(), requested()])
    given(past).when(elicit(turn_id="t1")).then([recovered(), elicited(schema=FORM, turn_id="t1")])
    given(past).when(elicit()).then([elicited(schema=FORM)])


def test_only_what_is_asked_in_a_turn_is_a_sign_of_its_life():
    def active_at(*more: e.SessionEvent):
        turn = state_after([*RUNNING, *more]).turns.running
        assert turn is not None
        return turn.active_at

    still = active_at()

    assert active_at(requested()) > still
    assert active_at(requested(), decided()) > active_at(requested())
    assert active_at(elicited(turn_id="t1")) > still
    assert active_at(elicited(), answered()) == still


def test_the_state_knows_what_an_elicitation_asks():
    now = state_after([created(), elicited(schema=FORM, expires_at=NOON, message="?")])

    waiting = now.interactions.pending["r1"]
    assert (waiting.kind, waiting.message, waiting.schema) == ("elicitation", "?", FORM)
    assert (waiting.turn_id, waiting.expires_at, waiting.sequence) == (None, NOON, 2)
    assert dict(state_after([created(), elicited(), answered()]).interactions.decided) == {
        "r1": "decline"
    }


@pytest.mark.parametrize("end", [completed(), cancelled(), stopped()])
def test_a_request_whose_end_is_lost_waits_no_more_when_its_turn_or_session_has_ended(
    end: e.SessionEvent,
):
    session = state_after([*RUNNING, requested(), elicited("r2", turn_id="t1"), end])

    assert not session.interactions.pending
    assert dict(session.interactions.decided) == {"r1": "cancelled", "r2": "cancelled"}


def test_a_request_of_no_turn_waits_on_when_a_turn_ends():
    session = state_after([*RUNNING, elicited("r2"), completed()])

    assert set(session.interactions.pending) == {"r2"}
