"""What passes by without being recorded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Partial:
    """A piece of a message: no event, no sequence, never stored.

    Args:
        type: Of the event that it will be part of.
        turn_id: The running turn.
        after: The sequence of the session when it was shown.
        text: What it adds to the message.
        json: What followers get.
    """

    type: str
    turn_id: str
    after: int
    text: str
    json: bytes
