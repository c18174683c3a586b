"""What passes by without being recorded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Streamed:
    """A piece of a message: no event, no sequence, never stored.

    Args:
        turn_id: The running turn.
        after: The sequence of the session when it was shown.
        text: What it adds to the message.
        json: What followers get.
    """

    turn_id: str
    after: int
    text: str
    json: bytes
