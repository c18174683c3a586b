"""What a validator says of a value, in words of JSON."""

import re

_OF_PYTHON = (
    (re.compile(r"^Value error, "), ""),
    (re.compile(r" or instance of \w+$"), ""),
    (re.compile(r" after validation(?=,)"), ""),
    (re.compile(r"\bDictionary should"), "Object should"),
    (re.compile(r"\bList should"), "Array should"),
    (re.compile(r"\bvalid dictionary\b"), "valid object"),
    (re.compile(r"\bvalid list\b"), "valid array"),
)
"""What only those know who have written a model, and what a client reads instead of it."""


def in_json_words(message: str) -> str:
    """Return what pydantic says of a value, without names of Python's types or of our classes.

    Args:
        message: As it is in a `ValidationError`.
    """
    for pattern, said in _OF_PYTHON:
        message = pattern.sub(said, message)
    return message
