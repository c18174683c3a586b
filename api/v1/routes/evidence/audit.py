"""The log as evidence: signed checkpoints, keys, tiles and proofs.

With `/v1/audit` as its prefix this is the API of C2SP tlog-tiles.
"""

from typing import Annotated

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.describing.route_docs import Describes, Schema
from api.http.incoming.query import DEFAULT_LIMIT, Limit, Query, with_query
from api.http.incoming.query_values import whole_number
from api.http.incoming.requests import HttpRequest, name_of
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import Reply, json_response, to_json
from api.http.routing import get
from api.services import services_of
from api.v1.schemas.operator.audit import Proof, SignedCheckpoints
from application.errors import AuditKeyMissing
from domain.transparency.tiles import TOP_LEVEL, TileId, parse_path
from domain.values import rfc3339

_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_MUTABLE = {"Cache-Control": "no-cache"}
_LEVEL: Schema = {"type": "string", "pattern": "^[0-7]$"}
_TILE: Schema = {"type": "string", "pattern": r"^(x\d{3}/)*\d{3}(\.p/[1-9]\d{0,2})?$"}
_OF_TILES = {"level": _LEVEL, "tile": _TILE}


Size = Annotated[int | None, whole_number()]


class CheckpointsQuery(Query):
    """Which checkpoints."""

    before: Annotated[Size, Field(description="only those of smaller trees")] = None
    limit: Limit = DEFAULT_LIMIT


class ProofQuery(Query):
    """What to prove."""

    position: Annotated[Size, Field(description="of an event: prove that it is in the tree")] = None
    size: Annotated[Size, Field(description="of that tree; by default all events there are")] = None
    old: Annotated[
        Size,
        Field(
            alias="from",
            description="of an earlier tree: prove that the later one goes on from it",
        ),
    ] = None
    new: Annotated[
        Size, Field(alias="to", description="of the later tree; by default all events there are")
    ] = None


@get("/v1/audit/checkpoint", right="audit", whole_store=True)
@Describes(
    "Audit", answers={200: None}, problems=("audit_key_missing", "log_damaged"), media_type=_TEXT
)
async def get_checkpoint(request: HttpRequest) -> ASGIResponse:
    """Sign the log as it is: a C2SP checkpoint, to be kept somewhere else."""
    signed = await services_of(request).transparency.checkpoint()
    return Reply(signed.note.encode(), media_type=_TEXT, headers=_MUTABLE)


@get("/v1/audit/checkpoints", right="audit", whole_store=True)
@Describes(
    "Audit",
    answers={200: SignedCheckpoints},
)
@with_query(CheckpointsQuery)
async def list_checkpoints(request: HttpRequest, query: CheckpointsQuery) -> ASGIResponse:
    """List the checkpoints that were ever signed, the newest first."""
    signed = await services_of(request).transparency.history(query.before, query.limit)
    shown = [
        {
            "size": one.head.size,
            "root": one.head.root.hex(),
            "signed_at": rfc3339(one.at),
            "note": one.note,
        }
        for one in signed
    ]
    return json_response(to_json({"checkpoints": shown}))


@get("/v1/audit/key", right="audit", whole_store=True)
@Describes("Audit", answers={200: None}, problems=("audit_key_missing",), media_type=_TEXT)
async def get_key(request: HttpRequest) -> ASGIResponse:
    """Read the public keys in note form, the newest first."""
    keys = services_of(request).transparency.keys.verifiers
    if not keys:
        raise AuditKeyMissing
    return Reply("".join(f"{key}\n" for key in keys).encode(), media_type=_TEXT, headers=_MUTABLE)


@get("/v1/audit/proof", right="audit", whole_store=True)
@Describes(
    "Audit",
    answers={200: Proof},
    problems=("beyond_the_log", "log_damaged"),
)
@with_query(ProofQuery)
async def get_proof(request: HttpRequest, query: ProofQuery) -> ASGIResponse:
    """Prove that an event is in the log, or that the log goes on from an earlier one."""
    position, old = query.position, query.old
    if (position is None) == (old is None):
        raise Problem("invalid_parameter", "give either position, or from", field="position")
    size, unfit, other = (
        (query.size, query.new, "to") if old is None else (query.new, query.size, "size")
    )
    if unfit is not None:
        raise Problem("invalid_parameter", f"{other} does not belong here", field=other)
    services = services_of(request)
    if size is None:
        size = await services.store.log.head()
    if position is not None:
        shown = (await services.transparency.inclusion(position, size)).document()
    else:
        shown = (await services.transparency.consistency(old or 0, size)).document()
    return json_response(to_json(shown))


@get("/v1/audit/tile/{level:str}/{tile:path}", right="audit", whole_store=True)
@Describes(
    "Audit",
    answers={200: None},
    problems=("not_found", "log_damaged"),
    of_path=_OF_TILES,
    media_type=_BYTES,
)
async def get_tile(request: HttpRequest) -> ASGIResponse:
    """Read hashes of the tree, as C2SP tlog-tiles names them."""
    level = name_of(request, "level")
    if len(level) != 1 or not "0" <= level <= str(TOP_LEVEL):
        raise _no_tile()
    asked = parse_path(name_of(request, "tile"))
    if asked is None:
        raise _no_tile()
    at = TileId(int(level), asked.number)
    return _tile(await services_of(request).transparency.tile(at, asked.width))


@get("/v1/audit/tile/entries/{tile:path}", right="audit", whole_store=True)
@Describes(
    "Audit",
    answers={200: None},
    problems=("not_found", "log_damaged"),
    of_path=_OF_TILES,
    media_type=_BYTES,
)
async def get_entries(request: HttpRequest) -> ASGIResponse:
    """Read the digests of events as a C2SP entry bundle, each behind its length in two bytes."""
    asked = parse_path(name_of(request, "tile"))
    if asked is None:
        raise _no_tile()
    return _tile(await services_of(request).transparency.entries(asked.number, asked.width))


def _tile(hashes: bytes | None) -> Reply:
    if hashes is None:
        raise Problem("not_found", "the log is too short for this tile; read the checkpoint again")
    return Reply(hashes, media_type=_BYTES, headers=_FOR_EVER)


def _no_tile() -> Problem:
    return Problem("not_found", "no tile is named like this; see C2SP tlog-tiles")
