"""How a server of a test ends without leaving a connection half made."""

import asyncio

_TURNS = 10


async def stop_listening(server: asyncio.Server) -> None:
    """Take no more connections; those that were taken are served on.

    A connection that is accepted while asyncio closes its server is never closed, and some later
    test is blamed for it. So those are given the few turns of the loop that they need first.

    Args:
        server: Of `asyncio.start_server`, in this loop.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()
