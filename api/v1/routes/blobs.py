"""Blobs: bytes beside the log, sent and read as they are, and named by parts of messages."""

import binascii
import re
from base64 import b64decode, b64encode
from contextlib import aclosing

from litestar.response.base import ASGIResponse

from api.http.describing.route_docs import Describes, Header
from api.http.incoming.bodies import body_of, pieces_of, told_size_of
from api.http.incoming.preconditions import refuse_conditions
from api.http.incoming.query import PageQuery, with_query
from api.http.incoming.ranges import ByteRange, has_already, range_of
from api.http.incoming.requests import HttpRequest, header, name_of, read_name_of, session_id_of
from api.http.outgoing.downloads import Download
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import (
    Reply,
    json_response,
    location,
    next_link,
    path_of,
    to_json,
)
from api.http.routing import delete, get, post, put
from api.services import services_of
from api.v1.schemas.blobs import BlobDeleted, BlobList, StoredBlob
from api.v1.schemas.commands import EmptyBody
from application.errors import InvalidCursor
from application.ports.blobs.blob import Blob, BlobOwner
from domain.blobs import BLOB_PATTERN, digest_of_blob
from domain.checks import require_name

_TOPIC = "Blobs"
_BYTES = "application/octet-stream"
_ANY = "*/*"
_OF_PATH = {"blob": {"type": "string", "pattern": BLOB_PATTERN}}
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}(?:\s*;[\x20-\x7e]*)?", re.ASCII)
_LONGEST_TYPE = 200
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_REPR_DIGEST = re.compile(r"(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/=]{1,100}):\s*(?:;[^,]*)?(?=,|$)")

_DIGEST_HEADER = Header(
    "Repr-Digest",
    "the SHA-256 of the body as RFC 9530 has it: 422 if something else came",
    {"type": "string", "examples": ["sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"]},
)
_RANGE_HEADERS = (
    Header("Range", "only these bytes, such as `bytes=0-99`; one range", {"type": "string"}),
    Header("If-Range", "the ETag for which the range is meant", {"type": "string"}),
)
_SENDING = Describes(
    _TOPIC,
    takes=(_BYTES,),
    answers={200: StoredBlob, 201: StoredBlob},
    problems=("blob_too_large", "digest_mismatch"),
    headers=(_DIGEST_HEADER,),
    of_path=_OF_PATH,
    of_sessions=False,
    etag=True,
)


@post("/v1/apps/{app:str}/users/{user:str}/blobs", right="write", lasts=True)
@_SENDING
async def send_blob(request: HttpRequest) -> ASGIResponse:
    """Send bytes that parts of messages can name: they are kept under their SHA-256."""
    return await _keep(request, None)


@put("/v1/apps/{app:str}/users/{user:str}/blobs/{blob:str}", right="write", lasts=True)
@_SENDING
async def put_blob(request: HttpRequest) -> ASGIResponse:
    """Send bytes under their SHA-256, which is checked; done twice, it is the same."""
    return await _keep(request, name_of(request, "blob"))


_READING = Describes(
    _TOPIC,
    answers={200: None, 206: None},
    problems=("blob_damaged", "blob_not_found", "invalid_parameter", "range_not_satisfiable"),
    headers=_RANGE_HEADERS,
    of_path=_OF_PATH,
    conditional=True,
    media_type=_ANY,
    other_forms={_ANY: {"type": "string", "format": "binary"}},
)


@get("/v1/apps/{app:str}/users/{user:str}/blobs/{blob:str}", right="read")
@_READING
async def get_blob(request: HttpRequest) -> ASGIResponse:
    """Read a blob of a user: its bytes, or a range of them."""
    owner = BlobOwner(read_name_of(request, "app"), read_name_of(request, "user"))
    name = name_of(request, "blob")
    return await _bytes_of(request, owner, await services_of(request).blobs.find(owner, name))


@delete("/v1/apps/{app:str}/users/{user:str}/blobs/{blob:str}", right="write")
@Describes(
    _TOPIC,
    body=EmptyBody,
    answers={200: BlobDeleted},
    problems=("blob_named", "blob_not_found"),
    of_path=_OF_PATH,
    of_sessions=False,
)
async def delete_blob(request: HttpRequest) -> ASGIResponse:
    """Free a blob that no session names; others of the app that sent the same bytes keep it."""
    refuse_conditions(request)
    await body_of(request, EmptyBody)
    name = name_of(request, "blob")
    await services_of(request).blobs.delete(_owner_of(request), name)
    return json_response(to_json({"blob": name}))


@get("/v1/sessions/{session_id:str}/blobs/{blob:str}", right="read")
@_READING
async def get_session_blob(request: HttpRequest) -> ASGIResponse:
    """Read a blob that a session names: its bytes, or a range of them."""
    services, session_id = services_of(request), session_id_of(request)
    await services.queries.session(session_id)
    owner, blob = await services.blobs.in_session(session_id, name_of(request, "blob"))
    return await _bytes_of(request, owner, blob)


