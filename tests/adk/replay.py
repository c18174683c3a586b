"""Plays an exchange that was recorded from google-adk's own server, and compares field by field.

What stands for ids, times and hosts in a recording is told in `docs/coming-from-adk.md`; its cases
do not depend on each other, but want a store of their own.
"""

import base64
import http.client
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Json = dict[str, Any]
_PLACEHOLDER = re.compile(r"<(?:id:\d+|time|host|dir|repeat:.:\d+)>")
_REPEAT = re.compile(r"<repeat:(.):(\d+)>")
_ID = re.compile(r"<id:\d+>")
_SECONDS = 60


def play(base_url: str, case: Json, between: Callable[[], None] | None = None) -> list[str]:
    """Play a case with what comes before and after it, and return what is different.

    Args:
        base_url: Of the server.
        case: As it was recorded.
        between: What was done before its own request by other means.
    """
    host = base_url.split("//")[-1]
    ids: dict[str, str] = {}
    found: list[str] = []
    leaves = "disconnect" in case["tags"]
    for exchange in case.get("setup", ()):
        found += _played(host, exchange, ids)
    if between is not None:
        between()
    rest = [case, *case.get("after", ())]
    at_once = [one for one in rest if "concurrent" in one]
    if at_once:
        found += _played_at_once(host, at_once)
    for exchange in rest:
        if exchange not in at_once:
            found += _played(host, exchange, ids, leaves=leaves and exchange is case)
    return found


def _played(host: str, exchange: Json, ids: dict[str, str], *, leaves: bool = False) -> list[str]:
    asked = exchange["request"]
    at = f"{asked['method']} {asked['path'][:80]}"
    frames = len(exchange["response"].get("sse_frames", ())) if leaves else None
    try:
        status, headers, body = _send(host, asked, ids, frames)
    except KeyError as missing:
        return [f"{at}: it needs {missing}, which no answer had"]
    return [f"{at}: {one}" for one in _differs(status, headers, body, exchange, ids)]


def _played_at_once(host: str, exchanges: list[Json]) -> list[str]:
    """Send requests at once; which of them was refused is not fixed, how many were is.

    What changes or deletes a session in the middle of a run is sent when that has said something.
    """
    run = exchanges[0]["request"]
    others = [one["request"]["method"] for one in exchanges[1:]]
    with ThreadPoolExecutor(len(exchanges)) as pool:
        sent = [pool.submit(_send, host, run, {}, None)]
        if run["path"] in ("/run", "/run_sse") and others in (["DELETE"], ["PATCH"]):
            _wait_for_an_answer(host, run["json"])
        sent += [pool.submit(_send, host, one["request"], {}, None) for one in exchanges[1:]]
        here = sorted(one.result()[0] for one in sent)
    there = sorted(one["response"]["status"] for one in exchanges)
    return [] if there == here else [f"statuses {there} there, {here} here"]


def _wait_for_an_answer(host: str, run: Json) -> None:
    at = f"/apps/{run['appName']}/users/{run['userId']}/sessions/{run['sessionId']}"
    asked: Json = {"method": "GET", "path": at, "query": None}
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        events = json.loads(_send(host, asked, {}, None)[2])["events"]
        if any(event["author"] != "user" for event in events):
            return
        time.sleep(0.02)


def _send(
    host: str, asked: Json, ids: dict[str, str], frames: int | None
) -> tuple[int, Any, bytes]:
    body = None
    if "json" in asked:
        body = json.dumps(_walked(asked["json"], ids, host)).encode()
    elif "text" in asked:
        body = _expanded(asked["text"], ids, host).encode()
    elif "base64" in asked:
        body = base64.b64decode(asked["base64"])
    headers = {k: _expanded(v, ids, host) for k, v in asked.get("headers", {}).items()}
    target = _expanded(asked["path"], ids, host)
    if asked["query"] is not None:
        target += "?" + asked["query"]
    connection = http.client.HTTPConnection(host, timeout=_SECONDS)
    try:
        connection.putrequest(
            asked["method"], target, skip_host="host" in headers, skip_accept_encoding=True
        )
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None or asked["method"] in ("POST", "PUT", "PATCH"):
            connection.putheader("content-length", str(len(body or b"")))
        connection.endheaders(body)
        answer = connection.getresponse()
        if frames is not None:
            # A client that leaves: it has read two lines of each frame, and closes.
            read = b"".join(answer.readline() for _ in range(2 * frames))
            return answer.status, answer.headers, read
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def _expanded(text: str, ids: dict[str, str], host: str) -> str:
    text = _REPEAT.sub(lambda found: found[1] * int(found[2]), text)
    return _ID.sub(lambda found: ids[found[0]], text).replace("<host>", host)


