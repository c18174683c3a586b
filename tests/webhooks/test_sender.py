"""Whom this server calls and whom it does not, whatever a name stands for."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from infrastructure.outgoing.late_sender import LateSender
from infrastructure.outgoing.webhook_sender import HttpSender, is_public, resolve
from tests.support.receiver import Answer, Receiver, receiving
from tests.support.tasks import no_task_left

BODY = b'{"events":[]}'
HEADERS = {"webhook-id": "msg_1"}
PUBLIC = "93.184.216.34"
NAME = "hooks.example.test"


class Names:
    """What names stand for, as long as the test says so."""

    def __init__(self, *answers: Sequence[str] | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return list(answer)


def sender(*answers: Sequence[str] | OSError, private: bool = True) -> HttpSender:
    names = Names(*answers)
    made = HttpSender(timeout=5.0, private_targets=private, resolver=names)
    made.names = names  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize(
    ("address", "public"),
    [
        (PUBLIC, True), ("8.8.8.8", True), ("1.1.1.1", True), ("2606:4700::1111", True),
        ("127.0.0.1", False), ("127.255.255.254", False), ("0.0.0.0", False), ("10.1.2.3", False),
        ("172.16.0.1", False), ("172.31.255.255", False), ("172.32.0.1", True),
        ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("192.0.2.1", False), ("198.18.0.1", False), ("224.0.0.1", False), ("240.0.0.1", False),
        ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1", False),
        ("fe80::1%eth0", False), ("fc00::1", False), ("fd12::1", False), ("ff02::1", False),
        ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", False), ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False), ("2001::1", False), ("2001:db8::1", False),
        ("192.0.0.192", False), ("192.0.0.9", False), ("192.88.99.1", False), ("fec0::1", False),
        ("feff::1", False), ("64:ff9b:1::a00:1", False), ("3fff::1", False), ("5f00::1", False),
        ("64:ff9b::808:808", False), ("2001:200::1", True), ("2a00:1450:4001::1", True),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f.0.0.1:8080/",
        "http://localhost/", "http://[::1]/", "http://[::ffff:127.0.0.1]/",
        "http://0/", "https://169.254.169.254/latest/meta-data", "http://[fe80::1]/",
    ],
)  # fmt: skip
async def test_a_way_to_write_this_machine_or_its_neighbours_is_refused(url: str) -> None:
    # By the resolver of the system: that is who knows these forms.
    refusal = await HttpSender(timeout=1.0).refusal(url)

    assert refusal is not None
    assert await HttpSender(timeout=1.0, private_targets=True).refusal(url) is None


async def test_a_url_that_is_understood_in_more_than_one_way_is_refused() -> None:
    for private in (False, True):
        one = HttpSender(timeout=1.0, private_targets=private)
        assert await one.refusal("http://0177.0.0.1/") == "the URL cannot be understood"


async def test_a_name_of_a_private_address_is_refused_with_what_to_do() -> None:
    refusal = await sender(["10.0.0.7"], private=False).refusal(f"https://{NAME}/")

    assert refusal is not None
    assert "CAIRN_WEBHOOK_PRIVATE_TARGETS" in refusal
    assert "10.0.0.7" not in refusal


async def test_a_name_with_one_private_address_among_others_is_refused() -> None:
    assert await sender([PUBLIC, "10.0.0.7"], private=False).refusal(f"https://{NAME}/")
    assert await sender([PUBLIC], private=False).refusal(f"https://{NAME}/") is None


async def test_a_name_that_stands_for_nothing_yet_is_not_refused() -> None:
    assert await sender(OSError("no such host"), private=False).refusal(f"https://{NAME}/") is None


async def test_a_name_that_stands_for_something_else_by_now_is_not_called() -> None:
    async with receiving() as receiver:
        one = sender([PUBLIC], ["127.0.0.1"], private=False)
        url = f"http://{NAME}:{receiver.port}/hook"
        assert await one.refusal(url) is None
        connection = one.connect()

        receipt = await connection.send(url, HEADERS, BODY)
        await connection.close()

        assert (receipt.status, receiver.connections) == (0, 0)
        assert "private" in receipt.reason


async def test_the_address_that_was_looked_at_is_the_one_that_is_called() -> None:
    async with receiving() as receiver:
        # The system knows no such name: had it been asked again, nobody would be reached.
        one = sender(["127.0.0.1"])
        connection = one.connect()
        for _ in range(3):
            receipt = await connection.send(
                f"http://{NAME}:{receiver.port}/a?b=c%20d", HEADERS, BODY
            )
            assert receipt.is_delivered
        await connection.close()

        assert one.names.asked == [(NAME, receiver.port)]  # type: ignore[attr-defined]
        assert receiver.connections == 1
        message = receiver.messages[0]
        assert message.headers["host"] == f"{NAME}:{receiver.port}"
        assert (message.path, message.body) == ("/a?b=c%20d", BODY)
        assert message.headers["webhook-id"] == "msg_1"


async def test_another_address_is_tried_when_one_cannot_be_reached() -> None:
    async with receiving() as receiver:
        one = sender(["127.0.0.2", "127.0.0.1"])
        connection = one.connect()
        url = f"http://{NAME}:{receiver.port}/"
        for _ in range(2):
            assert (await connection.send(url, HEADERS, BODY)).is_delivered
        await connection.close()

        assert receiver.connections == 1


async def test_after_a_failure_the_name_is_looked_up_anew() -> None:
    async with receiving() as receiver:
        one = sender(["127.0.0.2"], ["127.0.0.1"])
        connection = one.connect()
        url = f"http://{NAME}:{receiver.port}/"
        assert (await connection.send(url, HEADERS, BODY)).status == 0
        assert (await connection.send(url, HEADERS, BODY)).is_delivered
        await connection.close()


async def test_a_name_that_cannot_be_resolved_is_a_failure() -> None:
    connection = sender(OSError("no such host")).connect()
    receipt = await connection.send(f"http://{NAME}/", HEADERS, BODY)
    await connection.close()

    assert receipt == (0, "the host name cannot be resolved: no such host", 0.0)


async def test_redirects_are_not_followed() -> None:
    async with receiving() as receiver, receiving() as elsewhere:
        receiver.always = Answer(307, headers={"location": elsewhere.url})
        connection = sender(["127.0.0.1"]).connect()
        receipt = await connection.send(receiver.url, HEADERS, BODY)
        await connection.close()

        assert receipt.status == 307
        assert receipt.reason == "the receiver answered 307, and redirects are not followed"
        assert elsewhere.connections == 0


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as receiver, receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        connection = sender(["127.0.0.1"]).connect()
        assert (await connection.send(receiver.url, HEADERS, BODY)).is_delivered
        await connection.close()

        assert proxy.connections == 0


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async with receiving() as receiver:
        receiver.always = Answer(200, body=b"x" * 3_000_000)
        connection = sender(["127.0.0.1"]).connect()
        for _ in range(2):
            assert (await connection.send(receiver.url, HEADERS, BODY)).is_delivered
        await connection.close()

        assert receiver.connections == 2


async def test_who_has_said_yes_need_not_come_to_an_end() -> None:
    held = asyncio.Event()

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nwell")
        await held.wait()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    connection = HttpSender(timeout=2.0, private_targets=True).connect()
    port = server.sockets[0].getsockname()[1]
    receipt = await connection.send(f"http://127.0.0.1:{port}/", HEADERS, BODY)
    held.set()
    await connection.close()
    server.close()
    await server.wait_closed()

    assert receipt == (200, "", 0.0)


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200"])
async def test_who_does_not_speak_http_is_a_failure(said: bytes) -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    connection = sender(["127.0.0.1"]).connect()
    port = server.sockets[0].getsockname()[1]
    receipt = await connection.send(f"http://{NAME}:{port}/", HEADERS, BODY)
    await connection.close()
    server.close()
    await server.wait_closed()

    assert receipt.status == 0
    assert receipt.reason.startswith("the connection failed")


async def test_who_takes_too_long_is_a_failure() -> None:
    with no_task_left():
        async with receiving() as receiver:
            receiver.always = Answer(200, gate=asyncio.Event())
            one = HttpSender(timeout=0.2, private_targets=True)
            connection = one.connect()
            receipt = await connection.send(receiver.url, HEADERS, BODY)
            await connection.close()

    assert receipt == (0, "no answer within 0.2 s", 0.0)


async def test_the_addresses_of_a_host_are_those_of_the_system() -> None:
    assert "127.0.0.1" in await resolve("localhost", 80)
    with pytest.raises(OSError, match=r".+"):
        await resolve("nobody.invalid", 80)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate for a name, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


async def test_a_certificate_is_held_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    made, key = certificate(tmp_path, NAME)
    of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_server.load_cert_chain(made, key)
    one = sender(["127.0.0.1"])
    one.tls = ssl.create_default_context(cafile=made)
    receiver: Receiver
    async with receiving(of_server) as receiver:
        mine, others = one.connect(), one.connect()
        receipt = await mine.send(f"https://{NAME}:{receiver.port}/", HEADERS, BODY)
        assert receipt.is_delivered, receipt
        # Though there is a connection to that very address, it is none to this name.
        url = f"https://other.example.test:{receiver.port}/"
        for connection in (others, mine):
            refused = await connection.send(url, HEADERS, BODY)
            assert refused.status == 0, "it must not trust the certificate of another name"
        await mine.close()
        await others.close()

    assert [message.headers["host"] for message in receiver.messages] == [f"{NAME}:{receiver.port}"]


async def test_what_takes_long_is_loaded_once() -> None:
    one = HttpSender(timeout=1.0)
    await one.prepare()
    loaded = one.__dict__["tls"]
    await one.prepare()

    assert one.tls is loaded


async def test_the_sender_is_loaded_when_it_is_needed() -> None:
    late = LateSender(timeout=1.0)
    with pytest.raises(RuntimeError, match="prepared before it connects"):
        late.connect()
    assert await late.refusal("http://localhost/hook") is not None
    await late.prepare()
    await late.connect().close()
