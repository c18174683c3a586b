"""Freeing blobs that nobody needs any more."""

from datetime import timedelta

from application.ports.blobs.freeing import BlobFreeing

_AT_ONCE = 10
"""Each may be large, and all of them are freed in one transaction."""

_STALLED = timedelta(hours=1)
"""A server gives up on whoever sends nothing for a minute: nobody sends an upload this old."""


class BlobSweeper:
    """Frees what was not sent to its end, and what no session names any more.

    Args:
        blobs: Where they are kept.
        grace: How long what no session names is kept.
    """

    def __init__(self, blobs: BlobFreeing, grace: timedelta) -> None:
        self._blobs = blobs
        self._grace = grace

    async def round(self) -> float:
        """Free some, and return the seconds until the next look."""
        swept = await self._blobs.sweep(self._grace, _STALLED, _AT_ONCE)
        return 0.1 if swept >= _AT_ONCE else 60.0
