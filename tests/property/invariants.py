"""What is true of the log of any session (`events.md`), looked at without the code that decides."""

from collections.abc import Sequence

from domain.session import events as e
from domain.session.state import scope_of

_ENDS = e.TurnCompleted | e.TurnFailed | e.TurnCancelled


def check(log: Sequence[e.Recorded]) -> None:
    """Raise when a log breaks an invariant.

    Args:
        log: All events of one session, in the order they were read.
    """
    assert [recorded.sequence for recorded in log] == list(range(1, len(log) + 1))
    _Life(log).check()
    _Turns(log).check()
    _Requests(log).check()
    _check_messages(log)
    _check_state(log)


class _Life:
    def __init__(self, log: Sequence[e.Recorded]) -> None:
        self._events = [recorded.event for recorded in log]

    def check(self) -> None:
        stopped, activation = False, 1
        for index, event in enumerate(self._events):
            assert isinstance(event, e.SessionCreated) == (index == 0), event
            match event:
                case e.SessionStopped():
                    assert not stopped, "stopped twice in one activation"
                    stopped = True
                case e.SessionResumed():
                    assert stopped, "resumed without having stopped"
                    assert event.activation == activation + 1
                    stopped, activation = False, event.activation
                case e.SessionDeleted():
                    assert index == len(self._events) - 1, "something follows the tombstone"
                case e.TurnStarted() | e.MessageAdded() | e.PermissionRequested():
                    assert not stopped, f"{event} while stopped"


class _Turns:
    def __init__(self, log: Sequence[e.Recorded]) -> None:
        self._log = log
        self._open: str | None = None
        self._seen: set[str] = set()
        self._open_calls: set[str] = set()
        self._closed_calls: set[str] = set()

    def check(self) -> None:
        for recorded in self._log:
            match recorded.event:
                case e.TurnStarted() as started:
                    self._start(started)
                case e.TurnCompleted() | e.TurnFailed() | e.TurnCancelled() as ended:
                    self._end(ended)
                case e.SessionStopped() | e.SessionDeleted():
                    assert self._open is None, "a turn was left open"
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
                assert call not in self._open_calls | self._closed_calls, "called twice"
                self._open_calls.add(call)
            case e.ToolProgressed(tool_call_id=call):
                assert call in self._open_calls | self._closed_calls, "news of an unknown call"
            case e.ToolReturned(tool_call_id=call):
                assert call in self._open_calls, "returned without being open"
                self._open_calls.remove(call)
                self._closed_calls.add(call)


class _Requests:
    def __init__(self, log: Sequence[e.Recorded]) -> None:
        self._log = log

    def check(self) -> None:
        seen: set[str] = set()
        waiting: dict[str, e.PermissionRequested] = {}
        turn: str | None = None
        for recorded in self._log:
            match recorded.event:
                case e.TurnStarted():
                    turn = recorded.event.turn_id
                case e.TurnCompleted() | e.TurnFailed() | e.TurnCancelled():
                    turn = None
                    assert not waiting, "a request outlived its turn"
                case e.PermissionRequested() as request:
                    assert request.request_id not in seen, "asked twice"
                    assert request.turn_id == turn is not None, "asked outside its turn"
                    seen.add(request.request_id)
                    waiting[request.request_id] = request
                case e.PermissionDecided() as answer:
                    assert answer.request_id in waiting, "answered twice, or never asked"
                    request = waiting.pop(answer.request_id)
                    offered = {option.option_id for option in request.options}
                    assert answer.option_id is None or answer.option_id in offered


def _check_messages(log: Sequence[e.Recorded]) -> None:
    ids: set[str] = set()
    for recorded in log:
        match recorded.event:
            case e.MessageAdded(message_id=message) | e.TurnStarted(message_id=message):
                assert message not in ids, "two messages have one id"
                ids.add(message)
            case e.MessageRevised(message_id=message):
                assert message in ids, "a revision of a message of another session"


def _check_state(log: Sequence[e.Recorded]) -> None:
    for recorded in log:
        keys: list[str] = []
        match recorded.event:
            case e.SessionCreated(state=state):
                keys = list(state)
            case e.StatePatched(set=written, delete=deleted):
                keys = [*written, *deleted]
                assert keys, "a patch that changes nothing"
        assert "temp" not in map(scope_of, keys)
        assert len(set(keys)) == len(keys), "one event writes a key twice"
