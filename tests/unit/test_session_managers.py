"""Session managers: the file that names them, and what they are asked."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from application.ports.managers.session_managers import ManagerUnreachable
from infrastructure.clock import SystemClock
from infrastructure.keys.owner_only_file import KeyFileError
from infrastructure.outgoing.session_managers import HttpSessionManagers, Manager, read_managers

GOOD = '[[manager]]\nid = "b"\nurl = "https://b.example/base/"\nhmac_secret = "s3cr3t"\n'


def written(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "managers.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_managers_are_read_in_their_order(tmp_path: Path):
    text = GOOD + GOOD.replace('"b"', '"c.2"') + "default = true\n"
    one, other = read_managers(written(tmp_path, text))
    assert (one.name, one.url, one.secret) == ("b", "https://b.example/base", b"s3cr3t")
    assert (other.name, one.default, other.default) == ("c.2", False, True)
    assert "s3cr3t" not in repr(one)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must have tables"),
        ("manager = 1", "must have tables"),
        (GOOD + "[other]\n", "must have tables"),
        (GOOD + GOOD, "have one id"),
        (f"{GOOD}default = true\n" + GOOD.replace('"b"', '"c"') + "default = true", "default"),
        (GOOD.replace('"b"', '"b b"'), "no usable id"),
        (GOOD.replace('"b"', "1"), "no usable id"),
        (GOOD.replace('"s3cr3t"', '""'), "no hmac_secret"),
        (GOOD.replace('"s3cr3t"', '" "'), "no hmac_secret"),
        (GOOD.replace("https:", "ftp:"), "no usable url"),
        (GOOD.replace("https://", "https://user:pass@"), "no usable url"),
        (GOOD.replace("base/", "base?a=b"), "no usable url"),
        (GOOD.replace("https://b.example/base/", "http://"), "no usable url"),
        (GOOD + 'default = "yes"\n', "not true or false"),
        (GOOD + 'secret = "s3cr3t"\n', "other keys"),
        (GOOD.replace('"s3cr3t"', "s3cr3t"), "is no TOML"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, text: str, says: str):
    with pytest.raises(KeyFileError, match=says) as refused:
        read_managers(written(tmp_path, text))
    assert "s3cr3t" not in str(refused.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path):
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_managers(written(tmp_path, GOOD, 0o644))


@pytest.mark.parametrize(("method", "asked"), [("GET", 3), ("POST", 2)])
async def test_a_read_is_sent_again_where_a_kept_connection_ends(method: str, asked: int):
    """What writes may have been done, and is not sent twice."""
    seen = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                seen += 1
                if seen == 2:
                    break
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        others = HttpSessionManagers(
            lambda: (Manager("b", f"http://127.0.0.1:{port}", b"s3cr3t"),), SystemClock()
        )
        try:
            first = await others.ask("b", method, "/x", seconds=60)
            assert (first.status, first.body) == (200, b"ok")
            if method == "GET":
                assert (await others.ask("b", method, "/x", seconds=60)).body == b"ok"
            else:
                with pytest.raises(ManagerUnreachable):
                    await others.ask("b", method, "/x", seconds=60)
        finally:
            await others.close()
    assert seen == asked
