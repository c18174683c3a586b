"""What a command answers beside sequence and position: data made of its state and its events.

It is made before the events are written, because it is stored with them under an idempotency key.
"""

from application.commands.answers import sessions, turns
from application.commands.answers.registry import NOTHING, answer_of

__all__ = ["NOTHING", "answer_of", "sessions", "turns"]