def _walked(value: Any, ids: dict[str, str], host: str) -> Any:
    if value == "<time>":
        return time.time()
    if isinstance(value, str):
        return _expanded(value, ids, host)
    if isinstance(value, list):
        return [_walked(item, ids, host) for item in value]
    if isinstance(value, dict):
        return {
            _expanded(name, ids, host): _walked(item, ids, host) for name, item in value.items()
        }
    return value


def _differs(
    status: int, headers: Any, body: bytes, exchange: Json, ids: dict[str, str]
) -> list[str]:
    wanted = exchange["response"]
    if status != wanted["status"]:
        return [f"status {wanted['status']} there, {status} here: {body[:2000]!r}"]
    found = [
        one
        for name, value in wanted["headers"].items()
        if name != "transfer-encoding"
        for one in different(value, headers.get(name) or "", ids, f"header {name}")
    ]
    if "json" in wanted:
        found += different(unechoed(wanted["json"]), json.loads(body), ids)
    elif "sse_frames" in wanted:
        lines = body.decode().split("\n")
        frames = [json.loads(line[5:]) for line in lines if line.startswith("data:")]
        found += different(wanted["sse_frames"], frames, ids)
    elif "text" in wanted:
        found += different(wanted["text"], body.decode(), ids)
    return found


def unechoed(value: Any) -> Any:
    """Return an answer without what FastAPI repeats of a request that it refuses."""
    if isinstance(value, dict):
        refusal = {"loc", "type"} <= value.keys()
        kept = {k: v for k, v in value.items() if not (refusal and k in ("input", "ctx"))}
        return {name: unechoed(item) for name, item in kept.items()}
    return [unechoed(item) for item in value] if isinstance(value, list) else value


def different(wanted: Any, got: Any, ids: dict[str, str], at: str = "") -> list[str]:
    """Return where a value is not what was recorded; what placeholders stand for is learnt."""
    if wanted == "<time>":
        return [] if isinstance(got, int | float | str) else [f"{at}: {got!r} is no time"]
    if isinstance(wanted, str) and _PLACEHOLDER.search(wanted):
        return _different_text(wanted, got, ids, at)
    if isinstance(wanted, dict) and isinstance(got, dict):
        there = {_ID.sub(lambda m: ids.get(m[0], m[0]), k): v for k, v in wanted.items()}
        got = {k: v for k, v in got.items() if not (k == "ctx" and "loc" in got)}
        missing = [f"{at}.{name} is missing" for name in there.keys() - got.keys()]
        more = [f"{at}.{name} is more" for name in got.keys() - there.keys()]
        inside = [
            one
            for name in there.keys() & got.keys()
            for one in different(there[name], got[name], ids, f"{at}.{name}")
        ]
        return [*missing, *more, *inside]
    if isinstance(wanted, list) and isinstance(got, list):
        if len(wanted) != len(got):
            return [f"{at}: {len(wanted)} items there, {len(got)} here"]
        return [
            one
            for index, pair in enumerate(zip(wanted, got, strict=True))
            for one in different(*pair, ids, f"{at}[{index}]")
        ]
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (wanted, got))
    same = wanted == got and (numbers or type(wanted) is type(got))
    return [] if same else [f"{at}: {wanted!r} there, {got!r} here"]


def _different_text(wanted: str, got: Any, ids: dict[str, str], at: str) -> list[str]:
    if not isinstance(got, str):
        return [f"{at}: {wanted!r} there, {got!r} here"]
    pattern, names = "", list[str]()
    whole = _REPEAT.sub(lambda found: found[1] * int(found[2]), wanted)
    for part in re.split(r"(<(?:id:\d+|time|host|dir)>)", whole):
        if _ID.fullmatch(part):
            names.append(part)
            pattern += "([0-9a-fA-F-]{8,})"
        else:
            pattern += ".+?" if _PLACEHOLDER.fullmatch(part) else re.escape(part)
    match = re.fullmatch(pattern, got, re.DOTALL)
    if match is None:
        return [f"{at}: {wanted[:200]!r} there, {got[:200]!r} here"]
    pairs = zip(names, match.groups(), strict=True)
    return [
        f"{at}: {name} was {ids[name]}, and is {said} now"
        for name, said in pairs
        if ids.setdefault(name, said) != said
    ]
