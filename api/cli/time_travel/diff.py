"""`cairn diff`."""

import sys
from contextlib import closing
from pathlib import Path

from api.cli.json_client import JsonClient
from api.cli.reading.session_ids import find_session
from api.cli.screen import harmless, stop_writing


def diff(
    session: str,
    earlier: str | None,
    later: str | None,
    *,
    as_json: bool,
    url: str,
    token_file: Path | None,
) -> None:
    """Print what differs between two moments of a session.

    Args:
        session: Its id, the beginning of it, or `ext:` and its external id.
        earlier: A sequence or a time; None is the first event.
        later: A sequence or a time; None is the newest event.
        as_json: Print it as JSON.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: The session is not named by an id.
        Failure: There is no such session or moment, or the server cannot be asked.
    """
    given = {"from": earlier, "to": later}
    query = {name: moment for name, moment in given.items() if moment is not None}
    with closing(JsonClient(url, token_file)) as server:
        path = f"/v1/sessions/{find_session(server, session)}/diff"
        # Lines of text end with \n alone; a text in them may hold any other separator.
        accept = "application/json" if as_json else "text/plain"
        lines = server.text("GET", path, query, accept=accept).removesuffix("\n").split("\n")
    try:
        for line in lines:
            print(line if as_json else harmless(line))
        sys.stdout.flush()
    except BrokenPipeError:
        stop_writing()
