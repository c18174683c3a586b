"""Artifacts by the ADK door."""

import base64
from typing import Any

import httpx
import pytest

from tests.adk.test_sessions import Place, ok, quoted, said

Json = dict[str, Any]
ALL_BYTES = bytes(range(256))


class Shelf:
    """The artifacts of a session that no other test has."""

    def __init__(self, client: httpx.Client) -> None:
        self.place = Place(client)
        self.place.create(sessionId="s")
        self.client, self.path = client, f"{self.place.path}/s/artifacts"

    def save(self, name: str, part: Json, **more: Any) -> httpx.Response:
        return self.client.post(self.path, json={"filename": name, "artifact": part, **more})

    def get(self, path: str = "", **query: Any) -> httpx.Response:
        return self.client.get(f"{self.path}{path}", params=query)


@pytest.fixture
def shelf(adk: httpx.Client) -> Shelf:
    return Shelf(adk)


@pytest.mark.parametrize(
    ("part", "mime"),
    [
        ({"inlineData": {"data": "", "mimeType": "image/png"}}, "image/png"),
        ({"text": ""}, "text/plain"),
        ({"text": "Zoë \u0000 \U0001f600"}, "text/plain"),
        ({"text": "t", "thought": True, "partMetadata": {"k": None}}, "text/plain"),
        (
            {
                "inlineData": {
                    "data": base64.urlsafe_b64encode(ALL_BYTES).decode(),
                    "displayName": "n",
                    "mimeType": "image/png",
                }
            },
            "image/png",
        ),
        ({"fileData": {"fileUri": "gs://b/o", "mimeType": "a/b"}}, "a/b"),
        ({"fileData": {"fileUri": "gs://b/o"}}, None),
    ],
)
def test_a_part_comes_back_as_it_was(shelf: Shelf, part: Json, mime: str | None):
    told = ok(shelf.save("dir/a.b", part, custom_metadata={"k": None}))
    assert (told["version"], told.get("mimeType"), told["customMetadata"]) == (0, mime, {"k": None})
    at = f"cairn://apps/{shelf.place.app}/users/{shelf.place.user}/sessions/s/artifacts"
    assert told["canonicalUri"] == f"{at}/dir/a.b/versions/0"
    for path in ("/dir/a.b", "/dir%2Fa.b", "/dir/a.b/versions/0", "/dir/a.b/versions/latest"):
        assert ok(shelf.get(path)) == part
    assert ok(shelf.get("/dir/a.b/versions/latest/metadata")) == told
    assert ok(shelf.client.get(f"/api{shelf.path}")) == ["dir/a.b"]


def test_what_is_deleted_is_gone_and_nothing_else(shelf: Shelf):
    for name in ("a", "a/b", "user:a"):
        ok(shelf.save(name, {"text": "x"}))
    ok(shelf.save("a", {"text": "y"}))
    assert ok(shelf.client.delete(f"{shelf.path}/a")) is None
    assert ok(shelf.client.delete(f"{shelf.path}/a")) is None
    assert ok(shelf.get()) == ["a/b", "user:a"]
    assert shelf.get("/a").status_code == 404
    assert ok(shelf.get("/a/versions")) == []


def test_those_of_a_user_are_in_all_of_its_sessions_and_the_others_in_their_own(shelf: Shelf):
    ok(shelf.save("user:u", {"text": "shared"}))
    ok(shelf.save("own", {"text": "x"}))
    shelf.place.create(sessionId="other")
    other = f"{shelf.place.path}/other/artifacts"
    assert ok(shelf.client.get(other)) == ["user:u"]
    assert ok(shelf.client.get(f"{other}/user:u")) == {"text": "shared"}
    assert shelf.client.get(f"{other}/own").status_code == 404
    stranger = f"/apps/{shelf.place.app}/users/somebody/sessions"
    ok(shelf.client.post(stranger, json={"sessionId": "s"}))
    assert ok(shelf.client.get(f"{stranger}/s/artifacts")) == []


