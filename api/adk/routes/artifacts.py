"""Artifacts: saved in versions, listed, read, and taken away."""

import re

from litestar.response.base import ASGIResponse

from api.adk.artifacts import draft_of, part_json, require_artifact_name, version_document
from api.adk.requests import Refusal, fault, needed_json_of, parsed, reply
from api.adk.sessions import named_in, row_of
from api.adk.wire import SaveArtifact
from api.http.incoming.preconditions import refuse_conditions
from api.http.incoming.requests import HttpRequest, name_of
from api.http.outgoing.responses import to_json
from api.http.routing import delete, get, post
from api.services import services_of

_ARTIFACTS = "/apps/{app:str}/users/{user:str}/sessions/{name:str}/artifacts"
_ARTIFACT = _ARTIFACTS + "/{artifact:path}"
_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


@get(_ARTIFACTS, right="read")
async def list_artifacts(request: HttpRequest) -> ASGIResponse:
    """Return the names of all artifacts that a session sees, those of its user too."""
    names = await services_of(request).artifacts.names(await row_of(request))
    return reply(to_json(list(names)))


@post(_ARTIFACTS, right="write")
async def save_artifact(request: HttpRequest) -> ASGIResponse:
    """Keep the next version of an artifact; the first one is 0."""
    refuse_conditions(request)
    asked = parsed(SaveArtifact, await needed_json_of(request))
    name, draft = require_artifact_name(asked.filename), draft_of(asked)
    session = await row_of(request)
    version = await services_of(request).artifacts.save(session, name, draft)
    return reply(to_json(version_document(named_in(request), name, version)))


@get(_ARTIFACT, right="read")
async def read_artifact(request: HttpRequest) -> ASGIResponse:
    """Return an artifact: the newest version, or the one of `?version=`.

    Behind its name may stand `/versions`, `/versions/metadata`, `/versions/{version or latest}` and
    `/versions/{version or latest}/metadata`.
    """
    match _artifact_in(request).split("/"):
        case [*name, "versions"] if name:
            return await _versions(request, "/".join(name))
        case [*name, "versions", "metadata"] if name:
            return await _versions(request, "/".join(name), described=True)
        case [*name, "versions", version, "metadata"] if name:
            return await _version_metadata(request, "/".join(name), _version_in(version))
        case [*name, "versions", version] if name:
            return await _part(request, "/".join(name), _version_in(version))
        case name:
            return await _part(request, "/".join(name), _version_asked(request))


@delete(_ARTIFACT, right="write")
async def delete_artifact(request: HttpRequest) -> ASGIResponse:
    """Take an artifact away with all of its versions; one that is not there is gone already."""
    refuse_conditions(request)
    session = await row_of(request)
    await services_of(request).artifacts.delete(session, _artifact_in(request))
    return reply(b"null")


def _artifact_in(request: HttpRequest) -> str:
    name = name_of(request, "artifact")
    if "\0" in name:
        # No text of the database has it, so there is none.
        raise Refusal(404, "Artifact not found")
    return name


def _version_in(text: str) -> int | None:
    if text == "latest":
        return None
    if not _NUMBER.fullmatch(text):
        raise Refusal(422, "Invalid version ID")
    return int(text)


def _version_asked(request: HttpRequest) -> int | None:
    given = request.query_params.getall("version", [])
    if not given:
        return None
    if not _NUMBER.fullmatch(given[-1]):
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise fault("int_parsing", ["query", "version"], message)
    return int(given[-1])


async def _part(request: HttpRequest, name: str, version: int | None) -> ASGIResponse:
    found = await services_of(request).artifacts.load(await row_of(request), name, version)
    part = None if found is None else part_json(*found)
    if part is None:
        raise Refusal(404, "Artifact not found")
    return reply(part)


async def _versions(request: HttpRequest, name: str, *, described: bool = False) -> ASGIResponse:
    found = await services_of(request).artifacts.versions(await row_of(request), name)
    if not described:
        return reply(to_json([one.version for one in found]))
    at = named_in(request)
    return reply(to_json([version_document(at, name, one) for one in found]))


async def _version_metadata(request: HttpRequest, name: str, version: int | None) -> ASGIResponse:
    found = await services_of(request).artifacts.versions(await row_of(request), name)
    wanted = [one for one in found if version in (None, one.version)]
    if not wanted:
        raise Refusal(404, "Artifact version not found")
    return reply(to_json(version_document(named_in(request), name, wanted[-1])))


ROUTES = (list_artifacts, save_artifact, read_artifact, delete_artifact)
