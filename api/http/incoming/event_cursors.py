"""Where a reader of events goes on: by a parameter, or by where its stream was cut."""

from api.http.incoming.requests import HttpRequest, header
from api.http.outgoing.problems import Problem
from application.errors import StoreReplaced


def cursor_of(request: HttpRequest, given: int | None, store: str | None = None) -> int | None:
    """Return the sequence or position to go on from, exclusive; None is the head.

    `Last-Event-ID` beats the parameter: a browser that reconnects keeps its old URL.

    Args:
        request: With its `Last-Event-ID`.
        given: What the query says; None is the head.
        store: The store that the query says the cursor comes from.

    Raises:
        Problem: 400, the header is no whole number.
        StoreReplaced: The `store` that the cursor comes from is named, and is not this one.
    """
    identity: str = request.scope["cairn"].store.identity
    if store not in (None, identity):
        raise StoreReplaced(None, store=identity)
    resumed = header(request, b"last-event-id")
    if resumed is not None and resumed != "":
        if not (resumed.isascii() and resumed.isdigit() and len(resumed) < 20):
            raise Problem("malformed_header", "Last-Event-ID must be a whole number, 0 or more")
        return int(resumed)
    return given
