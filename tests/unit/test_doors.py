"""Doors beside each other, each with its own way in and its own errors; routing that is honest."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from api.doors import Door, Doors, origin_of
from api.http.around.authorization import principal_of
from api.http.around.middleware import RequestMiddleware
from api.http.around.site_guard import SiteGuard
from api.http.incoming.bodies import read_body
from api.http.incoming.requests import HttpRequest, header
from api.http.outgoing.problems import Problem, answer_error
from api.http.outgoing.responses import Reply, to_json
from api.http.routing import Route, Router, RoutingError, delete, get, patch, post, put
from application.limits.limiter import Limiter, PrincipalLimits
from application.memory_budget import MemoryBudget
from domain.principal import Principal
from infrastructure.clock import SystemClock
from infrastructure.memory.access.allowances import MemoryAllowances


class _Services:
    memory = MemoryBudget()
    limiter = Limiter(MemoryAllowances(SystemClock()), PrincipalLimits(), UUID(int=1))

    class settings:  # noqa: N801 - a name of the real ones
        max_body_bytes = 1000


def ask(doors: ASGIApp, method: str, path: str, **how: Any) -> httpx.Response:
    async def asked() -> httpx.Response:
        app = RequestMiddleware(doors, lifespan=Litestar([], logging_config=None), access_log=False)
        app.services = _Services()
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, **how)

    return asyncio.run(asked())


async def who(request: HttpRequest) -> ASGIResponse:
    return Reply(
        to_json({"actor": principal_of(request).actor, "origin": origin_of(request)})
        + await read_body(request)
    )


async def fail(request: HttpRequest) -> ASGIResponse:
    raise RuntimeError("the secret of the house")


async def anyone(_: HttpRequest) -> Principal:
    return Principal(actor="anonymous")


async def signed(request: HttpRequest) -> Principal:
    """Let those in who sign the body: what a bearer token in front of all doors made impossible."""
    if header(request, b"x-signature") != str(len(await read_body(request))):
        raise Problem("unauthorized", "sign the body")
    return Principal(actor="peer:7")


def in_own_words(error: Exception, request_id: str) -> ASGIResponse:
    status = 401 if isinstance(error, Problem) else 418
    return Reply(to_json({"oops": type(error).__name__, "id": request_id}), status=status)


def native(*routes: Route, **changed: Any) -> Door:
    values: dict[str, Any] = {
        "routes": routes,
        "authenticate": anyone,
        "answer_error": answer_error,
        "origin": "http",
    }
    return Door("native", "", **{**values, **changed})


def foreign(*routes: Route, prefix: str = "/foreign", **changed: Any) -> Door:
    values: dict[str, Any] = {
        "routes": routes,
        "authenticate": signed,
        "answer_error": in_own_words,
        "origin": "http",
    }
    return Door("foreign", prefix, **{**values, **changed})


# ── doors ────────────────────────────────────────────────────────────────────────────────────


def test_a_door_has_its_own_way_in_and_its_own_errors():
    doors = Doors(
        [native(get("/who", right=None)(who)), foreign(post("/foreign/who", right=None)(who))]
    )

    assert ask(doors, "GET", "/who").json() == {"actor": "anonymous", "origin": "http"}
    signature = {"X-Signature": "3"}
    let_in = ask(doors, "POST", "/foreign/who", content=b" {}", headers=signature)
    assert let_in.text == '{"actor":"peer:7","origin":"http"} {}'
    refused = ask(doors, "POST", "/foreign/who", content=b"{}", headers={"X-Request-Id": "r1"})
    assert (refused.status_code, refused.json()) == (401, {"oops": "Problem", "id": "r1"})
    nothing = ask(doors, "GET", "/foreign/none", headers={"X-Signature": "0"})
    assert (nothing.status_code, nothing.json()["oops"]) == (418, "NotFoundException")
    ours = ask(doors, "GET", "/foreigners")
    assert ours.json()["code"] == "not_found"


def test_a_door_that_fails_everywhere_harms_no_other(caplog: pytest.LogCaptureFixture):
    async def fail_at_the_door(request: HttpRequest) -> Principal:
        raise RuntimeError("the secret of the house")

    def fail_again(error: Exception, request_id: str) -> ASGIResponse:
        raise RuntimeError("the secret of the house")

    broken = foreign(
        get("/foreign/x", right=None)(fail), authenticate=fail_at_the_door, answer_error=fail_again
    )
    doors = Doors([broken, native(get("/who", right=None)(who), get("/fail", right=None)(fail))])

    for path in ("/foreign/x", "/foreign", "/foreign/y"):
        answer = ask(doors, "GET", path)
        assert (answer.status_code, answer.content) == (500, b"")
    assert "the door foreign cannot answer an error" in caplog.text
    assert ask(doors, "GET", "/who").status_code == 200
    failed = ask(doors, "GET", "/fail")
    assert (failed.status_code, failed.json()["code"]) == (500, "internal_error")
    assert "secret" not in failed.text


def test_what_a_browser_may_not_do_is_refused_in_the_words_of_the_door():
    doors = Doors(
        [native(post("/who", right=None)(who)), foreign(post("/foreign/who", right=None)(who))]
    )
    guarded = SiteGuard(doors, answer_error=doors.answer_error, asks_for_token=lambda: True)
    cross = {"Sec-Fetch-Site": "cross-site", "X-Request-Id": "r1"}

    refused = ask(guarded, "POST", "/foreign/who", headers=cross)
    assert (refused.status_code, refused.json()) == (401, {"oops": "Problem", "id": "r1"})
    assert ask(guarded, "POST", "/who", headers=cross).json()["code"] == "cross_site"


def test_a_page_without_an_origin_is_of_no_host_not_even_of_one_without_a_name():
    doors = Doors([native(post("/who", right=None)(who))])
    guarded = SiteGuard(doors, answer_error=doors.answer_error, asks_for_token=lambda: True)
    for host in ("", "a.example"):
        headers = {"Origin": "null", "Host": host}
        assert ask(guarded, "POST", "/who", headers=headers).json()["code"] == "cross_site"
    ours = {"Origin": "https://a.example", "Host": "a.example"}
    assert ask(guarded, "POST", "/who", headers=ours).status_code == 200


def test_a_closed_door_has_no_paths():
    doors = Doors([native(), foreign(get("/foreign/who", right=None)(who), enabled=False)])

    assert ask(doors, "GET", "/foreign/who").json()["code"] == "not_found"


@pytest.mark.parametrize("first", ["foreign", "other"])
def test_a_path_that_doors_share_is_of_the_first_of_them(first: str):
    def named(name: str) -> Door:
        async def say(_: HttpRequest) -> ASGIResponse:
            return Reply(to_json(name))

        routes = get("/probe", right=None)(say), get(f"/{name}/x", right=None)(say)
        return foreign(*routes, prefix=f"/{name}", shared=("/probe",), authenticate=anyone)

    two = sorted((named("foreign"), named("other")), key=lambda one: one.prefix != f"/{first}")
    native_too = native(get("/probe", right=None)(who))
    doors = Doors([native_too, *two])

    assert ask(doors, "GET", "/probe").json() == first
    assert ask(doors, "GET", "/foreign/x").json() == "foreign"
    assert ask(doors, "GET", "/other/x").json() == "other"
    closed = Doors([native_too, *(replace(one, enabled=False) for one in two)])
    assert ask(closed, "GET", "/probe").json() == {"actor": "anonymous", "origin": "http"}


@pytest.mark.parametrize(
    ("doors", "why"),
    [
        ([native(), native()], "the same prefix"),
        ([foreign(get("/elsewhere", right=None)(who))], "does not begin with /foreign"),
        ([foreign(origin="supervision")], "what the server does by itself"),
    ],
)
def test_doors_that_cannot_be_are_refused_at_the_start(doors: list[Door], why: str):
    with pytest.raises(RoutingError, match=why):
        Doors(doors)


# ── routes ───────────────────────────────────────────────────────────────────────────────────


def test_a_guard_that_refuses_refuses():
    asked: list[str] = []

    async def let_pass(request: HttpRequest) -> None:
        asked.append(request.scope["path_params"]["name"])

    async def deny(_: HttpRequest) -> None:
        raise Problem("forbidden", "not you")

    routes = [
        decorator("/x/{name:str}", right=None, guards=[let_pass, deny])(fail)
        for decorator in (get, post, put, patch, delete)
    ]
    doors = Doors([native(*routes, get("/open/{name:str}", right=None, guards=[let_pass])(who))])

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        answer = ask(doors, method, "/x/n")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert ask(doors, "GET", "/open/m").status_code == 200
    assert asked == ["n"] * 5 + ["m"]


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (["/apps/{app:str}/x", "/apps/{app_name:str}/y"], "another path has 'app'"),
        (["/a/{b:str}", "/a/{b:path}"], "another path has 'b'"),
        (["/a/{number:int}"], "is no word"),
        (["/a/{number}"], "is no word"),
        (["/a/b{number:str}"], "is no word"),
        (["/a//b"], "is no word"),
        (["/a/{rest:path}/b"], "nothing can follow"),
        (["a"], "must begin with a slash"),
        (["/a", "/a"], "is there twice"),
    ],
)
def test_paths_that_cannot_be_honoured_are_refused_at_the_start(paths: list[str], why: str):
    with pytest.raises(RoutingError, match=why):
        Router([get(path, right=None)(who) for path in paths])


def test_a_route_takes_only_what_it_honours():
    for promise in ("status_code", "dependencies", "middleware", "before_request", "cache"):
        with pytest.raises(TypeError):
            get("/x", right=None, **{promise: None})


def test_a_route_without_a_right_does_not_start():
    declare: Any = get
    with pytest.raises(TypeError, match="right"):
        declare("/x")
