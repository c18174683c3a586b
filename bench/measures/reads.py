"""Reading: a long session at once, nothing new, one user's list, and the whole tail."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import chain
from statistics import median
from time import perf_counter

import msgspec

from bench import cairn, floors, load
from bench.figures import Figure, Target, at_least, at_most
from bench.lab import Lab
from bench.wire import Client, Request, UnexpectedAnswer, get

_SNAPSHOT_MS = 30.0
_UNCHANGED_MS = 2.0
_LIST_TIMES = 3
_OF_PAGES = 0.45
_PAGE = 1_000
_TAIL_SESSIONS = 50  # over which the events of the tail are spread


async def snapshot(lab: Lab) -> list[Figure]:
    """The snapshot of a long session, and the answer that it has not changed."""
    server, floor = await lab.cairn(), await lab.floor()
    events = lab.sizes.snapshot_events
    (session,) = await cairn.new_sessions(server, 1)
    await cairn.grow(server, [session], events - 1)
    floors.seed_log(lab.floor_database, "long", events)
    lab.postgres.settle()
    whole = cairn.snapshot(session)
    client = await Client.connect(server.port)
    answer = (await client.send(whole)).expect(200)
    client.close()
    etag = answer.header("etag")
    if etag is None:
        raise UnexpectedAnswer("the snapshot carries no ETag")
    unchanged = get(whole.path, If_None_Match=etag)
    ours, least = await _alternate(lab, server.port, whole, floor.port, get("/all/long"))
    same, least_same = await _alternate(
        lab, server.port, unchanged, floor.port, get("/unchanged/long"), expect=304
    )
    return [
        Figure(
            measure="snapshot",
            title=f"snapshot of {events:,} events, p50",
            value=median(ours),
            unit="ms",
            floor=median(least),
            floor_name="one SELECT, stored rows joined",
            target=at_most(median(ours), _SNAPSHOT_MS, f"at most {_SNAPSHOT_MS:g} ms"),
            detail={"p99_ms": load.percentile(ours, 99), "bytes": len(answer.body)},
        ),
        Figure(
            measure="snapshot",
            title="the same, unchanged (304), p50",
            value=median(same),
            unit="ms",
            floor=median(least_same),
            floor_name="one SELECT of the head",
            target=Target(f"below {_UNCHANGED_MS:g} ms", median(same) < _UNCHANGED_MS),
            detail={"p99_ms": load.percentile(same, 99)},
        ),
    ]


async def listing(lab: Lab) -> list[Figure]:
    """50 of one user's sessions, in a small store and in one ten times as large."""
    server, floor = await lab.cairn(), await lab.floor()
    own = lab.sizes.listed_own
    user = f"list-{cairn.session_id()}"
    await cairn.new_sessions(server, own, user)
    client = await Client.connect(server.port)
    page = cairn.read_list((await client.send(cairn.list_of(user))).expect(200).body)
    client.close()
    figures: list[Figure] = []
    stored, first = own, 0.0
    for total in lab.sizes.listed:
        started = perf_counter()
        requests = (
            cairn.create(cairn.session_id(), f"user-{number % 1000}")
            for number in range(stored, total)
        )
        await load.send_all(server.port, requests)
        seeded = perf_counter() - started
        stored = total
        floors.seed_list(lab.floor_database, total, own, bytes(page.sessions[0]))
        lab.postgres.spread_sessions()
        lab.postgres.settle()
        ours, least = await _alternate(
            lab, server.port, cairn.list_of(user), floor.port, get("/list/own")
        )
        value = median(ours)
        first = first or value
        floor_ms = median(least)
        met = value <= _LIST_TIMES * floor_ms and value <= 1.2 * first
        figures.append(
            Figure(
                measure="list",
                title=f"50 of a user's {own:,} sessions, {total:,} in the store, p50",
                value=value,
                unit="ms",
                floor=floor_ms,
                floor_name="one SELECT of such documents by index",
                target=Target(f"at most {_LIST_TIMES} x the floor, same at both sizes (20 %)", met),
                detail={"p99_ms": load.percentile(ours, 99), "seeding_s": seeded},
            )
        )
    return figures


