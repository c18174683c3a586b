"""google-adk: its databases in every layout, and sessions and eval sets as JSON."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from application.transfer.foreign import ForeignSession, Tally
from application.transfer.lines import FileFault
from infrastructure.importers.adk.database import AdkDatabase
from infrastructure.importers.adk.eval_sets import is_eval_set, sessions_of_eval_set
from infrastructure.importers.adk.names import snaked, snaked_event
from infrastructure.importers.adk.sessions import SOURCE, AdkItem, AdkKey, Survey, adk_session
from infrastructure.importers.choices import Choices
from infrastructure.importers.reading.source_files import document_of
from infrastructure.importers.reading.tables import opened_tables
from infrastructure.importers.reading.values import clean, list_of, moment_of, object_of, text_of


def read_adk(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the sessions of a database or of a JSON file.

    Args:
        place: A path, or the URL of a database.
        choices: How they are placed.

    Raises:
        FileFault: There are none.
    """
    if "://" not in place and place.endswith(".json"):
        document = object_of(document_of(Path(place)))
        if is_eval_set(document):
            for case in sessions_of_eval_set(document):
                yield _of_document(snaked(case), "eval_set", choices)
        else:
            yield _of_session(document, place, choices)
        return
    with opened_tables(place) as tables:
        yield from AdkDatabase(tables, choices).sessions()


def _of_session(document: Mapping[str, Any], place: str, choices: Choices) -> ForeignSession:
    if not isinstance(document.get("events"), list) or text_of(document.get("id")) is None:
        raise FileFault(f"{place} is no session of google-adk: it has no id or no events")
    return _of_document(snaked(document), "json", choices)


def _of_document(document: Mapping[str, Any], layout: str, choices: Choices) -> ForeignSession:
    tally, survey = Tally(), Survey()
    key = AdkKey(
        text_of(document.get("app_name")) or SOURCE,
        text_of(document.get("user_id")) or "unknown",
        document["id"],
    )
    events = [snaked_event(clean(event, tally)) for event in list_of(document["events"])]
    for event in events:
        survey.take(msgspec.json.encode(event))
    state = object_of(clean(document.get("state"), tally))
    first = {name: value for name, value in state.items() if name not in survey.touched}
    began = next((e["timestamp"] for e in events if "timestamp" in e), None)
    return adk_session(
        key,
        layout,
        first,
        moment_of(began or document.get("last_update_time"), choices, tally),
        survey,
        (AdkItem(f"event {number}", event) for number, event in enumerate(events, 1)),
        tally,
        choices,
        lambda _: {},
    )
