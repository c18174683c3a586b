"""Blobs over HTTP: sent and read as they are, named by messages, and hostile to nobody."""

import socket
from base64 import b64encode
from hashlib import sha256
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.support.api import HELLO, Api, SessionApi, done, refused

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2
PNG_TYPE = {"content-type": "image/png"}


def name_of(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def repr_digest(content: bytes) -> str:
    return f"sha-256=:{b64encode(sha256(content).digest()).decode()}:"


def blobs_of(session: SessionApi) -> str:
    return f"/v1/apps/{session.app}/users/{session.user}/blobs"


def send(session: SessionApi, content: bytes = PNG, **headers: str) -> httpx.Response:
    given = {**PNG_TYPE, **headers}
    return session.api.request("POST", blobs_of(session), content=content, headers=given)


def image(name: str) -> dict[str, str]:
    return {"type": "image", "blob": name}


NOTE = {"type": "runtime.notice", "data": {"level": "info", "text": "on it"}}


def test_it_is_sent_and_read_as_it_is(session: SessionApi) -> None:
    name, path = name_of(PNG), f"{blobs_of(session)}/{name_of(PNG)}"

    sent = send(session)

    told = {"blob": name, "size": len(PNG), "media_type": "image/png"}
    assert done(sent, 201) == told
    assert (sent.headers["location"], sent.headers["etag"]) == (path, f'"{name}"')
    read = session.api.get(path)
    assert (read.status_code, read.content) == (200, PNG)
    head = session.api.request("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    for answer in (read, head):
        headers = answer.headers
        assert headers["content-type"] == "image/png"
        assert headers["content-length"] == str(len(PNG))
        assert headers["etag"] == f'"{name}"'
        assert headers["repr-digest"] == repr_digest(PNG)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-disposition"] == "attachment"
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert headers["cache-control"] == "private, max-age=86400, immutable"
        assert headers["vary"] == "Authorization"


def test_sent_again_it_is_the_same(session: SessionApi) -> None:
    path = f"{blobs_of(session)}/{name_of(PNG)}"
    done(session.api.request("PUT", path, content=PNG, headers=PNG_TYPE), 201)

    told = done(session.api.request("PUT", path, content=PNG, headers=PNG_TYPE))

    assert done(send(session, **{"content-type": "text/html"})) == told


def test_one_that_was_sent_by_mistake_is_deleted_and_one_that_is_named_is_not(
    session: SessionApi,
) -> None:
    send(session)
    path = f"{blobs_of(session)}/{name_of(PNG)}"

    assert done(session.api.request("DELETE", path)) == {"blob": name_of(PNG)}
    refused(session.api.get(path), 404, "blob_not_found")
    refused(session.api.request("DELETE", path), 404, "blob_not_found")
    send(session)
    session.post("/messages", {"role": "user", "parts": [image(name_of(PNG))]})
    refused(session.api.request("DELETE", path), 409, "blob_named")
    assert session.api.get(path).content == PNG


def test_a_client_that_has_it_is_not_sent_it_again(session: SessionApi) -> None:
    send(session)
    path, etag = f"{blobs_of(session)}/{name_of(PNG)}", f'"{name_of(PNG)}"'

    for given in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = session.api.get(path, headers={"If-None-Match": given})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    for given in ('"x"', "x"):
        assert session.api.get(path, headers={"If-None-Match": given}).status_code == 200


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=5-", 5, 520), ("bytes=-3", 517, 520), ("bytes=7-9999", 7, 520),
     ("Bytes = 1 - 2", 1, 3)],
)  # fmt: skip
def test_a_range_of_it(session: SessionApi, asked: str, start: int, end: int) -> None:
    send(session)
    path = f"{blobs_of(session)}/{name_of(PNG)}"

    part = session.api.get(path, headers={"Range": asked, "If-Range": f'"{name_of(PNG)}"'})

    assert (part.status_code, part.content) == (206, PNG[start:end])
    assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{len(PNG)}"
    whole = session.api.get(path, headers={"Range": asked, "If-Range": '"x"'})
    assert (whole.status_code, whole.content) == (200, PNG)


def test_a_range_that_makes_no_sense_counts_as_none(session: SessionApi) -> None:
    send(session)
    path = f"{blobs_of(session)}/{name_of(PNG)}"
    for asked in ("bytes=3-1", "lines=0-1", "bytes=0-1,3-4", "bytes=-", "x", "bytes=a-b"):
        assert session.api.get(path, headers={"Range": asked}).status_code == 200
    for asked in ("bytes=520-", "bytes=-0", f"bytes={10**18}-"):
        answer = session.api.get(path, headers={"Range": asked})
        refused(answer, 416, "range_not_satisfiable", size=len(PNG))
        assert answer.headers["content-range"] == f"bytes */{len(PNG)}"


