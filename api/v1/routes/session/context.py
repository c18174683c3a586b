"""What surrounds an agent: its persona, its sandbox, its runtime and its peers."""

from dataclasses import asdict
from typing import Annotated, Any

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.preconditions import is_current
from api.http.incoming.query import Query, with_query
from api.http.incoming.requests import HttpRequest, name_of, session_id_of
from api.http.outgoing.responses import (
    etag,
    json_response,
    location,
    not_modified,
    outcome_response,
    to_json,
)
from api.http.routing import delete, get, post, put
from api.services import caller_of, perform, read_response, services_of, state_of, use_cases_of
from api.v1.schemas.base import Done
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.queries import Text
from api.v1.schemas.session.context import (
    PeerBody,
    PeerDone,
    PeerLeftBody,
    Peers,
    ProfileAnswer,
    ProfileBody,
    ProfileDone,
    RuntimeAnswer,
    RuntimeBody,
    SandboxBody,
)
from application.reads.profile import read_profile
from application.reads.runtime import read_runtime
from domain.errors import (
    LimitReached,
    PeerNotFound,
    SessionIsStopped,
    SessionIsStopping,
    SessionStarting,
)
from domain.session.commands import RefreshProfile, ReportPeer, ReportRuntime, ReportSandbox
from domain.session.events import PeerJoined, PeerLeft, RuntimeReported, SandboxReported
from domain.values import OfferedModel, rfc3339


class RemoveProfileQuery(Query):
    """Under which condition."""

    expected_digest: Annotated[
        Text, Field(description="of the persona that there is now; else 409")
    ] = None


@get("/v1/sessions/{session_id:str}/profile", right="read")
@Describes("Context", answers={200: ProfileAnswer}, conditional=True)
async def get_profile(request: HttpRequest) -> ASGIResponse:
    """Read the persona that the agent runs with."""
    session = await state_of(request)
    if is_current(request, session.sequence):
        return not_modified(session.sequence)
    document: dict[str, Any] = {"profile": None, "sequence": session.sequence}
    profile = session.profile
    if profile is not None:
        events = services_of(request).events
        persona = await read_profile(events, session_id_of(request), profile)
        if persona is not None:
            document["profile"] = {
                "digest": persona.digest,
                "name": persona.name,
                "body": persona.body,
                "profile": persona.profile,
                "at_sequence": persona.sequence,
                "at": rfc3339(persona.at),
            }
    return json_response(to_json(document), headers={"ETag": etag(session.sequence)})


@put("/v1/sessions/{session_id:str}/profile", right="write")
@Describes("Context", body=ProfileBody, answers={200: ProfileDone}, asks=(RefreshProfile,))
async def set_profile(request: HttpRequest) -> ASGIResponse:
    """Set the persona, between turns, if it is the one that is expected."""
    body = await body_of(request, ProfileBody)
    outcome = await use_cases_of(request).profiles.set(
        await caller_of(request),
        session_id_of(request),
        name=body.name,
        body=body.body,
        profile=body.profile,
        expected_digest=body.expected_digest,
    )
    return outcome_response(outcome)


@delete("/v1/sessions/{session_id:str}/profile", right="write")
@Describes(
    "Context",
    body=EmptyBody,
    answers={200: Done},
    asks=(RefreshProfile,),
)
@with_query(RemoveProfileQuery)
async def remove_profile(request: HttpRequest, query: RemoveProfileQuery) -> ASGIResponse:
    """Take the persona away, between turns, if it is the one that is expected."""
    await body_of(request, EmptyBody)
    command = RefreshProfile(digest=None, expected_digest=query.expected_digest)
    return outcome_response(await perform(request, command))


