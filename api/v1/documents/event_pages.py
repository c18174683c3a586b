"""A page of events, as JSON and as a batch of CloudEvents."""

from uuid import uuid5

from api.http.outgoing.responses import Reply, from_json, record_json, to_json
from application.ports.log.events import StoredEvent
from application.ports.log.joined_pages import JoinedPage
from application.reads.streams.stream_items import Page

CLOUDEVENTS = "application/cloudevents-batch+json"
_CLOUDEVENT_TYPE = "dev.cairn."
"""CloudEvents wants the reversed domain name of who defines a type before its name."""


def page_json(page: Page, headers: dict[str, str], *, closed: bool | None = None) -> Reply:
    """Return a page as JSON.

    Args:
        page: The page.
        headers: Of the answer.
        closed: Whether nothing will ever be beyond it; None where that is not told.
    """
    events = b",".join(map(record_json, page.events))
    return _json((events,), page.next, page.head, headers, closed=closed)


def joined_json(page: JoinedPage, headers: dict[str, str], *, of_session: bool = False) -> Reply:
    """Return a page as JSON whose events are joined already.

    Args:
        page: The page.
        headers: Of the answer.
        of_session: Whether it tells if nothing will ever be beyond it.
    """
    closed = page.deleted and page.reached >= page.head if of_session else None
    return _json(page.events, page.reached, page.head, headers, closed=closed)


def _json(
    events: tuple[bytes, ...],
    reached: int,
    head: int,
    headers: dict[str, str],
    *,
    closed: bool | None,
) -> Reply:
    rest: dict[str, int | bool] = {"next": reached, "head": head, "up_to_date": reached >= head}
    if closed is not None:
        rest["closed"] = closed
    return Reply((b'{"events":[', *events, b"]," + to_json(rest)[1:]), headers=headers)


def cloudevents(page: Page, headers: dict[str, str]) -> Reply:
    """Return a page as a batch of CloudEvents.

    Args:
        page: The page.
        headers: Of the answer.
    """
    body = b"[%s]" % b",".join(map(_cloudevent, page.events))
    return Reply(body, media_type=CLOUDEVENTS, headers=headers)


def _cloudevent(event: StoredEvent) -> bytes:
    record = from_json(event.record)
    head = {
        "specversion": "1.0",
        # Of an erased event the id is gone, and the time may never have been told.
        "id": record.get("id") or uuid5(event.session_id, str(event.sequence)),
        "source": f"/v1/sessions/{event.session_id}",
        "type": _CLOUDEVENT_TYPE + event.type,
        **({} if record["at"] is None else {"time": record["at"]}),
        "subject": str(event.session_id),
        "datacontenttype": "application/json",
        "sequence": f"{event.sequence:019d}",
        "position": str(event.position),
    }
    return b'%s,"data":%s}' % (to_json(head)[:-1], record_json(event))
