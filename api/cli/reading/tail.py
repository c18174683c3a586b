"""`cairn tail`."""

import asyncio
import sys
from contextlib import aclosing, closing
from pathlib import Path

from api.cli.client import Client
from api.cli.client_options import token_in
from api.cli.json_client import JsonClient
from api.cli.options import Failure, UsageError
from api.cli.reading.session_ids import find_session
from api.cli.reading.stream_items import CaughtUp, Closed, Event, Hole, Lost, Piece
from api.cli.screen import Screen, stop_writing

_INTERRUPTED = 130


def tail(session: str, *, url: str, since: str, token_file: Path | None, as_json: bool) -> None:
    """Print a session as it happens, until it is deleted or Ctrl-C.

    Args:
        session: Its id, the beginning of it, or `ext:` and its external id.
        url: Where the server is.
        since: The sequence to begin after, or `now`.
        token_file: Holds the bearer token.
        as_json: Print the records themselves, one a line.

    Raises:
        UsageError: An argument makes no sense.
        Failure: There is no such session, or the server refuses.
    """
    start = None if since == "now" else _sequence(since)
    with closing(JsonClient(url, token_file)) as server:
        session_id = find_session(server, session)
    try:
        asyncio.run(_follow(Client(url, token_in(token_file)), session_id, start, as_json=as_json))
    except Hole as hole:
        raise Failure(f"The server has left something out: {hole}.") from None
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        stop_writing()


def _sequence(since: str) -> int:
    if not (since.isascii() and since.isdigit() and len(since) < 19):
        raise UsageError(f"--since must be a sequence, 0 or more, or `now`, and it is {since!r}.")
    return int(since)


async def _follow(client: Client, session_id: str, since: int | None, *, as_json: bool) -> None:
    screen = Screen(sys.stderr if as_json else None)
    lost = False
    async with client, aclosing(client.follow(session_id, since)) as items:
        async for item in items:
            match item:
                case Event() if as_json:
                    sys.stdout.buffer.write(item.raw + b"\n")
                    sys.stdout.buffer.flush()
                case Event():
                    screen.event(item.raw)
                case Piece() if not as_json:
                    screen.piece(item.raw)
                case Lost() if not lost:
                    lost = True
                    screen.say(f"{item.why}; trying again")
                case CaughtUp() if lost:
                    lost = False
                    screen.say(f"connected again, at {item.sequence}")
                case Closed() if not as_json:
                    screen.say("the session was deleted")
                case _:
                    pass
