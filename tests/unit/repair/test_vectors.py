"""The analyser, held to the vectors of another system's repair, recommended over literal."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from domain.repair.analyser import Facts, analyse
from domain.repair.classification import LastSigns, annotated, classify
from domain.repair.foreign_rows import ForeignRows
from domain.repair.report import Options, Report
from domain.repair.rows import failure_of

Json = dict[str, Any]
VECTORS: Json = json.loads((Path(__file__).parents[2] / "vectors" / "repair.json").read_text())
_GENERATED, _NONBLANK = "<generated>", "<nonblank>"


def analysed(session: Json, rows: list[Json], *, force: bool) -> Report:
    reader = ForeignRows(session)
    facts = Facts(source="import", standing=reader.standing)
    return analyse(map(reader.row, rows), facts, Options(force=force), reader)


def appended(report: Report, rows: list[Json]) -> list[Json]:
    """The rows that a plan stands for, behind those there are."""
    head = max((row["seq"] for row in rows), default=0)
    return [
        {
            "id": f"new-{number}",
            "seq": head + number,
            "turn_id": event.turn_id,
            "type": event.type,
            "payload": {"type": event.type, "turn_id": event.turn_id, **event.data},
        }
        for number, event in enumerate(report.planned_events, 1)
    ]


def carried_out(session: Json, rows: list[Json], opts: Json) -> tuple[Report, list[Json]]:
    report = analysed(session, rows, force=opts["force"])
    if opts["dry_run"] or not report.actions:
        return report, []
    new = appended(report, rows)
    ids = [row["id"] for row in new]
    return report.applied("r-1", ids, new[-1]["seq"], None), new


def agrees(shown: Any, said: Any) -> bool:
    if shown in (_GENERATED, _NONBLANK):
        return isinstance(said, str) and bool(said)
    if isinstance(shown, dict):
        parts = cast("Json", shown)
        return all(agrees(value, said.get(key)) for key, value in parts.items())
    return bool(shown == said)


def assert_report(expected: Json, report: Report) -> None:
    said = report.document()
    assert said["session_id"] == expected["session_id"]
    assert said["persisted"] == expected["persisted"]
    keys = ("code", "severity", "turn_id", "event_id")
    assert [tuple(issue[key] for key in keys) for issue in said["issues"]] == [
        tuple(issue.get(key) if key != "event_id" or issue.get(key) else None for key in keys)
        for issue in expected["issues"]
    ]
    for wanted, issue in zip(expected["issues"], said["issues"], strict=True):
        assert all(part in issue["detail"] for part in wanted.get("detail_contains", ()))
        assert issue["advice"]
    assert len(said["actions"]) == len(expected["actions"])
    for action, shown in zip(said["actions"], expected["actions"], strict=True):
        assert agrees(shown, action)
        assert {key for key, value in action.items() if value is not None} == shown.keys()


def each(name: str) -> list[Any]:
    return [pytest.param(vector, id=vector["id"]) for vector in VECTORS[name]]


@pytest.mark.parametrize("vector", each("vectors"))
def test_a_log_is_analysed_and_repaired_as_the_vector_says(vector: Json) -> None:
    session, rows, opts = vector["session"], vector["events"], vector["opts"]

    report, new = carried_out(session, rows, opts)

    expected = vector.get("recommended") or vector["expected"]
    assert_report(expected["report"], report)
    shown = expected.get("appended", [])
    assert len(new) == len(shown)
    for row, wanted in zip(new, shown, strict=True):
        assert agrees(wanted, {**row["payload"], "seq": row["seq"]})
    if "second_run" in vector:
        again, nothing = carried_out(session, [*rows, *new], opts)
        assert_report(vector["second_run"]["report"], again)
        assert nothing == vector["second_run"]["appended"] == []


@pytest.mark.parametrize("vector", each("classification_vectors"))
def test_a_session_that_nobody_drives_is_classified(vector: Json) -> None:
    meta: Json = vector["meta"]
    expected: Json = vector["expected"]
    words = {text: code for code, text in VECTORS["stop_detail_codes"].items()}
    liveness = cast("Json", meta.get("liveness", {}))
    activity = cast("Json", liveness.get("activity", {}))
    signs = LastSigns(
        state=meta["state"],
        failure=failure_of(meta["failure"]) if (meta.get("failure") or {}).get("kind") else None,
        alive=liveness.get("subprocess_pid") in vector["alive_pids"],
        stalled=bool(liveness.get("stall_state")),
        last_activity=_moment(activity.get("last_activity_at")),
        last_update=_moment(liveness.get("last_update_at")),
        stop_detail=words.get(meta.get("stop_detail", ""), ""),
    )

    classified = classify(datetime.fromisoformat(vector["now"]), signs)

    after = expected["meta"]
    lost = "provider_session_id" in meta and "provider_session_id" not in after
    if classified is None:
        assert expected["changed"] is lost
        return
    assert expected["changed"]
    assert (classified.reason, classified.detail) == (
        after["stop_reason"],
        words[after["stop_detail"]],
    )
    assert classified.failure.kind == after["failure"]["kind"]
    summary = after["failure"]["summary"]
    assert classified.failure.summary == words.get(summary, summary)
    assert classified.stalled == (after.get("stall_state", "") == "stalled")


@pytest.mark.parametrize("vector", each("annotate_vectors"))
def test_what_could_not_be_stored_is_said_once(vector: Json) -> None:
    assert annotated(vector["stop_detail"], vector["error"]) == vector["expected"]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