@pytest.mark.parametrize("header", ["Repr-Digest", "Content-Digest"])
def test_what_is_not_what_was_promised_is_not_kept(session: SessionApi, header: str) -> None:
    path, other = f"{blobs_of(session)}/{name_of(PNG)}", repr_digest(b"other")

    refused(send(session, **{header: other}), 422, "digest_mismatch", came=name_of(PNG))
    put = session.api.request("PUT", path, content=PNG + b"!", headers=PNG_TYPE)
    refused(put, 422, "digest_mismatch", came=name_of(PNG + b"!"))
    for wrong in ("sha-256=x", "sha-256=:x:", "sha-256=:eA==:"):
        refused(send(session, **{header: wrong}), 400, "malformed_header")
    refused(session.api.get(path), 404, "blob_not_found")
    promised = f"sha-512=:eA==:, {repr_digest(PNG)};q=1"
    assert send(session, **{header: promised}).status_code == 201


def test_what_is_no_blob_is_refused(session: SessionApi) -> None:
    path = blobs_of(session)
    refused(send(session, b""), 422, "invalid", field="body")
    for media_type in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        answer = send(session, **{"content-type": media_type})
        assert "a form" in refused(answer, 415, "unsupported_media_type")["detail"]
    refused(send(session, **{"content-encoding": "gzip"}), 415, "unsupported_media_type")
    for media_type in ("image", "image/", "image/png, text/html", "a/" + "b" * 200):
        answer = send(session, **{"content-type": media_type})
        refused(answer, 400, "malformed_header")
    for name in ("x", "sha256:x", name_of(PNG).upper()):
        put = session.api.request("PUT", f"{path}/{name}", content=PNG, headers=PNG_TYPE)
        refused(put, 422, "invalid", field="blob")
        refused(session.api.get(f"{path}/{name}"), 404, "blob_not_found")
    for header in ("If-Match", "Idempotency-Key"):
        refused(send(session, **{header: '"1"'}), 400, "malformed_header")
    blank = session.api.request("POST", "/v1/apps/%20/users/x/blobs", content=PNG)
    refused(blank, 422, "invalid", field="app")


def test_without_a_type_it_is_bytes(session: SessionApi) -> None:
    answer = session.api.request("POST", blobs_of(session), content=PNG)
    assert done(answer, 201)["media_type"] == "application/octet-stream"


def test_names_of_any_letters(api: Api) -> None:
    session = api.create(app="a/b ü", user=f"ada/{uuid4().hex}")
    path = f"/v1/apps/a%2Fb%20%C3%BC/users/{session.user.replace('/', '%2F')}/blobs"
    sent = api.request("POST", path, content=PNG, headers=PNG_TYPE)
    assert done(sent, 201)["blob"] == name_of(PNG)
    assert api.get(sent.headers["location"]).content == PNG
    done(session.post("/messages", {"role": "user", "parts": [image(name_of(PNG))]}), 201)


def test_a_message_names_it_and_the_session_gives_it_out(session: SessionApi) -> None:
    name = done(send(session), 201)["blob"]
    shown = {**image(name), "media_type": "image/png", "name": "a.png"}
    parts = [{"type": "text", "text": "Look"}, shown]

    done(session.post("/messages", {"role": "user", "parts": parts}), 201)

    (said,) = done(session.get("/messages"))["messages"]
    assert said["parts"] == parts
    blob = {"blob": name, "size": len(PNG), "media_type": "image/png"}
    assert done(session.get("/blobs")) == {"blobs": [blob], "next_cursor": None}
    assert session.get(f"/blobs/{name}").content == PNG
    other = session.api.create(app=session.app, user=session.user)
    refused(other.get(f"/blobs/{name}"), 404, "blob_not_found")


