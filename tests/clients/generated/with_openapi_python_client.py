"""Creates a session, runs a turn in it and reads the log, by a client that was generated.

Run with the URL of a server and with the package `cairn_client` on the path; prints the types of
the events as JSON.
"""

import json
import sys
from uuid import UUID

from cairn_client import Client
from cairn_client.api.events import get_events
from cairn_client.api.sessions import create_session, get_snapshot
from cairn_client.api.turns import complete_turn, record_activity, start_turn
from cairn_client.models import (
    AgentMessageReport,
    CompleteTurnBody,
    CreateSessionBody,
    EventPage,
    RecordActivityBody,
    SessionAnswer,
    Snapshot,
    StartTurnBody,
)

with Client(sys.argv[1], raise_on_unexpected_status=True) as client:
    asked = CreateSessionBody.from_dict({"app": "shop", "user": "ada"})
    made = create_session.sync(client=client, body=asked)
    assert isinstance(made, SessionAnswer), made
    session: UUID = made.session.id
    hello = {"parts": [{"type": "text", "text": "Hello"}]}
    start = StartTurnBody.from_dict({"turn_id": "t1", "input": hello})
    start_turn.sync(session, client=client, body=start, if_match='"1"', idempotency_key="start")
    said = AgentMessageReport.from_dict({"type": "agent.message", "data": hello})
    record_activity.sync(session, "t1", client=client, body=RecordActivityBody(events=[said]))
    end = CompleteTurnBody.from_dict({"stop_reason": "end_turn"})
    complete_turn.sync(session, "t1", client=client, body=end)
    snapshot = get_snapshot.sync(session, client=client)
    assert isinstance(snapshot, Snapshot), snapshot
    seen, since = [], 0
    while since < snapshot.sequence:
        page = get_events.sync(session, client=client, since=since, limit=2)
        assert isinstance(page, EventPage), page
        seen += [event.to_dict()["type"] for event in page.events]
        since = page.next_
    # What this client does not know passes: a type, a field of an event, a field of the page.
    whole = get_events.sync(session, client=client)
    assert isinstance(whole, EventPage), whole
    later = whole.to_dict() | {"more": True}
    later["events"].append(later["events"][-1] | {"type": "of.tomorrow", "data": {"x": 1}, "y": 2})
    read = EventPage.from_dict(later).to_dict()
    assert read == later, read
print(json.dumps({"session": str(session), "types": seen}))
