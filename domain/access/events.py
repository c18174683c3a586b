"""What can happen in the log of accesses, which a store has one of."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from domain.log.event_types import event

AccessTo = Literal["audit_events", "erasure", "export", "verification", "webhook_secret"]
"""What only the privileged may read, or have erased."""

ACCESS_LOG = uuid5(NAMESPACE_URL, "cairn:accesses")
"""The id of the log, in every store."""


@event("access.granted")
class AccessGranted:
    """Somebody was let read what only the privileged may; the record says who, when and whence.

    `session_id` and `webhook_id` say of what, when it is of one only. `where` is what was asked
    for, as parameters of the request and without those that only turn pages.
    """

    to: AccessTo
    session_id: UUID | None = None
    webhook_id: UUID | None = None
    where: Mapping[str, str] = field(default_factory=dict[str, str])
