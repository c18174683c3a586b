"""Where a reader of events goes on: by a parameter, or by where its stream was cut."""

from api.http.problems import Problem
from api.http.requests import AnyRequest, Parameters, header, scope_of
from application.errors import StoreReplaced


def cursor_of(request: AnyRequest, parameters: Parameters, name: str = "since") -> int | None:
    """Return the sequence or position to go on from, exclusive; None is the head.

    `Last-Event-ID` beats the parameter: a browser that reconnects keeps its old URL.

    Raises:
        Problem: 400, it is neither a whole number nor `now`.
        StoreReplaced: The `store` that the cursor comes from is named, and is not this one.
    """
    store: str = scope_of(request)["cairn"].store.identity
    if parameters.text("store") not in (None, store):
        raise StoreReplaced(None, store=store)
    resumed = header(request, b"last-event-id")
    if resumed is not None and resumed != "":
        if not (resumed.isascii() and resumed.isdigit() and len(resumed) < 20):
            raise Problem("malformed_header", "Last-Event-ID must be a whole number, 0 or more")
        return int(resumed)
    if parameters.text(name) == "now":
        return None
    return parameters.count(name) or 0
