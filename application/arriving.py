"""What is imported, while somebody is still sending it."""

import asyncio
from typing import BinaryIO


class Arriving:
    """A file that grows until all of it has come.

    Args:
        file: Where it is put; it can be read at any place.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._size = 0
        self._is_whole = False
        self._fault: Exception | None = None
        self._moved = asyncio.Event()

    def take(self, piece: bytes) -> None:
        """Put the next bytes behind those that are there.

        Args:
            piece: The bytes.

        Raises:
            OSError: There is no room for them.
        """
        self.file.write(piece)
        # Others read it by its descriptor.
        self.file.flush()
        self._size += len(piece)
        self._moved.set()

    def end(self, fault: Exception | None = None) -> None:
        """Say that nothing more comes.

        Args:
            fault: Why, if it is not whole: whoever waits for more of it is told.
        """
        self._is_whole, self._fault = True, fault
        self._moved.set()

    async def upto(self, size: int | None) -> int:
        """Wait until so many bytes are there, or all; return how many there are.

        Args:
            size: How many; None waits for all of it.

        Raises:
            Exception: What it has ended with before they were.
        """
        while not self._is_whole and (size is None or self._size < size):
            self._moved.clear()
            await self._moved.wait()
        if self._fault is not None:
            raise self._fault
        return self._size
