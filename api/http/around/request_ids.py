"""What a request is called in its answer and in the log of the server."""

import os
import re
from random import Random

_GIVEN = re.compile(rb"[A-Za-z0-9._:/+=-]{1,100}")
# Python's own generator is that of whoever embeds this program, and of Hypothesis in its tests.
_numbers = Random()  # noqa: S311 - for names of lines in a log
os.register_at_fork(after_in_child=_numbers.seed)


def request_id_of(given: bytes) -> bytes:
    """Return the id that a client gave to its request, or a new one.

    Args:
        given: The header X-Request-Id; empty without one. What is no simple word is replaced.
    """
    if given and _GIVEN.fullmatch(given):
        return given
    # A name for one line of a log, not a secret: a system call each would be a waste.
    return b"%024x" % _numbers.getrandbits(96)