def test_a_fork_has_those_that_its_origin_had_by_then(shelf: Shelf):
    for name, text in (("a", "first"), ("b", "kept"), ("user:u", "shared")):
        ok(shelf.save(name, {"text": text}))
    (origin,) = ok(shelf.client.get("/v1/sessions", params={"app": shelf.place.app}))["sessions"]
    ok(shelf.place.append("s", said("hello", "e1")))
    ok(shelf.save("a", {"text": "second"}))
    body = {"at": origin["sequence"]}
    forked = shelf.client.post(f"/v1/sessions/{origin['id']}/fork", json=body)
    fork = f"{shelf.place.path}/{forked.json()['session']['id']}/artifacts"
    assert ok(shelf.client.get(fork)) == ["a", "b", "user:u"]
    assert ok(shelf.client.get(f"{fork}/a")) == {"text": "first"}
    third = {"filename": "a", "artifact": {"text": "third"}}
    assert ok(shelf.client.post(fork, json=third))["version"] == 1
    ok(shelf.client.delete(f"{fork}/b"))
    assert ok(shelf.client.get(f"{fork}/a")) == {"text": "third"}
    assert ok(shelf.client.get(fork)) == ["a", "user:u"]
    assert ok(shelf.get("/a/versions")) == [0, 1]
    assert ok(shelf.get("/a")) == {"text": "second"}
    assert ok(shelf.get()) == ["a", "b", "user:u"]


def test_they_belong_to_a_session_that_is_there(shelf: Shelf):
    ok(shelf.save("a", {"text": "x"}))
    ok(shelf.client.delete(f"{shelf.place.path}/s"))
    save = shelf.save("a", {"text": "x"})
    for answer in (save, shelf.get(), shelf.get("/a"), shelf.client.delete(f"{shelf.path}/a")):
        assert (answer.status_code, answer.json()) == (404, {"detail": "Session not found"})
    shelf.place.create(sessionId="s")
    assert ok(shelf.get()) == []


@pytest.mark.parametrize(
    "name",
    ["", " ", "/a", "a//b", "a/", ".", "a/../b", "a\u0000b", "a\nb", "x" * 513, "a/versions/b"],
)
def test_a_name_that_no_path_can_have_is_refused(shelf: Shelf, name: str):
    refused = shelf.save(name, {"text": "x"})
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("The name of the artifact ")
    assert ok(shelf.get()) == []


@pytest.mark.parametrize("name", ["a b", "50%", "a?b#c", "é", "versions", "x" * 512, "user:a:b"])
def test_names_of_all_kinds_can_be_addressed(shelf: Shelf, name: str):
    ok(shelf.save(name, {"text": name}))
    assert ok(shelf.get(f"/{quoted(name)}")) == {"text": name}
    assert ok(shelf.get(f"/{quoted(name)}/versions")) == [0]


def test_what_cannot_be_kept_is_refused(shelf: Shelf):
    for part in ({}, {"functionCall": {"name": "x"}}, {"fileData": {"fileUri": "artifact://a/b"}}):
        assert shelf.save("a", part).status_code == 400
    for part in ({"inlineData": {"data": "*"}}, {"text": 1}, None):
        assert shelf.save("a", part).status_code == 422  # type: ignore[arg-type]
    for kind in ("a\0", "\n", "x" * 256, "é", 5):
        for part in ({"inlineData": {"data": "aGk="}}, {"fileData": {"fileUri": "gs://a"}}):
            given = {name: {**value, "mimeType": kind} for name, value in part.items()}
            assert shelf.save("a", given).status_code == 422
    conditioned = {"If-Match": '"1"'}
    body = {"filename": "a", "artifact": {"text": "x"}}
    assert shelf.client.post(shelf.path, json=body, headers=conditioned).status_code == 400
    assert ok(shelf.get()) == []


def test_a_version_that_is_not_there_is_not_found(shelf: Shelf):
    ok(shelf.save("a", {"text": "x"}))
    for version in (-1, 1, 10**17):
        assert shelf.get("/a", version=version).status_code == 404
        assert shelf.get(f"/a/versions/{version}").status_code == 404
        missing = shelf.get(f"/a/versions/{version}/metadata")
        assert missing.json() == {"detail": "Artifact version not found"}
    for version in ("9" * 30, "1.0", "x", "\u0661"):
        assert shelf.get(f"/a/versions/{quoted(version)}").status_code == 422
        assert shelf.get("/a", version=version).status_code == 422


def test_the_mark_of_a_rewind_is_no_artifact(shelf: Shelf):
    ok(shelf.save("a", {"text": "x"}))
    gone = {"inlineData": {"data": "", "mimeType": "application/octet-stream"}}
    ok(shelf.save("a", gone))
    assert shelf.get("/a").status_code == 404
    assert ok(shelf.get("/a", version=0)) == {"text": "x"}


def test_a_session_has_no_more_than_it_may(shelf: Shelf):
    large = {"text": "x" * 600_000}
    ok(shelf.save("a", large))
    full = shelf.save("b", large)
    assert full.status_code == 413
    assert "1048576" in full.json()["detail"]
    assert ok(shelf.get()) == ["a"]
    ok(shelf.save("user:b", large))
