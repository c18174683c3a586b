"""Exports, as files and as bundles; and imports of both."""

import asyncio
import errno
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO, cast

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.negotiation import negotiated
from api.http.incoming.preconditions import expected_of
from api.http.incoming.query import Query, with_query
from api.http.incoming.requests import HttpRequest, header, header_text, session_id_of
from api.http.outgoing.downloads import Download
from api.http.outgoing.problems import Problem, problem_of
from api.http.outgoing.responses import to_json
from api.http.routing import get, post
from api.services import actor_of, record_access, services_of
from api.v1.schemas.operator.transfers import FILTERS, ExportBody
from api.v1.schemas.queries import GoFlag
from application.arriving import Arriving
from application.commands.request import Caller
from application.errors import StoreUnavailable
from application.ports.session.listing import SessionFilter
from application.tasks import ended
from application.transfer.exporting.selecting import Selection
from application.transfer.imports import Written
from application.transfer.plans import ImportPlan
from domain.errors import CairnError

_LINES = "application/jsonl"
_ZSTD = "application/zstd"
_TAR = "application/x-tar"
_BYTES = "application/octet-stream"
_FILE_FORMS: Mapping[str, Sequence[str]] = {_LINES: ("application/x-ndjson",), _ZSTD: ()}
_BUNDLE_FORMS: Mapping[str, Sequence[str]] = {_ZSTD: (), _TAR: ()}
_TAKEN = (_BYTES, _LINES, _ZSTD, _TAR, "application/x-ndjson")
_BINARY = {"type": "string", "format": "binary"}


@get("/v1/sessions/{session_id:str}/export", right="audit")
@Describes(
    "Transfer",
    answers={200: None},
    problems=("not_acceptable", "malformed_header", "busy"),
    media_type=_LINES,
    other_forms={_ZSTD: _BINARY},
)
async def export_session(request: HttpRequest) -> ASGIResponse:
    """Export a session, also a deleted one: a header, then every event, one on each line."""
    session_id = session_id_of(request)
    form = negotiated(request, _FILE_FORMS)
    pieces = services_of(request).transfers.session(session_id, packed=form == _ZSTD)
    answer = await Download.of(pieces, form)
    await record_access(request, "export", session_id=session_id)
    return answer


@post("/v1/sessions/batch/export", right="audit", whole_store=True)
@Describes(
    "Transfer",
    body=ExportBody,
    answers={200: None},
    problems=("not_acceptable", "session_not_found", "busy"),
    of_sessions=False,
    media_type=_ZSTD,
    other_forms={_TAR: _BINARY},
)
async def export_sessions(request: HttpRequest) -> ASGIResponse:
    """Export sessions, or all there is, as a bundle: a tar archive, compressed unless asked."""
    expected_of(request)
    body = await body_of(request, ExportBody)
    form = negotiated(request, _BUNDLE_FORMS)
    filters = {name: value for name in FILTERS if (value := getattr(body, name)) is not None}
    if filters and body.session_ids:
        raise Problem("invalid", "name sessions or filter them, not both", field="session_ids")
    where = SessionFilter(**filters) if filters else None
    wanted = Selection(
        session_ids=tuple(body.session_ids or ()),
        where=where,
        after=body.after,
        limit=body.limit,
        began=body.began,
    )
    pieces = services_of(request).transfers.bundle(wanted, packed=form == _ZSTD)
    try:
        answer = await Download.of(pieces, form)
    except OSError as error:
        raise _full(error, "export it again") or error from None
    named = {"session_ids": " ".join(map(str, body.session_ids))} if body.session_ids else {}
    await record_access(request, "export", where=filters | named)
    return answer


_AGAIN = "import it again"


class ImportQuery(Query):
    """What to do with the file."""

    dry_run: Annotated[GoFlag, Field(description="only say what would be imported")] = False
    quarantine: Annotated[
        GoFlag, Field(description="take damaged sessions too; nobody can append to them")
    ] = False


@post("/v1/import", right="admin", whole_store=True)
@Describes(
    "Transfer",
    takes=_TAKEN,
    answers={200: None},
    problems=("import_refused", "not_an_export", "busy"),
    of_sessions=False,
    media_type=_LINES,
)
@with_query(ImportQuery)
async def import_sessions(request: HttpRequest, query: ImportQuery) -> ASGIResponse:
    """Import an export file or a bundle: how far it has come line by line, then the report."""
    expected_of(request)
    media_type = (header(request, b"content-type") or "").partition(";")[0].strip().lower()
    if media_type not in _TAKEN:
        # Also what keeps a web page from importing into a server on its reader's machine.
        raise Problem(
            "unsupported_media_type",
            "send an export file or a bundle with the header"
            f" `Content-Type: {_BYTES}`, or as {_LINES}, {_ZSTD} or {_TAR}",
        )
    actor, claimed = actor_of(request)
    causation = header_text(request, b"cairn-causation")
    caller = Caller(actor, "import", causation, claimed=claimed)
    steps = _steps(request, caller, dry_run=query.dry_run, quarantine=query.quarantine)
    return await Download.of(steps, _LINES, has_effect=True)


async def _steps(
    request: HttpRequest, caller: Caller, *, dry_run: bool, quarantine: bool
) -> AsyncGenerator[bytes]:
    """Yield what is said while something is imported; the first line when it can be imported."""
    with cast("BinaryIO", TemporaryFile()) as file:
        sent = Arriving(file)
        receiving = asyncio.create_task(_receive(request, sent))
        plan: ImportPlan | None = None
        steps = services_of(request).transfers.take(
            sent, caller, dry_run=dry_run, quarantine=quarantine
        )
        try:
            async with aclosing(steps):
                async for step in steps:
                    if isinstance(step, Written):
                        yield _line({"written": step._asdict()})
                    else:
                        plan = step
                        if not dry_run:
                            yield _line({"plan": plan.document(dry_run=dry_run)})
        except (CairnError, OSError) as fault:
            error = _full(fault, _AGAIN) or fault
            if plan is None:
                # Whoever sends hears an answer when all is sent.
                await asyncio.wait((receiving,))
                raise error from None
            # The answer has begun: its last line says that it is not done.
            problem = problem_of(error)
            yield _line({"error": {"code": problem.code, "detail": problem.detail}})
            return
        finally:
            receiving.cancel()
            await ended(receiving)
        if plan is not None:
            yield _line({"report": plan.document(dry_run=dry_run)})


async def _receive(request: HttpRequest, sent: Arriving) -> None:
    """Put what comes where it is read; whoever reads is told what goes wrong."""
    most = services_of(request).settings.max_import_bytes
    size, more = 0, True
    try:
        while more:
            message: Any = await request.receive()
            if message["type"] == "http.disconnect":
                raise Problem("malformed_request", "the connection ended before the body did")
            content = message.get("body", b"")
            size += len(content)
            if size > most:
                raise Problem(
                    "body_too_large",
                    f"an import has at most {most} bytes (CAIRN_MAX_IMPORT_BYTES)",
                    limit=most,
                )
            sent.take(content)
            more = message.get("more_body", False)
    except (Problem, OSError) as error:
        sent.end(error)
    else:
        sent.end()


def _full(error: Exception, again: str) -> StoreUnavailable | None:
    """Return what a client is told when the disk is full; None of another error."""
    if not isinstance(error, OSError) or error.errno != errno.ENOSPC:
        return None
    return StoreUnavailable(
        f"the server has no room for the file on its disk; make some, and {again}",
        reason="disk_full",
    )


def _line(told: Mapping[str, Any]) -> bytes:
    return to_json(told) + b"\n"
