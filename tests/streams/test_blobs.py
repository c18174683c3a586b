"""Blobs as streams: in constant memory both ways, and nothing stays of what breaks off."""

import asyncio
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import psycopg
import pytest

from infrastructure.postgres.store import open_store
from tests.support.postgres import Server
from tests.support.processes import Cairn, serving
from tests.support.sse import eventually

MEBIBYTE = 1024 * 1024
BLOBS = "/v1/apps/shop/users/ada/blobs"


@pytest.fixture(scope="module")
def own_url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="module")
def process(own_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cairn]:
    with serving(own_url, tmp_path_factory.mktemp("blobs")) as (process,):
        yield process


@pytest.fixture
def server(process: Cairn) -> Cairn:
    if not process.is_alive:
        process.start()
    return process


def stored(url: str) -> tuple[int, int]:
    """Return how many pieces there are, and of how many blobs or uploads."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select (select count(*) from blob_chunks), (select count(*) from blobs)"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


async def up_and_down(server: Cairn, size: int) -> int:
    """Send a blob in pieces and read it back, and return by how much the server grew."""
    piece = os.urandom(MEBIBYTE // 4)
    pieces = [piece[n % 256 :] + piece[: n % 256] for n in range(size // len(piece))]
    hashed = sha256(b"".join(pieces))

    async def sent() -> Any:
        for one in pieces:
            yield one

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=120) as client:
        # What any first transfer loads is not what this one holds.
        await client.post(BLOBS, content=piece)
        before = server.rss()
        answer = await client.post(BLOBS, content=sent())
        assert answer.status_code == 201, answer.text
        assert answer.json()["blob"] == f"sha256:{hashed.hexdigest()}"
        read = sha256()
        async with client.stream("GET", answer.headers["location"]) as download:
            assert download.headers["content-length"] == str(size)
            async for one in download.aiter_bytes():
                read.update(one)
    assert read.digest() == hashed.digest()
    return server.rss() - before


async def test_a_large_one_is_never_in_memory_as_a_whole(server: Cairn):
    assert await up_and_down(server, 16 * MEBIBYTE) < 8 * MEBIBYTE


@pytest.mark.hunt
async def test_the_largest_one_is_never_in_memory_as_a_whole(server: Cairn, measured: Any):
    grown = await up_and_down(server, 64 * MEBIBYTE)

    measured("RSS after 64 MiB up and down, MB more", grown // MEBIBYTE)
    assert grown < 12 * MEBIBYTE


async def sending(server: Cairn, url: str) -> socket.socket:
    """Begin to send a blob, and return when a part of it is stored."""
    before, _ = stored(url)
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = f"POST {BLOBS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {9 * MEBIBYTE}\r\n\r\n"
    await asyncio.to_thread(connection.sendall, head.encode() + os.urandom(2 * MEBIBYTE))
    await eventually(lambda: stored(url)[0] > before, "a piece is stored")
    return connection


async def test_nothing_is_kept_of_what_is_broken_off(server: Cairn, own_url: str):
    before = stored(own_url)

    with await sending(server, own_url):
        pass

    await eventually(lambda: stored(own_url) == before, "nothing of it is left")


async def test_nothing_stays_for_good_of_what_came_before_a_kill(server: Cairn, own_url: str):
    before = stored(own_url)

    with await sending(server, own_url):
        server.kill()
    assert stored(own_url) != before
    async with open_store(own_url) as store:
        await store.blobs.sweep(timedelta(days=1), timedelta(0), 100)

    assert stored(own_url) == before