async def tail(lab: Lab) -> list[Figure]:
    """Many events through JSON pages: the global feed, and session by session."""
    server, floor = await lab.cairn(), await lab.floor()
    per_session = lab.sizes.tail_events // _TAIL_SESSIONS
    client = await Client.connect(server.port)
    head = (await client.send(cairn.page_of_all(0, 1))).expect(200).json()["head"]
    limit = await cairn.page_limit(client, _PAGE)
    client.close()  # a server may close what is idle for as long as the seeding takes
    sessions = await cairn.new_sessions(server, _TAIL_SESSIONS)
    await cairn.grow(server, sessions, per_session - 1)
    floors.seed_log(lab.floor_database, "feed", lab.sizes.tail_events)
    topics = [f"mixed-{number}" for number in range(_TAIL_SESSIONS)]
    floors.seed_mixed_logs(lab.floor_database, topics, per_session)
    lab.postgres.settle()
    everything, least, by_session, least_mixed = await load.alternate(
        lab.sizes.rounds,
        partial(_timed, server.port, partial(_read_all, after=head, limit=limit)),
        partial(
            _timed, floor.port, partial(_read_floor, topics=["feed"], each=lab.sizes.tail_events)
        ),
        partial(_timed, server.port, partial(_read_sessions, sessions=sessions, limit=limit)),
        partial(_timed, floor.port, partial(_read_floor, topics=topics, each=per_session)),
    )
    pages = f"SELECT, rows joined, pages of {_PAGE:,}"
    return [
        Figure(
            measure="tail",
            title=f"{name}: {lab.sizes.tail_events:,} events in pages of {limit:,}",
            value=median(rates),
            unit="events/s",
            floor=median(floor_rates),
            floor_name=floor_name,
            target=at_least(
                median(rates), _OF_PAGES * median(floor_rates), f"at least {_OF_PAGES} of the floor"
            ),
            detail={"runs": rates, "floor": floor_rates},
            note="" if limit == _PAGE else f"the server grants {limit} a page, not {_PAGE:,}",
        )
        for name, rates, floor_rates, floor_name in (
            ("GET /v1/events", everything, least, pages),
            # The events of sessions that are written at one time lie between one another.
            ("GET /v1/sessions/{id}/events", by_session, least_mixed, f"{pages}, as mixed"),
        )
    ]


async def _alternate(
    lab: Lab, port: int, request: Request, floor_port: int, floor: Request, expect: int = 200
) -> tuple[list[float], list[float]]:
    """Samples of a read and of its floor, taken in turn by one client."""
    each = max(10, lab.sizes.samples // lab.sizes.rounds)
    for warm_port, warm in ((port, request), (floor_port, floor)):
        await load.latencies(warm_port, [warm] * 5, [expect])
    ours, least = await load.alternate(
        lab.sizes.rounds,
        partial(load.latencies, port, [request] * each, [expect]),
        partial(load.latencies, floor_port, [floor] * each, [expect]),
    )
    return list(chain.from_iterable(ours)), list(chain.from_iterable(least))


async def _timed(port: int, read: Callable[[Client], Awaitable[int]]) -> float:
    """Events per second of one reader, on a connection of its own."""
    client = await Client.connect(port)
    started = perf_counter()
    events = await read(client)
    took = perf_counter() - started
    client.close()
    return events / took


async def _read_all(client: Client, after: int, limit: int) -> int:
    read = 0
    while True:
        answer = await client.send(cairn.page_of_all(after, limit))
        page = cairn.read_page(answer.expect(200).body)
        read += len(page.events)
        if page.up_to_date:
            return read
        after = page.next


async def _read_sessions(client: Client, sessions: list[str], limit: int) -> int:
    read = 0
    for session in sessions:
        since = 0
        while True:
            answer = await client.send(cairn.page_of_session(session, since, limit))
            page = cairn.read_page(answer.expect(200).body)
            read += len(page.events)
            since = page.next
            if page.up_to_date:
                break
    return read


class _Rows(msgspec.Struct):
    events: list[msgspec.Raw]


async def _read_floor(client: Client, topics: Sequence[str], each: int) -> int:
    read = 0
    decode = msgspec.json.Decoder(_Rows).decode
    for topic in topics:
        after = 0
        while after < each:
            answer = await client.send(get(f"/page/{topic}/{after}/{_PAGE}"))
            after += len(decode(answer.expect(200).body).events)
        read += after
    return read
