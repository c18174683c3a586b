"""One list over several servers: each session once and in order, whoever comes and goes."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest

from application.ports.managers.session_managers import (
    ManagerAnswer,
    ManagerStream,
    ManagerUnreachable,
)
from application.ports.managers.session_routes import SessionRoute
from application.use_cases.managers import forwarded_lists
from application.use_cases.managers.forwarded_lists import (
    AT_ONCE,
    Asked,
    ForwardedLists,
    Found,
    ListPlace,
    moment_of,
    told_moment,
)
from infrastructure.memory.managers.session_routes import MemorySessionRoutes

NOON = "2026-04-01T12:00:{:02}.123456{:03}Z"


class FakeManagers:
    """Managers that page as Cairn does, or say all that they have in no order.

    Args:
        have: The sessions of each: id and when it began.
        paging: Those that page.
    """

    def __init__(self, have: Mapping[str, Mapping[str, str]], paging: Sequence[str] = ()) -> None:
        self.have = have
        self.paging = paging
        self.gone: dict[str, str] = {}
        self.targets: list[str] = []
        self.asking = self.most_at_once = 0
        self.default = None

    @property
    def names(self) -> Sequence[str]:
        return tuple(self.have)

    async def ask(
        self, manager: str, method: str, target: str, body: bytes = b"", *, seconds: float
    ) -> ManagerAnswer:
        assert (method, body) == ("GET", b"")
        assert 0 < seconds <= forwarded_lists.READ_SECONDS
        self.targets.append(target)
        self.asking += 1
        self.most_at_once = max(self.most_at_once, self.asking)
        await asyncio.sleep(0)
        self.asking -= 1
        if manager in self.gone:
            raise ManagerUnreachable(manager, self.gone[manager])
        listed = list(self.have[manager].items())
        following = None
        if manager in self.paging:
            query = dict(parse_qsl(urlsplit(target).query))
            listed.sort(key=lambda one: (told_moment(one[1]), one[0]), reverse=True)
            if "created_until" in query:
                until = told_moment(query["created_until"])
                listed = [one for one in listed if told_moment(one[1]) <= until]
            start, limit = int(query.get("cursor", 0)), int(query["limit"])
            if len(listed) > start + limit:
                following = f"http://elsewhere/?cursor={start + limit}&limit={limit}"
            listed = listed[start : start + limit]
        told = [
            {"id": name, "user_id": "ada", "status": "active", "created_at": at}
            for name, at in listed
        ]
        return ManagerAnswer(200, json.dumps({"sessions": told}).encode(), following)

    async def open(
        self, manager: str, method: str, target: str, body: bytes, headers: Mapping[str, bytes]
    ) -> ManagerStream:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


async def routed(managers: FakeManagers, *, besides: Sequence[str] = ()) -> ForwardedLists:
    """Return the lists of managers whose sessions have an alias here, but for some."""
    routes = MemorySessionRoutes()
    for manager, sessions in managers.have.items():
        for remote_id in sessions:
            if remote_id not in besides:
                await routes.add(
                    SessionRoute(
                        public_id=uuid4(), manager=manager, remote_id=remote_id, app="a",
                        user="ada", scope="user", team=None,
                    )
                )  # fmt: skip
    return ForwardedLists(managers, routes)


def _all(_: SessionRoute) -> bool:
    return True


async def page(
    lists: ForwardedLists, after: ListPlace | None, most: int
) -> tuple[list[ListPlace], Found]:
    """Return a page as a door makes it, and what it was made of."""
    found = await lists.list(Asked({}, after, most + 1, _all))
    return sorted((one.place for one in found.sessions), reverse=True)[:most], found


async def walk(lists: ForwardedLists, most: int) -> list[str]:
    seen: list[str] = []
    after: ListPlace | None = None
    while True:
        shown, found = await page(lists, after, most)
        assert not found.unreachable
        seen += [place.session_id for place in shown]
        if len(found.sessions) <= most:
            return seen
        after = shown[-1]


HAVE = {
    "cairn": {f"c{n}": NOON.format(n // 2, 0) for n in range(9)},  # two of each time
    "proxy": {f"p{n}": NOON.format(n, n) for n in (5, 0, 3, 1, 4)},
    "other": {f"o{n}": NOON.format(0, 0) for n in range(4)},  # all of one time
}


@pytest.mark.parametrize("most", [1, 2, 3, 50])
async def test_each_session_is_on_one_page_and_the_newest_first(most: int):
    lists = await routed(FakeManagers(HAVE, paging=("cairn", "other")))
    seen = await walk(lists, most)
    assert sorted(seen) == sorted(name for some in HAVE.values() for name in some)
    times = {name: told_moment(at) for some in HAVE.values() for name, at in some.items()}
    assert [times[one] for one in seen] == sorted(times.values(), reverse=True)


async def test_a_manager_that_goes_and_comes_back_neither_doubles_nor_hides_others():
    managers = FakeManagers(HAVE, paging=("cairn",))
    lists = await routed(managers)
    seen: list[str] = []
    after: ListPlace | None = None
    for number in range(20):
        managers.gone = {"other": "timeout"} if number % 2 else {"cairn": "status-500"}
        shown, found = await page(lists, after, 2)
        assert found.unreachable == managers.gone
        if not shown:
            break
        seen += [place.session_id for place in shown]
        after = shown[-1]
    assert len(seen) == len(set(seen))
    assert set(HAVE["proxy"]) <= set(seen)


async def test_sessions_without_an_alias_use_up_no_page():
    managers = FakeManagers({"cairn": HAVE["cairn"]}, paging=("cairn",))
    lists = await routed(managers, besides=[f"c{n}" for n in range(2, 9)])
    shown, found = await page(lists, None, 1)
    assert [one.session_id for one in shown] == ["c1"]
    assert len(found.sessions) == 2
    # It went on by the cursor of the manager, and asked where it has always asked.
    assert len(managers.targets) == 5
    assert all(one.startswith("/api/v1/sessions?") for one in managers.targets)


async def test_what_two_managers_call_alike_is_a_session_of_each():
    managers = FakeManagers(
        {
            "b": {"r1": NOON.format(1, 0)},
            "c": {"r1": NOON.format(2, 0), "r2": NOON.format(3, 0)},
        }
    )
    routes, ids = MemorySessionRoutes(), {}
    for manager, remote_id, user in (("b", "r1", "ada"), ("c", "r1", "ada"), ("c", "r2", "bob")):
        ids[manager, remote_id] = public_id = uuid4()
        await routes.add(
            SessionRoute(
                public_id=public_id, manager=manager, remote_id=remote_id, app="a", user=user,
                scope="user", team=None,
            )
        )  # fmt: skip
    asked = Asked({}, None, 10, lambda route: route.user == "ada")

    found = await ForwardedLists(managers, routes).list(asked)

    told = sorted(
        (one.place.manager, one.place.session_id, one.info["id"]) for one in found.sessions
    )
    assert told == [("b", "r1", str(ids["b", "r1"])), ("c", "r1", str(ids["c", "r1"]))]


async def test_one_whose_pages_never_end_is_left():
    class Loop(FakeManagers):
        async def ask(self, *args: str, seconds: float, **more: bytes) -> ManagerAnswer:  # type: ignore[override]
            return ManagerAnswer(200, b'{"sessions":[]}', "/?cursor=same")

    lists = await routed(Loop({"m": {}}))
    assert (await page(lists, None, 1))[1] == Found([], {"m": "no-progress"})


async def test_a_bounded_number_of_managers_is_asked_at_once():
    managers = FakeManagers({f"m{n}": {f"s{n}": NOON.format(n, 0)} for n in range(3 * AT_ONCE)})
    lists = await routed(managers)
    shown, _ = await page(lists, None, 100)
    assert len(shown) == 3 * AT_ONCE
    assert managers.most_at_once == AT_ONCE


async def test_time_runs_out_for_all_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forwarded_lists, "LIST_SECONDS", 0.0)
    managers = FakeManagers(HAVE)
    _, found = await page(await routed(managers), None, 1)
    assert found.unreachable == dict.fromkeys(HAVE, "timeout")
    assert managers.targets == []


@pytest.mark.parametrize(
    ("told", "nanoseconds"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T01:00:01.5+01:00", 1_500_000_000),
        ("1970-01-01t00:00:00.1234567899z", 123_456_789),
        ("0001-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00+14:00", 0),
        ("9999-12-31T23:59:59-14:00", 0),
        ("2026-02-30T00:00:00Z", 0),
        ("2026-02-03T00:00:00+99:00", 0),
        ("2026-02-03", 0),
        ("", 0),
    ],
)
def test_times_are_read_to_the_nanosecond(told: str, nanoseconds: int):
    assert told_moment(told) == nanoseconds
    assert moment_of(nanoseconds) - moment_of(0) == timedelta(microseconds=nanoseconds // 1000)
