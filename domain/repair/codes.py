"""The codes of a report: how bad each is, whether it blocks, and what a person can do."""

from typing import Literal, NamedTuple

Severity = Literal["info", "warning", "error"]


class Meaning(NamedTuple):
    """What a code stands for.

    Args:
        severity: `info` needs nobody, `warning` is reported, `error` asks for a person.
        blocks: Nothing is appended to a log that has it.
        advice: What a person can do.
    """

    severity: Severity
    blocks: bool
    advice: str


_FORK = "fork the session at the last event before it (POST /v1/sessions/{id}/fork with `at`)"
_RESTORE = "or restore the events from a backup"

ISSUES: dict[str, Meaning] = {
    "event_sequence_gap": Meaning(
        "warning",
        False,
        "Events are missing before this one. What is left can be read and repaired; restore a"
        " backup beside this store to see what they said.",
    ),
    "event_sequence_duplicate": Meaning(
        "error",
        True,
        f"Two events claim one place, and which one is true cannot be told here: {_FORK},"
        f" {_RESTORE}, and keep this log as evidence.",
    ),
    "event_sequence_regression": Meaning(
        "error",
        True,
        "The events are not in their order: put the file into the order in which it was written,"
        " or import it elsewhere under quarantine.",
    ),
    "invalid_event_json": Meaning(
        "error",
        True,
        f"What this event said cannot be read: {_FORK}, {_RESTORE}. Everything before it and after"
        " it can still be read.",
    ),
    "event_type_mismatch": Meaning(
        "error",
        True,
        "The row and its record name different types, so one of them was changed:"
        f" {_FORK}, {_RESTORE}.",
    ),
    "dangling_tool_call_missing_id": Meaning(
        "warning",
        False,
        "A tool call without an id can never be answered; it stays as it is and harms nothing.",
    ),
    "no_repairable_turn": Meaning("info", False, "There is no turn, so nothing can be open."),
    "terminal_event_already_exists": Meaning(
        "info", False, "The turn has ended; at most its open tool calls are closed."
    ),
    "session_not_stopped": Meaning(
        "error", True, "Somebody may still be working in it: stop the session first."
    ),
    "stop_reason_requires_force": Meaning(
        "error",
        True,
        "The session was stopped on purpose: look at the planned turn, then repair with force.",
    ),
    "event_head_mismatch": Meaning(
        "error",
        True,
        "The log and the place where its end is kept disagree: events at the end were lost or"
        " added. Fork the session at the last event that is left (POST /v1/sessions/{id}/fork with"
        f" `at`), {_RESTORE}. If only the list row is lost or wrong, `cairn rebuild` makes it anew"
        " from the log.",
    ),
    "digest_mismatch": Meaning(
        "error",
        True,
        f"The event or its digest was changed after it was written: {_FORK}, {_RESTORE}, and keep"
        " this log as evidence.",
    ),
    "position_regression": Meaning(
        "error",
        True,
        "The positions do not grow with the sequences, so rows were exchanged or inserted by hand:"
        f" {_FORK}, {_RESTORE}.",
    ),
    "unknown_event_version": Meaning(
        "error",
        True,
        "A newer release of Cairn wrote this event: repair with that release or a later one.",
    ),
    "read_model_mismatch": Meaning(
        "error",
        False,
        "Lists show something else than the log says. The log is right: `cairn rebuild` makes the"
        " row anew from it, and so does the next change of what lists show, such as of the title.",
    ),
    "erasure_unexplained": Meaning(
        "error",
        True,
        "An event is erased, and no `session.erased` after it says who asked for it and why, so"
        " somebody with rights on the database took it away. The digests still cover what follows:"
        f" {_RESTORE[3:]}, and keep this log as evidence.",
    ),
    "shared_state_mismatch": Meaning(
        "error",
        False,
        "An `app:` or `user:` key is not what its history and this log say. The logs are right:"
        " `cairn rebuild` makes both anew from them, or write the key again.",
    ),
}

FINDINGS: dict[str, str] = {
    "kept_state_mismatch": "The log is right: `cairn rebuild` makes the kept states anew from it;"
    " then restart all servers.",
    "position_gap": "Events, or whole sessions, were deleted: look in a backup which it has that"
    " are no longer here, and keep this database as evidence.",
    "position_beyond_head": "Nothing can be stored before this is mended: restore both tables from"
    " one backup, or set the head as the handbook says.",
    "checkpoint_ahead": "If you restored a backup yourself, the difference is what was lost; else"
    " keep the database as evidence.",
    "checkpoint_mismatch": "If this is the store that was signed, its log was rewritten: keep the"
    " database and the checkpoint as evidence, and restore a backup.",
    "tree_mismatch": "If nothing else is wrong, the log is right and proofs are not: have the"
    " tiles made anew, as the handbook says.",
    "checkpoint_of_another_store": "Take the checkpoint of this store; each says in its first line"
    " of which log it is.",
    "checkpoint_unsigned": "Give the public keys that you kept, old ones too.",
    "signature_mismatch": "The checkpoint was changed after it was signed, or is damaged: take"
    " another copy of it; of one in the database, keep that as evidence.",
}
"""What a person can do about what only verification finds."""


def advice_on(code: str) -> str | None:
    """Return what a person can do about a code; None for one that is not known here."""
    return ISSUES[code].advice if code in ISSUES else FINDINGS.get(code)
