"""`cairn replay`."""

import sys
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

from api.cli.json_client import JsonClient
from api.cli.options import UsageError
from api.cli.reading.session_ids import find_session
from api.cli.screen import fitted, stop_writing
from api.cli.time_travel.past import Past, Shown
from api.cli.time_travel.player import JUMP, Player
from application.ports.session.session_row import NEVER
from application.reads.streams.pace import FASTEST, SLOWEST, Pace

if TYPE_CHECKING:
    from api.cli.time_travel.terminal import Terminal

_INTERRUPTED = 130
_LOOK = 0.5
"""Seconds after which the screen is drawn anew: the window may have another size."""
_NAME = 20
_KEYS = f"space pause · ←→ step · ↑↓ {JUMP} · number Enter go there · +- speed · q quit"


def replay(session: str, *, at: str | None, speed: str, url: str, token_file: Path | None) -> None:
    """Show a session as it happened: with keys in a terminal, line by line elsewhere.

    Args:
        session: Its id, the beginning of it, or `ext:` and its external id.
        at: A sequence or a time, what is shown first; None is the first event.
        speed: How many times faster than it was recorded, such as `4x`.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: An argument makes no sense.
        Failure: There is no such session or moment, or the server cannot be asked.
    """
    factor = speed_of(speed)
    with closing(JsonClient(url, token_file)) as server:
        past = Past(server, find_session(server, session))
        head = past.sequence_at(None)
        player = Player(head, 1 if at is None else min(past.sequence_at(at), head), factor)
        try:
            if sys.stdin.isatty() and sys.stdout.isatty():
                _play_in_terminal(past, player)
            else:
                _print(past, player)
        except KeyboardInterrupt:
            sys.exit(_INTERRUPTED)
        except BrokenPipeError:
            stop_writing()


def speed_of(text: str) -> float:
    """Return the factor that a text such as `4x` or `0.5` stands for.

    Raises:
        UsageError: It stands for none.
    """
    try:
        factor = float(text.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if not SLOWEST <= factor <= FASTEST:
        raise UsageError(
            f"--speed is a number from {SLOWEST:g} to {FASTEST:g} such as 4x, and it is {text!r}."
        )
    return factor


def _print(past: Past, player: Player) -> None:
    """Print the events one by one, each when it is due."""
    pace = Pace(player.speed)
    for sequence in range(player.at, player.head + 1):
        event = past.event(sequence)
        sleep(pace.wait(event.at, monotonic()))
        print(_line(event, 100).rstrip(), flush=True)


def _play_in_terminal(past: Past, player: Player) -> None:
    # Not there on every system, and not needed elsewhere.
    from api.cli.time_travel.terminal import Terminal

    with Terminal() as terminal:
        pace, due = _due(past, player, None)
        while not player.has_quit:
            _draw(terminal, past, player)
            wait = _LOOK if due is None else min(max(due - monotonic(), 0.0), _LOOK)
            before = (player.at, player.plays, player.speed)
            for key in terminal.keys(wait):
                player.press(key)
            if before != (player.at, player.plays, player.speed):
                # What was due is due anew from here.
                pace, due = _due(past, player, None)
            elif due is not None and monotonic() >= due:
                player.advance()
                pace, due = _due(past, player, pace)


def _due(past: Past, player: Player, pace: Pace | None) -> tuple[Pace, float | None]:
    """Return the pace, and when the next event is to be shown; None when nothing is played.

    Args:
        past: Has the events.
        player: Where it is.
        pace: The pace so far; None begins one with the event that is shown.
    """
    now = monotonic()
    if pace is None:
        pace = Pace(player.speed)
        pace.wait(past.event(player.at).at, now)
    if not player.plays:
        return pace, None
    return pace, now + pace.wait(past.event(player.at + 1).at, now)


def _draw(terminal: "Terminal", past: Past, player: Player) -> None:
    width, height = terminal.size
    first = max(player.at - height + 2, 1)
    lines = [_line(past.event(one), width) for one in range(first, player.at + 1)]
    terminal.draw(lines, fitted(_status(player, past.event(player.at)), width - 1))


def _line(event: Shown, width: int) -> str:
    head = f"{event.sequence:>6}  {event.name:<{_NAME}}  "
    return fitted(f"{head}{event.text}", width)


def _status(player: Player, event: Shown) -> str:
    mark = "▶" if player.plays else "■" if player.at == player.head else "‖"
    word = "plays" if player.plays else "end" if player.at == player.head else "paused"
    at = "" if event.at == NEVER else f"{event.at:%Y-%m-%d %H:%M:%S}Z  "
    where = f"{player.at}/{player.head}"
    to = f"to {player.typed}_  " if player.typed else ""
    return f"{mark} {word}  {player.speed:g}x  {where}  {at}{to}{_KEYS}"
