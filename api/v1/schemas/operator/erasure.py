"""Erasures and legal holds as bodies and answers."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.v1.schemas.base import Body, Sequence, Shape, Uuid
from domain.values import MAX_SUMMARY

MOST_PROVEN = 10_000

Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_SUMMARY,
        description="why; it stays in the log for ever, so it should name no person",
        json_schema_extra={"pattern": r"\S"},
    ),
]
SharedKeys = Literal["kept", "erased"]


class EraseSessionBody(Body):
    """Why a session is erased, and what goes with it."""

    reason: Reason
    children: Annotated[
        bool, Field(description="erase the sessions too that it has spawned, and theirs")
    ] = False
    shared_keys: Annotated[
        SharedKeys,
        Field(
            description="what becomes of values in force that it gave to `app:` and `user:` keys:"
            " they stay, written anew by their scope, or are deleted"
        ),
    ] = "kept"


class EraseUserBody(Body):
    """Why a user is erased."""

    reason: Reason
    shared_keys: Annotated[
        SharedKeys, Field(description="what becomes of values in force that it gave to `app:` keys")
    ] = "erased"


class LegalHoldBody(Body):
    """Why a session must be kept, or need not be any longer."""

    reason: Reason


class ProveErasureBody(Body):
    """The logs whose erasure is to be proven."""

    log_ids: Annotated[list[Uuid], Field(min_length=1, max_length=MOST_PROVEN)]


class ErasedLog(Shape):
    """A session that is erased, or would be, and how much there was of it."""

    session_id: UUID
    because: Literal["asked", "fork", "child"]
    events: Sequence
    record_bytes: Annotated[int, Field(ge=0, description="of all records")]
    kept_states: Annotated[int, Field(ge=0, description="folded states that were kept")]
    answers: Annotated[int, Field(ge=0, description="answers to idempotency keys")]
    shared_writes: Annotated[int, Field(ge=0, description="in the history of shared keys")]
    pieces: Annotated[int, Field(ge=0, description="of messages that were being written")]
    blobs: Annotated[int, Field(ge=0, description="that it names; another session may too")]
    blob_bytes: Annotated[int, Field(ge=0, description="of those")]
    artifact_bytes: Annotated[int, Field(ge=0, description="of all versions of its artifacts")]
    keys_in_force: Annotated[
        list[str], Field(description="shared keys whose values in force are its own")
    ]
    legal_hold: Annotated[str | None, Field(description="why it must be kept")]


class ErasureReport(Shape):
    """What is erased, or would be."""

    dry_run: bool
    sessions: Annotated[int, Field(ge=0)]
    events: Annotated[int, Field(ge=0)]
    record_bytes: Annotated[int, Field(ge=0)]
    blob_bytes: Annotated[int, Field(ge=0)]
    shared_keys: SharedKeys
    user_scope: Annotated[UUID | None, Field(description="the log of the user's shared keys")]
    logs: list[ErasedLog]
    logs_omitted: Annotated[int, Field(ge=0)]
    held: Annotated[list[UUID], Field(description="sessions under a legal hold")]


class SessionErasure(Shape):
    """The report."""

    erasure: ErasureReport