@get("/v1/sessions/{session_id:str}/blobs", right="read")
@Describes(_TOPIC, answers={200: BlobList}, problems=("invalid_cursor",), linked=True)
@with_query(PageQuery)
async def list_session_blobs(request: HttpRequest, query: PageQuery) -> ASGIResponse:
    """List the blobs that a session names, also of a fork those that its origin did."""
    services, session_id = services_of(request), session_id_of(request)
    await services.queries.session(session_id)
    if query.cursor is not None and digest_of_blob(query.cursor) is None:
        raise InvalidCursor
    found = await services.blobs.of_session(session_id, after=query.cursor, limit=query.limit + 1)
    page = found[: query.limit]
    listed = [
        {
            "blob": one.name,
            "size": one.blob and one.blob.size,
            "media_type": one.blob and one.blob.media_type,
        }
        for one in page
    ]
    after = page[-1].name if len(found) > len(page) else None
    path = location(session_id, "blobs")
    headers = {} if after is None else next_link(request, path, cursor=after)
    return json_response(to_json({"blobs": listed, "next_cursor": after}), headers=headers)


async def _keep(request: HttpRequest, name: str | None) -> ASGIResponse:
    refuse_conditions(request)
    blobs, owner = services_of(request).blobs, _owner_of(request)
    media_type, digest = _media_type_of(request), _digest_of(request)
    async with aclosing(pieces_of(request)) as pieces:
        kept = await blobs.put(
            owner,
            pieces,
            media_type=media_type,
            name=name,
            digest=digest,
            size=told_size_of(request),
        )
    blob = kept.blob
    path = path_of("v1", "apps", owner.app, "users", owner.user, "blobs")
    return json_response(
        to_json({"blob": blob.name, "size": blob.size, "media_type": blob.media_type}),
        status=201 if kept.is_new else 200,
        headers={"ETag": _etag(blob), "Location": f"{path}/{blob.name}"},
    )


def _owner_of(request: HttpRequest) -> BlobOwner:
    owner = BlobOwner(name_of(request, "app"), name_of(request, "user"))
    require_name(owner.app, "app")
    require_name(owner.user, "user")
    return owner


def _etag(blob: Blob) -> str:
    return f'"{blob.name}"'


def _media_type_of(request: HttpRequest) -> str:
    """Return what the client says that it sends.

    Raises:
        Problem: 415, it is a form, or encoded; 400, it is no media type.
    """
    if (header(request, b"content-encoding") or "identity").strip().lower() != "identity":
        raise Problem(
            "unsupported_media_type", "send the bytes as they are, without Content-Encoding"
        )
    given = (header(request, b"content-type") or _BYTES).strip()
    if given.partition(";")[0].strip().lower() in _FORMS:
        raise Problem(
            "unsupported_media_type",
            "send the bytes themselves with their own Content-Type, such as `image/png`; a form is"
            " not taken apart",
        )
    if len(given) > _LONGEST_TYPE or not _MEDIA_TYPE.fullmatch(given):
        raise Problem(
            "malformed_header",
            f"Content-Type must be a media type such as `image/png`, at most {_LONGEST_TYPE}"
            " characters",
        )
    return given


def _digest_of(request: HttpRequest) -> bytes | None:
    """Return the SHA-256 that the client says its body has (RFC 9530).

    Args:
        request: Whose header Repr-Digest, or Content-Digest, which is the same here.

    Raises:
        Problem: 400, it names sha-256, and gives none.
    """
    for name in (b"repr-digest", b"content-digest"):
        given = header(request, name)
        if given is None or "sha-256" not in given:
            continue
        found = _REPR_DIGEST.search(given)
        try:
            digest = b64decode(found[1], validate=True) if found else b""
        except binascii.Error:
            digest = b""
        if len(digest) != 32:
            raise Problem(
                "malformed_header",
                f"{name.decode()} must be `sha-256=:` and 32 bytes in base64 and `:`",
            )
        return digest
    return None


async def _bytes_of(request: HttpRequest, owner: BlobOwner, blob: Blob) -> ASGIResponse:
    etag = _etag(blob)
    headers = {
        "ETag": etag,
        # A blob never changes; who may read it may change.
        "Cache-Control": "private, max-age=86400, immutable",
        "Vary": "Authorization",
    }
    if has_already(request, etag):
        return Reply(b"", status=304, headers=headers)
    try:
        wanted = range_of(request, blob.size, etag)
    except ValueError as error:
        raise Problem(
            "range_not_satisfiable", f"the blob has {blob.size} bytes; {error}", size=blob.size
        ) from None
    part = wanted or ByteRange(0, blob.size)
    headers |= {
        # Anybody may have made it: no browser is to run it, show it, or guess what it is.
        "Content-Disposition": "attachment",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Accept-Ranges": "bytes",
        "Content-Length": str(part.end - part.start),
        "Repr-Digest": _repr_digest(blob),
    }
    if wanted is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{blob.size}"
    status = 200 if wanted is None else 206
    pieces = services_of(request).blobs.read(owner, blob, start=part.start, end=part.end)
    return await Download.of(pieces, blob.media_type, status=status, headers=headers)


def _repr_digest(blob: Blob) -> str:
    return f"sha-256=:{b64encode(digest_of_blob(blob.name) or b'').decode()}:"
