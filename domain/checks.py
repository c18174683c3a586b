"""What every command is held to: names, ids, titles and numbers within their bounds."""

import re

from domain.errors import CairnError, Invalid, InvalidRuntimeOverride
from domain.values import (
    MAX_ID,
    MAX_NAME,
    MAX_SUMMARY,
    MAX_TITLE,
    REASONING_EFFORTS,
    Agent,
    Failure,
    ModelChoice,
)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSEEN = re.compile(r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""What shows nothing, or turns the direction of what is shown, without being part of a word: two
names that look alike would not be the same. Joiners (U+200C, U+200D) are part of words. Half of a
pair (U+D800 to U+DFFF) is no character, and nothing can keep it."""
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class About:
    """Lets a refusal within it say which of several things it is about.

    Args:
        index: Which, counted from 0.
    """

    __slots__ = ("_index",)

    def __init__(self, index: int) -> None:
        self._index = index

    def __enter__(self) -> None:
        """Begin with it."""

    def __exit__(self, _: object, refused: BaseException | None, __: object) -> None:
        """Name it in a refusal."""
        if isinstance(refused, CairnError):
            refused.facts["index"] = self._index


def require_name(value: str | None, field: str, *, most: int = MAX_NAME) -> None:
    """Refuse a name that lists could not hold or show.

    Names are compared character by character, and never normalised: NFC and NFD of a word are two.

    Args:
        value: The name; None passes.
        field: What to call it in the refusal.
        most: The longest allowed, in characters.

    Raises:
        Invalid: It is blank, longer than `most`, or has control characters or others that show
            nothing.
    """
    if value is not None:
        _require_text(value, field, len(value), most, "characters", _CONTROL)
        if not value.isascii() and (unseen := _UNSEEN.search(value)):
            code = f"U+{ord(unseen[0]):04X}"
            raise Invalid(f"{field} must not have {code}, which nobody sees", field=field)


def require_id(value: str | None, field: str) -> None:
    """Refuse an id that is blank, too long, or has control characters.

    Args:
        value: The id, at most 4,096 bytes as UTF-8; None passes.
        field: What to call it in the refusal.

    Raises:
        Invalid: It is blank, longer, or has control characters.
    """
    if value is not None:
        size = len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        _require_text(value, field, size, MAX_ID, "bytes", _CONTROL)


def require_title(value: str | None) -> None:
    """Refuse a title that lists could not show; it may have several lines.

    Args:
        value: The title, at most 500 characters; None passes.

    Raises:
        Invalid: It is blank, longer, or has control characters other than tabs and line ends.
    """
    if value is not None:
        _require_text(value, "title", len(value), MAX_TITLE, "characters", _CONTROL_BUT_LINES)


def _require_text(
    value: str, field: str, size: int, most: int, unit: str, wrong: re.Pattern[str]
) -> None:
    if not value.strip():
        raise Invalid(f"{field} must not be blank", field=field)
    if size > most:
        raise Invalid(f"{field} has {size} {unit}; at most {most}", field=field)
    # What can be printed has no control characters, nor ends of lines or paragraphs.
    if not value.isprintable() and wrong.search(value):
        raise Invalid(f"{field} must not have control characters", field=field)


def require_between(value: int | None, field: str, least: int, most: int) -> None:
    """Refuse a number that is out of bounds.

    Args:
        value: The number; None passes.
        field: What to call it in the refusal.
        least: The smallest allowed.
        most: The largest allowed.

    Raises:
        Invalid: It is smaller or larger.
    """
    if value is not None and not least <= value <= most:
        raise Invalid(f"{field} must be {least} to {most}, not {value}", field=field)


def require_agent(agent: Agent | None, field: str) -> None:
    """Refuse an agent that lists could not show.

    Args:
        agent: The agent; None passes.
        field: What to call it in the refusal.

    Raises:
        Invalid: One of its names is no name.
    """
    if agent is not None:
        for part in ("name", "provider", "model", "reasoning_effort"):
            require_name(getattr(agent, part), f"{field}.{part}")


def require_model(choice: ModelChoice | None) -> None:
    """Refuse a model without a name, or with an effort that no runtime knows.

    Args:
        choice: The model of a turn; None is that of its agent.

    Raises:
        Invalid: A name is none.
        InvalidRuntimeOverride: The effort is not one of `REASONING_EFFORTS`.
    """
    if choice is not None:
        require_name(choice.model, "model.model")
        require_name(choice.provider, "model.provider")
        require_effort(choice.reasoning_effort, "model.reasoning_effort")


def require_effort(effort: str | None, field: str) -> None:
    """Refuse a reasoning effort that no runtime knows.

    Args:
        effort: The word; None passes.
        field: What to call it in the refusal.

    Raises:
        InvalidRuntimeOverride: It is not one of `REASONING_EFFORTS`.
    """
    if effort is not None and effort not in REASONING_EFFORTS:
        known = ", ".join(REASONING_EFFORTS)
        raise InvalidRuntimeOverride(f"{field} must be one of {known}", field=field)


def require_failure(failure: Failure) -> None:
    """Refuse a failure without a proper kind, or with too long a summary.

    Args:
        failure: What failed.

    Raises:
        Invalid: It is not right.
    """
    require_name(failure.kind, "failure.kind")
    require_summary(failure.summary, "failure.summary")
    require_summary(failure.bundle, "failure.bundle")


def require_summary(text: str | None, field: str) -> None:
    """Refuse a text for people that is longer than lists and reports can take.

    Args:
        text: At most 2,048 characters; None passes.
        field: What to call it in the refusal.

    Raises:
        Invalid: It is longer.
    """
    if text is not None and len(text) > MAX_SUMMARY:
        raise Invalid(f"{field} has {len(text)} characters; at most {MAX_SUMMARY}", field=field)
