"""What the log proves about itself, as answers show it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.v1.schemas.base import Position, Shape
from api.v1.schemas.events import EventRecord

_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Size = Annotated[int, Field(ge=0, description="events, from the first position on")]


class Proof(Shape):
    """That an event is in the log, or that the log goes on from an earlier one."""

    position: Annotated[Position | None, Field(description="of the event, of an inclusion")] = None
    digest: Annotated[_Hash | None, Field(description="of the event; the entry of the leaf")] = None
    leaf_hash: Annotated[_Hash | None, Field(description="SHA-256 of 0x00 and the digest")] = None
    size: Annotated[_Size | None, Field(description="of the tree, of an inclusion")] = None
    root: Annotated[_Hash | None, Field(description="of that tree")] = None
    from_size: Annotated[
        _Size | None, Field(alias="from", description="of the earlier tree, of a consistency")
    ] = None
    to: Annotated[_Size | None, Field(description="of the later tree")] = None
    from_root: Annotated[_Hash | None, Field(description="of the earlier tree")] = None
    to_root: Annotated[_Hash | None, Field(description="of the later tree")] = None
    proof: Annotated[list[_Hash], Field(description="hashes as RFC 6962 orders them")]


class SignedCheckpoint(Shape):
    """A checkpoint that was signed."""

    size: _Size
    root: _Hash
    signed_at: datetime
    note: Annotated[str, Field(description="the signed note, to the byte")]


class SignedCheckpoints(Shape):
    """Checkpoints that were signed, the newest first."""

    checkpoints: list[SignedCheckpoint]


class AuditPage(Shape):
    """Events that an auditor asked for, and where to go on."""

    events: list[EventRecord]
    next: Annotated[int, Field(ge=0, description="`after` of the page after this one")]
    head: Position
    up_to_date: Annotated[bool, Field(description="nothing was beyond this page")]


class VerificationFinding(Shape):
    """One thing that is wrong."""

    session_id: Annotated[UUID | None, Field(description="null for the log as a whole")]
    code: Annotated[str, Field(description="as the reports of repair name it")]
    sequence: Annotated[int | None, Field(description="of the first event that is bad")]
    detail: str


class VerificationReport(Shape):
    """What a verification came to."""

    ok: bool
    sessions: Annotated[int, Field(ge=0)]
    events: Annotated[int, Field(ge=0)]
    findings: list[VerificationFinding]
    findings_omitted: Annotated[
        int, Field(ge=0, description="how many more stand in the lines of their sessions alone")
    ]
