"""All that was recorded from google-adk's own server: 520 cases, by how they are played here.

`golden.json` has those that say something of their own. The `same` ones were recorded from another
backend of that server, and were equal in all but their names to the case of the same name from the
database; playing one plays both.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_SESSIONS = 25
_EVENTS = 500
_USER = re.compile(r"/users/([\w-]+)/")


@cache
def recorded() -> tuple[list[Json], list[str]]:
    """The cases that say something of their own, and the names of those that repeat one."""
    told: Json = json.loads((Path(__file__).parent / "golden.json").read_text())
    return [whole(case) for case in told["cases"]], told["same"]


def whole(case: Json) -> Json:
    """A case with what was cut from it when it was written down."""
    name, _, backend = case["name"].partition("@")
    user = _USER.search("\n".join(one["request"]["path"] for one in exchanges(case)))
    if backend != "db" and user is not None:
        # Each backend had a store of its own.
        text = json.dumps(case).replace(f"/users/{user[1]}/", f"/users/{user[1]}-{backend}/")
        case = json.loads(
            text.replace(f'"userId": "{user[1]}"', f'"userId": "{user[1]}-{backend}"')
        )
    if any("/artifacts" in one["request"]["path"] for one in exchanges(case)):
        case = json.loads(json.dumps(case).replace("memory://", "cairn://"))
    if name.startswith("artifact-"):
        # There an artifact needs no session; here it belongs to one.
        at = case["request"]["path"].partition("/sessions/")[0] + "/sessions"
        setup = case.get("setup", [])
        begun = {one["request"].get("json", {}).get("sessionId") for one in setup}
        more = [beginning(at, name) for name in ("s1", "s2") if name not in begun]
        case["setup"] = [*more, *setup]
    if name == "list-many":
        first, last = case["setup"]
        numbers = range(1, _SESSIONS - 1)
        more = [json.loads(json.dumps(first).replace("s00", f"s{n:02}")) for n in numbers]
        return {**case, "setup": [first, *more, last]}
    if name == "create-events-500":
        asked, answered = case["request"]["json"], case["response"]["json"]
        for body in (asked, answered):
            first, second = body["events"]
            step = second["timestamp"] - first["timestamp"]
            body["events"] = [
                {**first, "id": f"e{n:03}", "timestamp": first["timestamp"] + n * step}
                for n in range(_EVENTS)
            ]
    return case


def beginning(path: str, session: str) -> Json:
    """The beginning of a session, which the case does without."""
    request = {"method": "POST", "path": path, "query": None, "json": {"sessionId": session}}
    request["headers"] = {"content-type": "application/json"}
    *_, app, _, user, _ = path.split("/")
    shown = {"id": session, "appName": app, "userId": user, "state": {}, "events": []}
    answer = {"status": 200, "headers": {}, "json": {**shown, "lastUpdateTime": "<time>"}}
    return {"request": request, "response": answer}


def exchanges(case: Json) -> Iterator[Json]:
    yield from case.get("setup", ())
    yield case
    yield from case.get("after", ())


def has_runs(case: Json) -> bool:
    """Whether an agent is asked for, or would be if the request made sense."""
    return any(
        one["request"]["method"] == "POST" and one["request"]["path"].startswith("/run")
        for one in exchanges(case)
    )


def cases(*, runs: bool) -> list[Json]:
    """The cases in which agents run, or the others."""
    return [case for case in recorded()[0] if has_runs(case) is runs]
