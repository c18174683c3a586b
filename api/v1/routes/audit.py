"""The log as evidence: signed checkpoints, keys, tiles and proofs.

With `/v1/audit` as its prefix this is the API of C2SP tlog-tiles.
"""

from litestar.response.base import ASGIResponse

from api.http.problems import Problem
from api.http.requests import AnyRequest, Parameters, name_of
from api.http.responses import Reply, json_response, to_json
from api.http.route_docs import LIMIT, Describes, Parameter, Schema
from api.http.routing import get
from api.services import services_of
from api.v1.schemas.audit import Proof, SignedCheckpoints
from application.errors import AuditKeyMissing
from application.reads.transparency import Consistency, Inclusion
from domain.transparency.tiles import TOP_LEVEL, TileId, parse_path
from domain.transparency.tree import leaf_hash
from domain.values import rfc3339

_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_MUTABLE = {"Cache-Control": "no-cache"}
_LEVEL: Schema = {"type": "string", "pattern": "^[0-7]$"}
_TILE: Schema = {"type": "string", "pattern": r"^(x\d{3}/)*\d{3}(\.p/[1-9]\d{0,2})?$"}
_OF_TILES = {"level": _LEVEL, "tile": _TILE}


def _size(name: str, description: str) -> Parameter:
    return Parameter(name, description, {"type": "integer", "minimum": 0, "maximum": 2**62})


@get("/v1/audit/checkpoint", right="audit", whole_store=True)
@Describes(
    "Audit", answers={200: None}, problems=("audit_key_missing", "log_damaged"), media_type=_TEXT
)
async def get_checkpoint(request: AnyRequest) -> ASGIResponse:
    """Sign the log as it is: a C2SP checkpoint, to be kept somewhere else."""
    Parameters(request, ())
    signed = await services_of(request).transparency.checkpoint()
    return Reply(signed.note.encode(), media_type=_TEXT, headers=_MUTABLE)


@get("/v1/audit/checkpoints", right="audit", whole_store=True)
@Describes(
    "Audit",
    answers={200: SignedCheckpoints},
    parameters=(_size("before", "only those of smaller trees"), LIMIT),
)
async def list_checkpoints(request: AnyRequest) -> ASGIResponse:
    """List the checkpoints that were ever signed, the newest first."""
    parameters = Parameters(request, ("before", "limit"))
    before, limit = parameters.count("before"), parameters.limit()
    signed = await services_of(request).transparency.history(before, limit)
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
async def get_key(request: AnyRequest) -> ASGIResponse:
    """Read the public keys in note form, the newest first."""
    Parameters(request, ())
    keys = services_of(request).transparency.keys.verifiers
    if not keys:
        raise AuditKeyMissing
    return Reply("".join(f"{key}\n" for key in keys).encode(), media_type=_TEXT, headers=_MUTABLE)


@get("/v1/audit/proof", right="audit", whole_store=True)
@Describes(
    "Audit",
    answers={200: Proof},
    problems=("beyond_the_log", "log_damaged"),
    parameters=(
        _size("position", "of an event: prove that it is in the tree"),
        _size("size", "of that tree; by default all events there are"),
        _size("from", "of an earlier tree: prove that the later one goes on from it"),
        _size("to", "of the later tree; by default all events there are"),
    ),
)
async def get_proof(request: AnyRequest) -> ASGIResponse:
    """Prove that an event is in the log, or that the log goes on from an earlier one."""
    parameters = Parameters(request, ("position", "size", "from", "to"))
    position, old = parameters.count("position"), parameters.count("from")
    if (position is None) == (old is None):
        raise Problem("invalid_parameter", "give either position, or from", field="position")
    of, other = ("size", "to") if old is None else ("to", "size")
    if other in parameters:
        raise Problem("invalid_parameter", f"{other} does not belong here", field=other)
    services = services_of(request)
    size = parameters.count(of)
    if size is None:
        size = await services.store.log.head()
    if position is not None:
        shown = _inclusion(await services.transparency.inclusion(position, size))
    else:
        shown = _consistency(await services.transparency.consistency(old or 0, size))
    return json_response(to_json(shown))


def _inclusion(found: Inclusion) -> dict[str, object]:
    return {
        "position": found.position,
        "digest": found.digest.hex(),
        "leaf_hash": leaf_hash(found.digest).hex(),
        "size": found.size,
        "root": found.root.hex(),
        "proof": [one.hex() for one in found.proof],
    }


def _consistency(found: Consistency) -> dict[str, object]:
    return {
        "from": found.old,
        "to": found.new,
        "from_root": found.old_root.hex(),
        "to_root": found.new_root.hex(),
        "proof": [one.hex() for one in found.proof],
    }


@get("/v1/audit/tile/{level:str}/{tile:path}", right="audit", whole_store=True)
@Describes(
    "Audit",
    answers={200: None},
    problems=("not_found", "log_damaged"),
    of_path=_OF_TILES,
    media_type=_BYTES,
)
async def get_tile(request: AnyRequest) -> ASGIResponse:
    """Read hashes of the tree, as C2SP tlog-tiles names them."""
    Parameters(request, ())
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
async def get_entries(request: AnyRequest) -> ASGIResponse:
    """Read the digests of events as a C2SP entry bundle, each behind its length in two bytes."""
    Parameters(request, ())
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