@post("/v1/sessions/{session_id:str}/sandbox", right="write")
@Describes("Context", body=SandboxBody, answers={200: Done}, asks=(ReportSandbox,))
async def report_sandbox(request: HttpRequest) -> ASGIResponse:
    """Record news of the place where the agent's tools run."""
    body = await body_of(request, SandboxBody)
    event = SandboxReported(
        sandbox_id=body.sandbox_id,
        operation=body.operation,
        outcome=body.outcome,
        detail=body.detail,
        duration_ms=body.duration_ms,
        meta=body.meta,
    )
    return outcome_response(await perform(request, ReportSandbox(event=event)))


@get("/v1/sessions/{session_id:str}/runtime", right="read")
@Describes("Context", answers={200: RuntimeAnswer}, conditional=True)
async def get_runtime(request: HttpRequest) -> ASGIResponse:
    """Read what runs the agent: its own id of the session, what it can do, its models."""
    session = await state_of(request)
    if is_current(request, session.sequence):
        return not_modified(session.sequence)
    events = services_of(request).events
    report = await read_runtime(events, session_id_of(request), session.runtime)
    document: dict[str, Any] = {"runtime": None, "sequence": session.sequence}
    if report is not None:
        document["runtime"] = {
            **asdict(report.event),
            "at_sequence": report.sequence,
            "at": rfc3339(report.at),
        }
    return json_response(to_json(document), headers={"ETag": etag(session.sequence)})


@put("/v1/sessions/{session_id:str}/runtime", right="write")
@Describes("Context", body=RuntimeBody, answers={200: Done}, asks=(ReportRuntime,))
async def report_runtime(request: HttpRequest) -> ASGIResponse:
    """Say what runs the agent, in place of what was said before."""
    body = await body_of(request, RuntimeBody)
    event = RuntimeReported(
        runtime_session_id=body.runtime_session_id,
        name=body.name,
        version=body.version,
        capabilities=body.capabilities,
        models=tuple(OfferedModel(**dict(one)) for one in body.models),
        switching=body.switching,
    )
    return outcome_response(await perform(request, ReportRuntime(event=event)))


@get("/v1/sessions/{session_id:str}/peers", right="read")
@Describes("Context", answers={200: Peers}, conditional=True)
async def list_peers(request: HttpRequest) -> ASGIResponse:
    """List the agents that can be reached from here."""
    session = await state_of(request)
    document = {
        "peers": [
            {
                "peer_id": peer.peer_id,
                "display_name": peer.display_name,
                "channel": peer.channel,
                "at_sequence": peer.sequence,
            }
            for _, peer in sorted(session.peers.items())
        ],
    }
    return read_response(request, session.sequence, document)


@post("/v1/sessions/{session_id:str}/peers", right="write")
@Describes(
    "Context",
    body=PeerBody,
    answers={201: PeerDone, 200: PeerDone},
    asks=(ReportPeer,),
    never=(PeerNotFound,),
)
async def add_peer(request: HttpRequest) -> ASGIResponse:
    """Say that another agent can be reached; who has joined already, has."""
    body = await body_of(request, PeerBody)
    event = PeerJoined(
        peer_id=body.peer_id,
        display_name=body.display_name,
        channel=body.channel,
        capabilities=tuple(body.capabilities),
    )
    outcome = await perform(request, ReportPeer(event=event))
    made = location(outcome.session_id, "peers", body.peer_id)
    return outcome_response(outcome, status=201 if outcome.changed else 200, made=made)


@delete("/v1/sessions/{session_id:str}/peers/{peer_id:str}", right="write")
@Describes(
    "Context",
    body=PeerLeftBody,
    answers={200: Done},
    asks=(ReportPeer,),
    never=(LimitReached, SessionIsStopped, SessionIsStopping, SessionStarting),
)
async def remove_peer(request: HttpRequest) -> ASGIResponse:
    """Say that a peer cannot be reached any more."""
    body = await body_of(request, PeerLeftBody)
    event = PeerLeft(peer_id=name_of(request, "peer_id"), reason=body.reason)
    return outcome_response(await perform(request, ReportPeer(event=event)))