def test_all_that_can_name_it(session: SessionApi) -> None:
    names = [done(send(session, bytes([n])), 201)["blob"] for n in range(9)]
    created = session.api.post(
        "/v1/sessions",
        {
            "app": session.app, "user": session.user,
            "messages": [{"role": "user", "parts": [image(names[0])]}],
        },
    )  # fmt: skip
    made = SessionApi(session.api, done(created, 201)["session"])
    done(made.post("/turns", {"input": {"parts": [image(names[1])]}, "turn_id": "t1"}), 201)
    made.record(
        ("agent.message", {"parts": [image(names[2])], "message_id": "m1"}),
        ("tool.called", {"tool_call_id": "c", "name": "shot", "input": {}}),
        ("tool.returned", {"tool_call_id": "c", "output": [image(names[3])]}),
        ("tool.called", {"tool_call_id": "d", "name": "shot", "input": {}}),
        ("tool.returned", {"tool_call_id": "d", "output": {"content": [image(names[4])]}}),
    )
    done(made.post("/inputs", {"inputs": [{"id": "i1", "parts": [image(names[5])]}]}), 202)
    done(made.patch("/inputs/i1", {"parts": [image(names[6])]}))
    made.complete("t1")
    done(made.patch("/messages/m1", {"parts": [image(names[7])]}))
    fork = SessionApi(session.api, done(made.post("/fork", {}), 201)["session"])

    listed = done(made.get("/blobs", params={"limit": 5}))

    rest = done(made.get("/blobs", params={"limit": 5, "cursor": listed["next_cursor"]}))
    found = [one["blob"] for one in listed["blobs"] + rest["blobs"]]
    assert (found, rest["next_cursor"]) == (sorted(names[:8]), None)
    assert [one["blob"] for one in done(fork.get("/blobs"))["blobs"]] == sorted(names[:8])
    refused(made.get("/blobs", params={"cursor": "x"}), 400, "invalid_cursor")


def test_an_event_that_names_what_is_not_there_is_kept_verbatim_with_the_rest(
    session: SessionApi,
) -> None:
    missing = name_of(b"missing")
    done(send(session), 201)
    session.start()
    parts = [image(name_of(PNG)), image(missing)]
    events = [{"type": "agent.message", "data": {"parts": parts[:n]}} for n in (2, 1)]

    body = {"events": events, "on_invalid": "keep"}
    (kept,) = done(session.post("/turns/t1/events", body))["kept"]

    assert (kept["index"], kept["code"]) == (0, "blob_missing")
    instead, recorded = done(session.get("/events?last=2"))["events"]
    assert (instead["type"], instead["data"]["data"]) == ("runtime.event", events[0])
    assert recorded["data"]["parts"] == parts[:1]
    assert [one["blob"] for one in done(session.get("/blobs"))["blobs"]] == [name_of(PNG)]


def test_what_is_not_there_cannot_be_named(session: SessionApi) -> None:
    missing, stranger = name_of(b"missing"), session.api.create(app=session.app)
    send(stranger, b"theirs")
    session.start()
    with session.nothing_recorded():
        for name in (missing, name_of(b"theirs")):
            told = {"role": "user", "parts": [*HELLO, image(name)]}
            refused(session.post("/messages", told), 422, "blob_missing", blobs=[name])
            event = {"type": "agent.message", "data": {"parts": [image(name)]}}
            answer = session.post("/turns/t1/events", {"events": [NOTE, event]})
            refused(answer, 422, "blob_missing", blobs=[name], index=1)
    # What only looks as if it named one is kept as it came.
    other = {"type": "hologram", "blob": missing}
    done(session.post("/messages", {"role": "user", "parts": [other]}), 201)
    session.record(
        ("tool.called", {"tool_call_id": "c", "name": "x", "input": {}}),
        ("tool.returned", {"tool_call_id": "c", "output": [image(missing)]}),
    )
    assert done(session.get("/blobs"))["blobs"] == []


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"blob": "sha256:x"}, "hex"),
        ({"blob": name_of(b"").upper()}, "hex"),
        ({"blob": ""}, "must not be empty"),
        ({"blob": 1}, "blob"),
        ({"blob": name_of(b""), "url": "https://a.example"}, "alone"),
        ({"blob": name_of(b""), "data": "eA=="}, "alone"),
    ],
)
def test_a_part_that_names_no_blob(session: SessionApi, part: dict[str, object], said: str) -> None:
    body = {"role": "user", "parts": [{"type": "file", **part}]}
    with session.nothing_recorded():
        assert said in refused(session.post("/messages", body), 422, "invalid")["detail"]


def test_a_message_that_was_accepted_stays_so_when_it_is_sent_again(session: SessionApi) -> None:
    name = done(send(session), 201)["blob"]
    body = {"role": "user", "parts": [image(name)], "id": "m1"}
    key = {"Idempotency-Key": "k"}
    first = done(session.post("/messages", body, headers=key), 201)

    again = session.post("/messages", body, headers=key)

    assert (done(again, 201), again.headers["idempotent-replayed"]) == (first, "true")


def test_one_that_is_too_large_is_refused_before_it_came(session: SessionApi) -> None:
    """The client says how much it has, and need not send it."""
    place = urlsplit(session.api.base_url)
    request = f"POST {blobs_of(session)} HTTP/1.1\r\nHost: {place.netloc}\r\n"
    length = f"Content-Length: {64 * 1024 * 1024 + 1}\r\n\r\n"
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        connection.sendall(f"{request}{length}".encode())
        answer = connection.recv(65536).decode()

    assert answer.startswith("HTTP/1.1 413 ")
    assert '"code":"blob_too_large"' in answer
