"""One request of each operation, in an order in which each of them works."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from domain.principal import RIGHTS
from tests.support.recording import Recorder

SESSION = "01990a5d-ac96-774b-bcce-b302099a8057"
CHILD = "01990a5d-ac96-774b-bcce-b302099a8058"
FORK = "01990a5d-ac96-774b-bcce-b302099a8059"
STARTING = "01990a5d-ac96-774b-bcce-b302099a805a"
GONE = "01990a5d-ac96-774b-bcce-b302099a805b"
NOBODY = "01990a5d-ac96-774b-bcce-b302099a80ff"
PICTURE = b"\x89PNG, and the rest of a picture of a cairn"
BLOB = "sha256:" + hashlib.sha256(PICTURE).hexdigest()
PERSONA = {"name": "clerk", "body": "Be kind.", "profile": {"tone": "warm"}}
DIGEST = hashlib.sha256(
    json.dumps(PERSONA, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
).hexdigest()
NO_DIGEST = "sha256:" + "0" * 64

_PATIENCE = 60.0
NAMES = {
    "session_id": SESSION,
    "message_id": "m1",
    "turn_id": "t1",
    "input_id": "i1",
    "request_id": "r1",
    "agent": "clerk",
    "peer_id": "helper.7",
    "app": "shop",
    "user": "ada",
    "key": "theme",
    "blob": BLOB,
    "number": "1",
    "asset": "docs.css",
    "level": "0",
    "tile": "000",
}
FIXED = (
    SESSION,
    CHILD,
    FORK,
    STARTING,
    GONE,
    NOBODY,
    BLOB.removeprefix("sha256:"),
    DIGEST,
    "0" * 64,
)
CLOUD_EVENTS = {"Accept": "application/cloudevents-batch+json"}
STREAM = {"Accept": "text/event-stream"}
PERMISSION_OPTIONS = [
    {"option_id": "yes", "name": "Allow once", "kind": "allow_once"},
    {"option_id": "no", "name": "Reject", "kind": "reject_once"},
]


def text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}]


def ask_everything(to: Recorder) -> None:
    """Have each operation called, and refused once."""
    ask_about_sessions(to)
    ask_about_turns(to)
    ask_about_inputs(to)
    ask_about_interactions(to)
    ask_about_context(to)
    ask_about_state(to)
    ask_about_blobs(to)
    ask_about_following(to)
    ask_about_health(to)
    ask_about_family(to)
    ask_about_lives(to)
    ask_about_audit(to)
    ask_about_transfers(to)
    ask_about_webhooks(to)
    ask_about_erasure(to)
    ask_about_the_server(to)
    ask_about_access(to)


def ask_about_sessions(to: Recorder) -> None:
    made = {
        "id": SESSION,
        "app": "shop",
        "user": "ada",
        "title": "Where is my order?",
        "agent": {"name": "clerk", "model": "large"},
        "tags": ["orders"],
        "state": {"locale": "en", "user:name": "Ada"},
    }
    to.call("create_session", 201, body=made)
    to.call("create_session", body=made)
    to.call("create_session", 422, body={"app": "shop", "colour": "red"})
    to.call("list_sessions", query="?app=shop&limit=10")
    to.call("list_sessions", 400, query="?colour=red")
    to.call("get_session")
    to.call("describe_session", body={"title": "Order 7", "starred": True})
    to.call("describe_session", 412, body={"title": None}, headers={"If-Match": '"1"'})
    to.call("get_status", query="?wait=100ms")
    to.call("add_message", 201, body={"role": "system", "id": "m1", "parts": text("Be kind.")})
    to.call("add_message", 409, body={"role": "user", "id": "m1", "parts": text("Hello")})
    to.call("revise_message", body={"parts": text("Be kind and brief.")})
    to.call("get_message")
    for name in ("get_message", "revise_message"):
        body: Any = {"parts": text("Hello")} if name.startswith("revise") else None
        to.call(name, 404, message_id="m7", body=body)


def ask_about_turns(to: Recorder) -> None:
    asked = {"turn_id": "t1", "input": {"parts": text("Where is order 7?")}}
    to.call("start_turn", 201, body=asked)
    to.call("start_turn", 409, body={**asked, "turn_id": "t2"})
    to.call("start_turn", 202, body={**asked, "turn_id": "t2", "mode": "queue"})
    to.call("cancel_input", input_id="t2", body={"reason": "user_requested"})
    call = {"tool_call_id": "c1", "name": "find_order", "input": {"order": 7}}
    thought = {"type": "agent.thought", "data": {"parts": text("I look it up.")}}
    to.call(
        "record_activity",
        body={"events": [thought, {"type": "tool.called", "data": call}]},
        headers={"Idempotency-Key": "look-up-order-7"},
    )
    wrong = {"type": "tool.result", "data": {"tool_call_id": "c1"}}
    to.call("record_activity", 422, body={"events": [wrong]})
    to.call("get_turn")
    to.call("get_turn", 404, turn_id="t9")
    to.call("get_snapshot")


def ask_about_inputs(to: Recorder) -> None:
    waiting = [{"id": f"i{n}", "parts": text(f"And order {7 + n}?")} for n in (1, 2, 3)]
    to.call("queue_inputs", 202, body={"inputs": waiting})
    to.call("queue_inputs", 409, body={"inputs": waiting})
    to.call("list_inputs")
    to.call("get_input")
    to.call("edit_input", body={"parts": text("And order 9?")})
    to.call("cancel_input", input_id="i3", body={"reason": "user_requested"})
    to.call("steer_input", body={"expected_turn_id": "t1"})
    to.call("take_inputs")
    to.call("steer_input", 409, input_id="i2", body={"expected_turn_id": "t9"})
    to.call("edit_input", 409, body={"parts": text("Too late")})
    to.call("cancel_input", 404, body={"reason": "user_requested"}, input_id="i9")
    to.call("get_input", 404, input_id="i9")
    to.call("take_inputs", 404, turn_id="t9")
    to.call("interrupt", 409, body={"expected_turn_id": "t9"})


def ask_about_interactions(to: Recorder) -> None:
    asked = {
        "request_id": "r1",
        "turn_id": "t1",
        "tool": "shell",
        "arguments": {"cmd": "ls"},
        "title": "May I look?",
        "options": PERMISSION_OPTIONS,
    }
    to.call("replace_permissions", body={"allow": ["read_*"], "deny": ["shell:cmd=rm*"]})
    to.call("replace_permissions", 422, body={"mode": "sometimes"})
    to.call("switch_tool_approval", body={"enabled": False})
    to.call("get_permissions")
    to.call("evaluate_call", body={"tool": "shell", "arguments": {"cmd": "ls"}})
    to.call("request_interaction", 201, body=asked)
    to.call("request_interaction", 409, body={**asked, "title": "May I?"})
    to.call("list_interactions")
    to.call("get_interaction")
    to.call("get_interaction", 404, request_id="r9")
    to.call("decide_interaction", body={"option_id": "yes"})
    to.call("decide_interaction", 409, body={"option_id": "no"})
    to.call("request_interaction", body=asked)
    to.call("request_interaction", 201, body={**asked, "request_id": "r2"})
    to.call("decide_in_turn", body={"option_id": "no"})
    to.call("decide_in_turn", 404, body={"option_id": "no"})
    to.call("request_interaction", 201, body={**asked, "request_id": "r3"})
    to.call("withdraw_interaction", request_id="r3", body={"reason": "withdrawn"})
    to.call("withdraw_interaction", 404, request_id="r9")


def ask_about_context(to: Recorder) -> None:
    returned = {"tool_call_id": "c1", "output": "shipped yesterday"}
    said = {"parts": text("It is on its way.")}
    events = [{"type": "tool.returned", "data": returned}, {"type": "agent.message", "data": said}]
    to.call("record_activity", body={"events": events})
    to.call("get_profile")
    usage = {"input_tokens": 120, "output_tokens": 15}
    to.call("complete_turn", body={"stop_reason": "end_turn", "usage": usage})
    to.call("complete_turn", 404, turn_id="t9", body={"stop_reason": "end_turn"})
    to.call("dispatch_input", 409)
    to.call("fail_turn", turn_id="i2", body={"kind": "model_error", "summary": "It is silent."})
    to.call("fail_turn", 409, body={"kind": "model_error"})
    to.call("start_turn", 201, body={"turn_id": "t3", "input": {"parts": text("Hi")}})
    to.call("queue_inputs", 202, body={"inputs": [{"id": "i4", "parts": text("And then?")}]})
    to.call("cancel_turn", turn_id="t3", body={"reason": "user_requested", "hold": True})
    to.call("cancel_turn", 404, turn_id="t9")
    to.call("dispatch_input")
    to.call("interrupt", body={"expected_turn_id": "i4"})
    to.call("record_usage", body={"mode": "add", "input_tokens": 100, "cost": 0.25})
    to.call("record_usage", 422, body={"mode": "add", "input_tokens": -1})
    runtime = {
        "runtime_session_id": "thread-7",
        "name": "shop-runner",
        "version": "1.9",
        "capabilities": {"load_session": True},
        "models": [{"ref": "large", "provider": "acme", "is_default": True}, {"ref": "fast"}],
        "switching": "offered",
    }
    to.call("report_runtime", body=runtime)
    to.call("report_runtime", 422, body={"switching": "sometimes"})
    to.call("get_runtime")
    to.call("override_model", body={"model": "fast", "reasoning_effort": "high"})
    to.call("override_model", 422, body={"model": "huge"})
    to.call("get_models")
    to.call("restore_model")
    to.call(
        "add_summary", 201,
        body={"summary_id": "s1", "text": "They spoke of order 7.", "first_kept": "m1"},
    )  # fmt: skip
    to.call("add_summary", 409, body={"summary_id": "s1", "text": "They spoke."})
    to.call("get_summaries")
    to.call("set_profile", body=PERSONA)
    to.call("set_profile", 409, body={**PERSONA, "body": "Be stern.", "expected_digest": NO_DIGEST})
    to.call("get_profile")
    to.call("remove_profile", 409, query=f"?expected_digest={NO_DIGEST}")
    to.call("remove_profile", query=f"?expected_digest=sha256:{DIGEST}")
    box = {"sandbox_id": "box-1", "operation": "prepare", "outcome": "completed"}
    to.call("report_sandbox", body=box)
    to.call("report_sandbox", 422, body={**box, "outcome": "perhaps"})
    peer = {"peer_id": "helper.7", "display_name": "Helper", "capabilities": [{"name": "pack"}]}
    to.call("add_peer", 201, body=peer)
    to.call("add_peer", body=peer)
    to.call("list_peers")
    to.call("remove_peer", body={"reason": "timeout"})
    to.call("remove_peer", 404)


def ask_about_state(to: Recorder) -> None:
    to.call("patch_state", body={"set": {"theme": "dark", "user:tier": "gold"}, "delete": ["old"]})
    to.call("patch_state", 412, body={"set": {"theme": "light"}, "expected_version": 0})
    to.call("get_state")
    to.call("get_key_history")
    to.call("patch_app_state", body={"set": {"app:motd": "Welcome."}})
    to.call("patch_app_state", 412, body={"set": {"app:motd": "?"}}, headers={"If-Match": '"0"'})
    to.call("get_app_state")
    to.call("get_app_key_history", key="app:motd")
    to.call("patch_user_state", body={"set": {"user:name": "Ada L."}})
    to.call("patch_user_state", 422, body={"set": {"name": "Ada"}})
    to.call("get_user_state")
    to.call("get_user_key_history", key="user:name")


def ask_about_blobs(to: Recorder) -> None:
    png = {"Content-Type": "image/png"}
    to.call("send_blob", 201, content=PICTURE, headers=png)
    to.call("send_blob", content=PICTURE, headers=png)
    to.call("send_blob", 415, content=b"a=b", headers={"Content-Type": "multipart/form-data"})
    to.call("put_blob", content=PICTURE, headers=png)
    to.call("put_blob", 201, content=PICTURE, headers=png, user="bob")
    to.call("put_blob", 422, content=b"something else", headers=png)
    to.call("delete_blob", user="bob")
    to.call("get_blob")
    to.call("get_blob", 206, headers={"Range": "bytes=0-3"})
    to.call("get_blob", 404, user="eve")
    picture = [{"type": "image", "blob": BLOB, "media_type": "image/png"}]
    to.call("add_message", 201, body={"role": "user", "id": "m2", "parts": picture})
    to.call("get_session_blob")
    to.call("list_session_blobs")
    to.call("delete_blob", 409)
    to.call("get_session_blob", 404, blob=NO_DIGEST)


def ask_about_following(to: Recorder) -> None:
    to.call("list_messages", query="?limit=5")
    to.call("list_messages", 400, query="?cursor=none")
    to.call("get_history", query="?limit=8")
    to.call("get_events", query="?since=4&limit=3")
    to.call("get_events", headers=CLOUD_EVENTS, query="?since=4&limit=1")
    to.call("get_events", headers=STREAM, query="?last=2")
    to.call("get_events", 409, query="?since=1000")
    to.call("get_feed", query="?after=4&limit=2&app=shop")
    to.call("get_feed", headers=CLOUD_EVENTS, query="?after=4&limit=1")
    to.call("get_feed", headers=STREAM, query="?after=4&types=turn.completed")
    to.call("get_feed", 409, query="?after=100000")
    to.call("get_diff", query="?from=2&to=4")
    to.call("get_diff", query="?from=2&to=4", headers={"Accept": "text/plain"})
    to.call("get_snapshot", 404, query="?at=2001-01-01T00:00:00Z")


def ask_about_health(to: Recorder) -> None:
    lease = to.call("attach_session", 201, body={"holder": "terminal:7", "ttl_seconds": 900})
    again = {"holder": "terminal:7", "ttl_seconds": 900, "lease_id": lease["lease_id"]}
    to.call("attach_session", body=again)
    to.call("attach_session", 409, body={"holder": "terminal:8"})
    to.call("wait_for_session", query="?for=attached&wait=30s")
    to.call("report_presence", body={"reporter": "runner-3", "process": "healthy"})
    to.call("report_presence", 422, body={"process": "healthy"})
    to.call("get_session_health")
    to.call("list_session_health", query="?app=shop")
    to.call("detach_session", body={"lease_id": lease["lease_id"]})
    to.call("detach_session", 409, body={"lease_id": lease["lease_id"]})


def ask_about_family(to: Recorder) -> None:
    child = {"id": CHILD, "agent": {"name": "helper"}, "ttl_seconds": 3600, "role": "reviewer"}
    to.call("spawn_session", 201, body=child)
    to.call("spawn_session", body=child)
    to.call(
        "spawn_session", 403,
        body={"agent": {"name": "helper"}, "ttl_seconds": 3600, "grants": {"tools": ["rm"]}},
    )  # fmt: skip
    to.call("list_children")
    to.call("get_ancestry", session_id=CHILD)
    fork = {"id": FORK, "at": 7, "title": "Another way"}
    to.call("fork_session", 201, body=fork)
    to.call("fork_session", body=fork)
    to.call("fork_session", 409, body={"at": 1000})


def ask_about_lives(to: Recorder) -> None:
    to.call("clear_conversation", session_id=FORK)
    to.call("rewind_conversation", session_id=FORK, body={"to": 1})
    to.call("rewind_conversation", 409, session_id=FORK, body={"to": 1000})
    begins = {"id": STARTING, "app": "shop", "user": "ada", "starting": True}
    to.call("create_session", 201, body=begins)
    to.call("activate_session", session_id=STARTING)
    to.call("stop_session", session_id=STARTING, body={"cause": "user_requested"})
    to.call("activate_session", 409, session_id=STARTING)
    to.call("stop_session", 422, body={"cause": "boredom"})
    to.call("resume_session", session_id=STARTING, body={"starting": True})
    silent = {"kind": "startup_failure", "summary": "The agent did not answer."}
    to.call("fail_start", session_id=STARTING, body={"failure": silent})
    to.call("fail_start", 409, body={"failure": silent})
    to.call("resume_session", 404, session_id=NOBODY)
    to.call("repair_session", query="?dry_run=true")
    to.call("repair_session", 400, query="?scope=most")
    to.call("get_recovery")
    to.call("recover_sessions")
    to.call("delete_session", session_id=CHILD)
    # Its parent is told after the answer; the positions that the audit shows count that event.
    until(lambda: bool(to.ask("get_feed", query="?after=0&types=child.reaped")["events"]))
    to.call("delete_sessions", body={"session_ids": [CHILD, NOBODY]})
    to.call("delete_sessions", 422, body={"session_ids": []})


def ask_about_audit(to: Recorder) -> None:
    to.call("get_audit_events", query="?types=turn.completed&app=shop")
    to.call(
        "get_audit_events", query="?types=turn.completed&app=shop", headers={"Accept": "text/csv"}
    )
    to.call("get_audit_events", 400, query="?since=yesterday")
    to.call("verify_session")
    to.call("verify_all", query="?sample=1")
    to.call("get_checkpoint")
    to.call("list_checkpoints")
    to.call("get_key")
    to.call("get_proof", query="?position=1")
    to.call("get_proof", 409, query="?position=100000")
    to.call("get_tile", 404)
    to.call("get_tile", tile="000.p/5")
    to.call("get_entries", tile="000.p/5")
    to.call("get_entries", 404)


def ask_about_transfers(to: Recorder) -> None:
    to.call("export_session", session_id=STARTING)
    to.call("export_sessions", body={"app": "shop", "limit": 1})
    to.call("export_sessions", 422, body={"limit": 0})
    file = {"Content-Type": "application/jsonl"}
    exported = to.call("export_session", session_id=STARTING).encode()
    to.call("import_sessions", content=exported, headers=file, query="?dry_run=true")
    to.call("import_sessions", 409, content=b"{}\n", headers=file)


def ask_about_webhooks(to: Recorder) -> None:
    shop = {"url": "https://hooks.example.com/cairn", "types": ["turn.completed"], "app": "shop"}
    made = to.call("create_webhook", 201, body=shop)
    to.call("create_webhook", 422, body={"url": "ftp://hooks.example.com/"})
    to.names["webhook_id"] = made["id"]
    to.call("change_webhook", body={"state": "paused", "description": "the till"})
    to.call("change_webhook", 422, body={"batch": 0})
    to.call("get_webhook")
    to.call("list_webhooks")
    # Nobody listens there, and one attempt is all that is made: what it wants is given up.
    nobody = {"url": "http://127.0.0.1:9/", "types": ["session.created"], "batch": 1, "from": 0}
    deaf = to.call("create_webhook", 201, body=nobody)["id"]
    until(lambda: len(dead_letters(to, deaf)) > 1)
    to.call("list_dead_letters", webhook_id=deaf, query="?limit=1")
    to.call("delete_dead_letter", webhook_id=deaf, number="2")
    to.call("delete_dead_letter", 404, webhook_id=deaf, number="2")
    to.call("retry_dead_letter", 202, webhook_id=deaf)
    to.call("retry_dead_letter", 404, webhook_id=deaf, number="99")
    to.call("delete_webhook", webhook_id=deaf)
    to.call("replay_webhook", body={"from": 0, "upto": 20})
    to.call("delete_webhook")
    for name in ("get_webhook", "delete_webhook", "replay_webhook", "list_dead_letters"):
        to.call(name, 404, body={"from": 0} if name == "replay_webhook" else None)


def dead_letters(to: Recorder, webhook: str) -> list[Any]:
    found: list[Any] = to.ask("list_dead_letters", webhook_id=webhook)["dead_letters"]
    return found


def ask_about_erasure(to: Recorder) -> None:
    case = {"reason": "case 2026-4"}
    to.call("set_legal_hold", session_id=FORK, body=case)
    request = {"reason": "request 17 of the data-protection office"}
    to.call("erase_session", 409, session_id=FORK, body=request)
    to.call("release_legal_hold", session_id=FORK, body=case)
    to.call("erase_session", session_id=FORK, body=request)
    to.call("get_erasure", session_id=FORK)
    to.call("get_erasure", 409)
    to.call("prove_erasures", body={"log_ids": [FORK]})
    to.call("prove_erasures", 422, body={"log_ids": []})
    to.call("erase_user", query="?dry_run=true", body=request)
    to.call("erase_user", 422, body={})


def ask_about_the_server(to: Recorder) -> None:
    for name in ("health", "ready", "get_welcome", "get_version", "metrics", "get_docs"):
        to.call(name)
    to.call("get_openapi", members=("openapi", "info"))
    to.call("get_asyncapi", members=("asyncapi", "info"))
    to.call("get_asset")
    to.call("get_asset", 404, asset="docs.png")


def ask_about_access(to: Recorder) -> None:
    to.call("create_ticket", 201, body={"session_id": SESSION})
    to.call("create_ticket", 422, body={"session_id": SESSION, "app": "shop"})
    to.refuse_the_rest(session_id=NOBODY)
    everything = {"allow": sorted(RIGHTS), "name": "operator"}
    bearer = {"Authorization": "Bearer " + to.call("create_token", 201, body=everything)["token"]}
    till = {"app": "shop", "allow": ["read", "write", "stream"], "name": "till"}
    made = to.call("create_token", 201, body=till, headers=bearer)
    to.call("create_token", 401, body=till)
    to.call("list_tokens", headers=bearer)
    to.call("list_tokens", 401)
    to.call("revoke_token", headers=bearer, token_id=made["id"])
    to.call("revoke_token", 404, headers=bearer, token_id=made["id"])


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.01)
