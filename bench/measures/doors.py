"""What an append costs by each door, beside the same natively."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from statistics import quantiles
from time import perf_counter

import msgspec

from bench import cairn
from bench.figures import Figure, at_most
from bench.lab import Lab
from bench.wire import Client, Request, UnexpectedAnswer, post
from domain.request_signature import SIGNATURE, TIMESTAMP, sign
from infrastructure.keys.sealing import make_sealing_key

_RATIO = 1.3
_PAIRS = 300
_WARM = 20
_SECRET = "bench"
_USER = "bench-user"
_Make = Callable[[str], Request]


async def doors(lab: Lab) -> list[Figure]:
    """One client adds a message natively and by a door, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder, "key")
        make_sealing_key(key)
        environment = {
            "CAIRN_DOORS": "adk,agentapi,docker-agent",
            "SESSION_MANAGER_HMAC_SECRET": _SECRET,
            "CAIRN_SECRETS_KEY_FILE": str(key),
        }
        await lab.rest()
        async with lab.own_cairn(environment=environment) as server:
            client = await Client.connect(server.port)
            try:
                return [
                    await _measured(client, name, begin, append, reads_id)
                    for name, begin, append, reads_id in _DOORS
                ]
            finally:
                client.close()


async def _measured(
    client: Client, name: str, begin: Callable[[], Request], append: _Make, reads_id: str
) -> Figure:
    native = cairn.session_id()
    await _sent(client, cairn.create(native))
    made = msgspec.json.decode(await _sent(client, begin()))[reads_id]
    sides: tuple[Callable[[], Request], ...] = (
        partial(cairn.append, native),
        partial(append, made),
    )
    told: tuple[list[float], list[float]] = ([], [])
    for pair in range(_WARM + _PAIRS):
        for at in (0, 1) if pair % 2 else (1, 0):
            request = sides[at]()
            began = perf_counter()
            await _sent(client, request)
            told[at].append(1000 * (perf_counter() - began))
    # Those aside that something else has held up.
    ours, natively = (quantiles(side[_WARM:], n=4)[0] for side in (told[1], told[0]))
    return Figure(
        measure="doors",
        title=f"append by the {name} door, beside a native one",
        value=ours,
        unit="ms",
        floor=natively,
        floor_name="natively",
        target=at_most(ours / natively, _RATIO, f"at most {_RATIO} x the native one"),
    )


async def _sent(client: Client, request: Request) -> bytes:
    answer = await client.send(request)
    if not 200 <= answer.status < 300:
        raise UnexpectedAnswer(f"{request.path}: {answer.status} {answer.body[:200]!r}")
    return answer.body


def _signed(request: Request) -> Request:
    timestamp = str(int(time.time()))
    target = request.path.encode()
    shown = sign(_SECRET.encode(), request.method, target, timestamp, request.body)
    headers = ((SIGNATURE, shown), (TIMESTAMP, timestamp), ("X-Forwarded-User", _USER))
    return Request(request.method, request.path, request.body, headers)


_ids = count(1)


def _of_agentapi(session: str) -> Request:
    # Two that are alike in one second would be one.
    return _signed(post(f"/{session}/messages", cairn.body(next(_ids))))


def _of_adk(session: str) -> Request:
    said = {"role": "user", "parts": [{"text": cairn.text()}]}
    event = {"id": f"e{next(_ids)}", "author": "user", "invocationId": "i", "content": said}
    path = f"/apps/{cairn.APP}/users/{_USER}/sessions/{session}/events"
    return post(path, {"event": event})


def _of_docker_agent(session: str) -> Request:
    message = {"agentName": "", "message": {"role": "user", "content": cairn.text()}}
    return post(f"/api/sessions/{session}/messages", {"message": message})


def _begun_by_agentapi() -> Request:
    return _signed(post("/api/v1/sessions", {"session": {"user_id": _USER}}))


_DOORS: tuple[tuple[str, Callable[[], Request], _Make, str], ...] = (
    ("agentapi", _begun_by_agentapi, _of_agentapi, "session_id"),
    ("adk", partial(post, f"/apps/{cairn.APP}/users/{_USER}/sessions", {}), _of_adk, "id"),
    ("docker-agent", partial(post, "/api/sessions", {"title": "t"}), _of_docker_agent, "id"),
)
