"""What is true of the log of any session (`events.md`), looked at without the code that decides."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.scope.events import ScopeOpened
from domain.scope.state_keys import scope_of
from domain.session import events as e
from domain.session.family.spawning import DEFAULT_CHILDREN, EXTRACTOR
from domain.session.state import ABSENT, Session

_ENDS = e.TurnCompleted | e.TurnFailed | e.TurnCancelled
_NEEDS_AN_AGENT = (
    e.TurnStarted
    | e.InputQueued
    | e.InputDispatched
    | e.PeerJoined
    | e.SessionUnhealthy
    | e.ProfileCaptured
    | e.ProfileRefreshed
    | e.AttachmentAcquired
)
"""What happens in active sessions only."""


def check(log: Sequence[e.Recorded], inherited: Session = ABSENT) -> None:
    """Raise when a log breaks an invariant.

    Args:
        log: All events of one session, in the order they were read.
        inherited: What a fork began with.
    """
    assert [recorded.sequence for recorded in log] == list(range(1, len(log) + 1))
    for looked_at in (_Life, _Turns, _Inputs, _Requests, _Episodes, _Family):
        looked_at(log).check()
    _check_messages(log, inherited)
    _check_state(log)


def check_scope(log: Sequence[e.Recorded]) -> None:
    """Raise when the log of a shared scope holds anything but patches of its own keys."""
    assert [recorded.sequence for recorded in log] == list(range(1, len(log) + 1))
    opened: Any = log[0].event
    assert isinstance(opened, ScopeOpened)
    kind = "app" if opened.user is None else "user"
    for recorded in log[1:]:
        patch = recorded.event
        assert isinstance(patch, e.StatePatched)
        assert {scope_of(key) for key in (*patch.set, *patch.delete)} == {kind}


class _Life:
    """One activation after the other, each stopped at most once; the tombstone is the end."""

    def __init__(self, log: Sequence[e.Recorded]) -> None:
        self._log = log
        self._phase = "absent"
        self._activation = 1
        self._epoch = 0
        self._is_running = self._is_held = False
        self._cause: str | None = None

    def check(self) -> None:
        for index, recorded in enumerate(self._log):
            event = recorded.event
            assert isinstance(event, e.SessionCreated) == (index == 0), event
            lasting = e.SessionErased | e.LegalHoldSet | e.LegalHoldReleased
            assert self._phase != "deleted" or isinstance(event, lasting), "after the tombstone"
            assert self._phase != "erased", "something follows the erasure"
            assert not (self._is_held and isinstance(event, e.SessionErased)), "held, and erased"
            self._move(event)
            self._converse(recorded)
            if isinstance(event, _NEEDS_AN_AGENT):
                assert self._phase == "active", f"{event} while {self._phase}"
            if isinstance(event, e.MessageAdded):
                # A session that is starting may have begun with some.
                assert self._phase in ("active", "starting"), f"{event} while {self._phase}"

    def _move(self, event: e.SessionEvent) -> None:
        match event:
            case e.SessionCreated(starting=starting):
                self._phase = "starting" if starting else "active"
            case e.SessionActivated():
                assert self._phase == "starting"
                self._phase = "active"
            case e.SessionStartFailed():
                assert self._phase == "starting"
                self._phase = "failed"
            case e.SessionStopping(cause=cause):
                assert self._phase == "active"
                assert self._is_running, "stopping without anything to wait for"
                self._phase, self._cause = "stopping", cause
            case e.SessionStopped(cause=cause):
                assert self._phase != "stopped", "stopped twice in one activation"
                assert self._cause in (None, cause), "a later cause of the stop"
                self._phase, self._cause = "stopped", None
            case e.SessionResumed(activation=activation, starting=starting):
                assert self._phase == "stopped", "resumed without having stopped"
                assert activation == self._activation + 1
                self._activation = activation
                self._phase = "starting" if starting else "active"
            case e.SessionDeleted():
                self._phase = "deleted"
            case e.SessionErased():
                self._phase = "erased"
            case e.LegalHoldSet():
                self._is_held = True
            case e.LegalHoldReleased():
                self._is_held = False
            case _:
                assert self._phase != "failed", "a failed start goes on"

    def _converse(self, recorded: e.Recorded) -> None:
        match recorded.event:
            case e.TurnStarted():
                self._is_running = True
            case e.TurnCompleted() | e.TurnFailed() | e.TurnCancelled():
                self._is_running = False
            case e.ConversationCleared(epoch=epoch) | e.ConversationRewound(epoch=epoch):
                assert epoch == self._epoch + 1
                assert not self._is_running, "the conversation changed under a turn"
                self._epoch = epoch
            case _:
                pass
        if isinstance(recorded.event, e.ConversationRewound):
            assert 1 <= recorded.event.to < recorded.sequence


class _Turns:
    """One turn at a time, which ends once and leaves nothing open."""

    def __init__(self, log: Sequence[e.Recorded]) -> None:
        self._log = log
        self._open: str | None = None
        self._seen: set[str] = set()
        self._open_calls: set[str] = set()
        self._closed_calls: set[str] = set()
        self._unanswered: dict[str, str] = {}

    def check(self) -> None:
        for recorded in self._log:
            match recorded.event:
                case e.TurnStarted() as started:
                    self._start(started)
                case e.TurnCompleted() | e.TurnFailed() | e.TurnCancelled() as ended:
                    self._end(ended)
                case e.SessionStopped() | e.SessionDeleted():
                    assert self._open is None, "a turn was left open"
                case (
                    e.InputStaged(turn_id=turn)
                    | e.InputSteered(turn_id=turn)
                    | e.SessionStalled(turn_id=turn)
                    | e.TurnProgressNoted(turn_id=turn)
                ):
                    assert recorded.turn_id == turn == self._open
                case e.RuntimeEvent(kind="adk.event"):
                    # What another framework keeps need not be of a turn.
                    assert recorded.turn_id == self._open
                case event if isinstance(event, e.ActivityEvent):
                    assert recorded.turn_id == self._open is not None, "activity outside a turn"
                    self._act(event)

    def _start(self, event: e.TurnStarted) -> None:
        assert self._open is None, "two turns at once"
        assert event.turn_id not in self._seen, "a turn started twice"
        self._seen.add(event.turn_id)
        self._open, self._open_calls, self._closed_calls = event.turn_id, set(), set()

    def _end(self, event: _ENDS) -> None:
        assert event.turn_id == self._open, "the end of a turn that is not open"
        assert not self._open_calls, "a tool call was left open"
        self._open = None

    def _act(self, event: e.ActivityEvent) -> None:
        match event:
            case e.ToolCalled(tool_call_id=call):
                assert call not in self._open_calls, "called while it is open"
                self._open_calls.add(call)
                self._unanswered.pop(call, None)
            case e.ToolProgressed(tool_call_id=call):
                assert call in self._open_calls | self._closed_calls, "news of an unknown call"
            case e.ToolReturned(tool_call_id=call, called_in_turn=str(turn)):
                assert self._unanswered.pop(call) == turn != self._open, "late, but not awaited"
            case e.ToolReturned(tool_call_id=call):
                if event.status != "completed" and event.output is None:
                    self._unanswered[call] = str(self._open)
                assert call in self._open_calls, "returned without being open"
                self._open_calls.remove(call)
                self._closed_calls.add(call)


class _Inputs:
    """Nothing that waits is lost, overtaken or run twice; nothing that was fenced runs."""

    def __init__(self, log: Sequence[e.Recorded]) -> None:
        self._log = log
        self._generation = 0
        self._waiting: dict[str, e.InputQueued] = {}
        self._staged: dict[str, str] = {}
        self._seen: set[str] = set()
        self._dispatched: e.InputQueued | None = None
        created = log[0].event if log else None
        limits = created.limits if isinstance(created, e.SessionCreated) else None
        self._most = (limits.queued_inputs if limits else None) or 100

    def check(self) -> None:
        for recorded in self._log:
            event = recorded.event
            if self._dispatched is not None:
                assert isinstance(event, e.TurnStarted), "dispatched, but no turn began"
            match event:
                case e.InputQueued():
                    self._queue(event)
                case e.InputStaged(input_id=one, turn_id=turn):
                    assert one in self._waiting
                    self._staged[one] = turn
                case e.InputEdited(input_id=one, parts=parts):
                    waiting = self._waiting[one]
                    self._waiting[one] = e.InputQueued(
                        input_id=one,
                        message_id=waiting.message_id,
                        parts=parts,
                        source=waiting.source,
                        generation=waiting.generation,
                        meta=waiting.meta,
                    )
                case e.InputSteered():
                    self._steer(event)
                case e.InputDispatched(input_id=one, fallback=fallback):
                    assert one == next(iter(self._waiting)), "something was overtaken"
                    assert bool(fallback) == (one in self._staged)
                    self._dispatched = self._waiting.pop(one)
                    assert self._dispatched.generation == self._generation, "it was fenced"
                case e.TurnStarted():
                    self._start(event)
                case e.InputCancelled(input_id=one):
                    del self._waiting[one]
                case e.InputsFenced():
                    assert event.generation == self._generation + 1
                    assert set(event.cancelled) == set(self._waiting)
                    self._generation = event.generation
                    self._waiting.clear()

    def _queue(self, event: e.InputQueued) -> None:
        assert event.input_id not in self._seen, "queued twice"
        assert event.generation == self._generation
        self._seen.add(event.input_id)
        self._waiting[event.input_id] = event
        assert len(self._waiting) <= self._most, "more wait than may"

    def _steer(self, event: e.InputSteered) -> None:
        waiting = self._waiting.pop(event.input_id)
        assert self._staged[event.input_id] == event.turn_id, "steered into another turn"
        assert (event.message_id, event.parts) == (waiting.message_id, waiting.parts)
        assert (event.source, event.meta) == (waiting.source, waiting.meta)
        assert waiting.generation == self._generation, "it was fenced"

    def _start(self, event: e.TurnStarted) -> None:
        if self._dispatched is None:
            assert not self._waiting, "a turn overtook what waits"
            return
        waited, self._dispatched = self._dispatched, None
        assert (event.turn_id, event.message_id) == (waited.input_id, waited.message_id)
        assert (event.source, event.parts, event.meta) == (waited.source, waited.parts, waited.meta)


class _Requests:
    """Each is answered at most once, and none outlives its turn or the activation."""

    def __init__(self, log: Sequence[e.Recorded]) -> None:
        self._log = log
        self._seen: set[str] = set()
        self._waiting: dict[str, e.PermissionRequested | e.ElicitationRequested] = {}

    def check(self) -> None:
        turn: str | None = None
        for recorded in self._log:
            match recorded.event:
                case e.TurnStarted():
                    turn = recorded.event.turn_id
                case e.TurnCompleted() | e.TurnFailed() | e.TurnCancelled():
                    left = [one for one in self._waiting.values() if one.turn_id == turn]
                    assert not left, "a request outlived its turn"
                    turn = None
                case e.SessionStopped() | e.SessionDeleted():
                    assert not self._waiting, "a request outlived its session"
                case e.PermissionRequested() as request:
                    assert request.turn_id == turn is not None, "asked outside its turn"
                    self._ask(request)
                case e.ElicitationRequested() as request:
                    assert request.turn_id in (None, turn), "asked outside its turn"
                    self._ask(request)
                case e.PermissionDecided() as answer:
                    request = self._waiting.pop(answer.request_id, None)
                    assert isinstance(request, e.PermissionRequested), "answered twice, or unasked"
                    assert recorded.turn_id == request.turn_id
                    kinds = {option.option_id: option.kind for option in request.options}
                    chosen = kinds.get(answer.option_id or "")
                    assert answer.decision == (chosen or answer.decision)
                    assert (answer.option_id is None) == (
                        answer.decision in ("cancelled", "timeout") and chosen is None
                    )
                case e.ElicitationAnswered() as answer:
                    request = self._waiting.pop(answer.request_id, None)
                    assert isinstance(request, e.ElicitationRequested), "answered twice, or unasked"
                    assert recorded.turn_id == request.turn_id
                    assert answer.content is None or answer.action == "accept"

    def _ask(self, request: e.PermissionRequested | e.ElicitationRequested) -> None:
        assert request.request_id not in self._seen, "asked twice"
        self._seen.add(request.request_id)
        self._waiting[request.request_id] = request


class _Episodes:
    """What begins, ends before it begins again."""

    def __init__(self, log: Sequence[e.Recorded]) -> None:
        self._log = log

    def check(self) -> None:
        self._check_stalls()
        self._alternate((e.SessionUnhealthy,), (e.SessionRecovered, e.SessionStopped), "unhealthy")
        self._alternate((e.ToolApprovalEnabled,), (e.ToolApprovalDisabled,))
        self._alternate((e.SessionStarred,), (e.SessionUnstarred,))
        self._check_attachment()
        self._check_persona()
        self._check_peers()

    def _alternate(
        self, begins: tuple[type, ...], ends: tuple[type, ...], after: str | None = None
    ) -> None:
        is_on = False
        for recorded in self._log:
            event = recorded.event
            if isinstance(event, begins):
                assert not is_on, f"{event} once more"
                is_on = True
            elif isinstance(event, e.SessionRecovered) and event.after == after:
                assert is_on, "recovered from nothing"
                is_on = False
            elif isinstance(event, ends) and not isinstance(event, e.SessionRecovered):
                assert is_on or after is not None, f"{event} of nothing"
                is_on = False

    def _check_stalls(self) -> None:
        why: str | None = None
        for recorded in self._log:
            match recorded.event:
                case e.SessionStalled(reason=reason):
                    # It is warned first, and then asked to end.
                    assert why in (None, "inactivity"), "stalled once more"
                    assert why != reason, "warned once more"
                    why = reason
                case e.SessionRecovered(after="stalled"):
                    assert why is not None, "recovered from nothing"
                    why = None
                case e.TurnCompleted() | e.TurnFailed() | e.TurnCancelled():
                    why = None
                case _:
                    pass

    def _check_attachment(self) -> None:
        held: UUID | None = None
        for recorded in self._log:
            match recorded.event:
                case e.AttachmentAcquired(lease_id=lease):
                    assert lease != held, "acquired what was held"
                    held = lease
                case e.AttachmentReleased(lease_id=lease):
                    assert lease == held, "released what was not held"
                    held = None
                case e.SessionStopped():
                    held = None
                case _:
                    pass

    def _check_persona(self) -> None:
        now: str | None = None
        for recorded in self._log:
            match recorded.event:
                case e.ProfileCaptured(digest=digest):
                    assert now is None
                    now = digest
                case e.ProfileRefreshed(previous=previous, digest=digest):
                    assert previous == now != digest
                    now = digest
                case _:
                    pass

    def _check_peers(self) -> None:
        here: set[str] = set()
        for recorded in self._log:
            match recorded.event:
                case e.PeerJoined(peer_id=peer):
                    here.add(peer)
                case e.PeerLeft(peer_id=peer):
                    here.remove(peer)
                case e.SessionStopped():
                    here.clear()
                case _:
                    pass


class _Family:
    """Children are counted in and out once, and never more live than may."""

    def __init__(self, log: Sequence[e.Recorded]) -> None:
        self._log = log

    def check(self) -> None:
        living: set[UUID] = set()
        most, depth, stopped = DEFAULT_CHILDREN, 0, False
        for recorded in self._log:
            match recorded.event:
                case e.SessionCreated(limits=limits, lineage=lineage):
                    if limits is not None and limits.children is not None:
                        most = limits.children
                    depth = lineage.depth if lineage else 0
                case e.SessionStopped() | e.SessionResumed() as moved:
                    stopped = isinstance(moved, e.SessionStopped)
                case e.ChildSpawned() as child:
                    assert child.child_id not in living
                    assert child.depth == depth + 1
                    assert not stopped or child.role == EXTRACTOR
                    living.add(child.child_id)
                    assert len(living) <= most, "too many children"
                case e.ChildReaped(child_id=child_id):
                    living.remove(child_id)
                case e.ChildResumed(child_id=child_id):
                    assert child_id not in living
                    living.add(child_id)
                case _:
                    pass


def _check_messages(log: Sequence[e.Recorded], inherited: Session) -> None:
    ids = set(inherited.messages)
    waiting: dict[str, str] = {}
    for recorded in log:
        match recorded.event:
            case e.InputQueued(input_id=one, message_id=message):
                assert message not in ids
                assert message not in waiting.values(), "two that wait have one message id"
                waiting[one] = message
            case e.InputDispatched(input_id=one) | e.InputCancelled(input_id=one):
                waiting.pop(one)
            case e.InputsFenced():
                waiting.clear()
            case e.InputSteered(input_id=one, message_id=message):
                waiting.pop(one)
                assert message not in ids
                ids.add(message)
            case e.MessageAdded(message_id=message) | e.TurnStarted(message_id=message):
                assert message not in ids, "two messages have one id"
                assert message not in waiting.values(), "it has the id of one that waits"
                ids.add(message)
            case e.MessageRevised(message_id=message):
                assert message in ids, "a revision of a message of another session"
            case _:
                pass


def _check_state(log: Sequence[e.Recorded]) -> None:
    for recorded in log:
        keys: list[str] = []
        match recorded.event:
            case e.SessionCreated(state=state):
                keys = list(state)
            case e.StatePatched(set=written, delete=deleted):
                keys = [*written, *deleted]
                assert keys, "a patch that changes nothing"
            case e.ConversationRewound(set=written, delete=deleted):
                keys = [*written, *deleted]
                assert {scope_of(key) for key in keys} <= {"session"}, "it rewinds shared keys"
            case _:
                pass
        assert "temp" not in map(scope_of, keys)
        assert len(set(keys)) == len(keys), "one event writes a key twice"
