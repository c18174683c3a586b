"""The models of this door beside those of google-adk: what is kept, its clients can read.

Each case is an event with every field that google-adk 2.13 knows, made by walking its models.
"""

import enum
import typing
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from api.adk.requests import parsed
from api.adk.wire import Event, event_record

Json = dict[str, Any]
pytestmark = pytest.mark.filterwarnings("ignore")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    adk: Any = pytest.importorskip(
        "google.adk.events.event", reason="google-adk is installed by make setup-importers"
    )
    auth: Any = pytest.importorskip("google.adk.auth.auth_tool")
    sessions: Any = pytest.importorskip("google.adk.sessions.session")

_FREE = {"user_key": None, "n": 1.0}
"""What stands where users choose the names."""
MADE = ("id", "timestamp", "credentialKey")
_AUTH = {"auth_scheme": {"type": "apiKey", "in": "header", "name": "k"}, "credential_key": "c"}


def filled(model: type[BaseModel], *, camel: bool) -> Json:
    """An object with every field of a model, by its alias or by its name."""
    found: Json = {}
    for name, field in model.model_fields.items():
        alias = field.serialization_alias or field.alias or name
        found[alias if camel else name] = value_of(field.annotation, camel=camel)
    return found


def value_of(kind: Any, *, camel: bool) -> Any:
    kinds = [one for one in typing.get_args(kind) if one is not type(None)]
    origin = typing.get_origin(kind)
    if origin in (list, set):
        return [value_of(kinds[0], camel=camel)]
    if origin is typing.Literal:
        return kinds[0]
    if origin is dict:
        inner = value_of(kinds[1], camel=camel)
        return dict(_FREE) if inner == _FREE else {"one_key": inner}
    if kinds:
        return value_of(kinds[0], camel=camel)
    if not isinstance(kind, type):
        return dict(_FREE)
    if issubclass(kind, BaseModel):
        return filled(kind, camel=camel)
    if issubclass(kind, enum.Enum):
        return next(iter(kind)).value
    simple: dict[Any, Any] = {bool: True, int: 1, float: 0.5, bytes: "-__-", dict: dict(_FREE)}
    return simple.get(kind, "x")


def whole_event(*, camel: bool) -> Json:
    event = filled(adk.Event, camel=camel)
    of_auth = {"c": filled(auth.AuthConfig, camel=True) if camel else dict(_AUTH)}
    if camel:
        of_auth["c"] = {"authScheme": _AUTH["auth_scheme"], "credentialKey": "c"}
    event["actions"]["requestedAuthConfigs" if camel else "requested_auth_configs"] = of_auth
    return event


def as_google_adk_tells(event: Json) -> Json:
    return adk.Event.model_validate(event).model_dump(mode="json", by_alias=True, exclude_none=True)


def as_we_tell(event: Json) -> Json:
    return event_record(parsed(Event, event), new_id="new", now=1.0)


@pytest.mark.parametrize("camel", [True, False], ids=["camel", "snake"])
def test_an_event_with_every_field_is_told_as_google_adk_tells_it(camel: bool):
    event = whole_event(camel=camel)
    told = as_we_tell(event)
    assert told == as_google_adk_tells(event)
    # Its clients read it, and it says the same when it is sent again.
    shown = {"id": "s", "appName": "a", "userId": "u", "events": [told]}
    assert sessions.Session.model_validate(shown).events[0].id == event["id"]
    assert as_we_tell(told) == told


def objects_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all objects in a value that models describe."""
    if isinstance(value, dict):
        if value and value.keys() != _FREE.keys():
            yield path
        for name, item in typing.cast("Json", value).items():
            yield from objects_in(item, (*path, name))
    if isinstance(value, list):
        for index, item in enumerate(typing.cast("list[Any]", value)):
            yield from objects_in(item, (*path, index))


def with_null(path: tuple[Any, ...], name: str) -> Json:
    event = whole_event(camel=True)
    inner: Any = event
    for step in path:
        inner = inner[step]
    inner[name] = None
    return event


def test_null_in_any_field_is_left_out_as_there():
    compared = 0
    whole = whole_event(camel=True)
    for path in objects_in(whole):
        place: Any = whole
        for step in path:
            place = place[step]
        for name in place:
            if path in ((), ("actions", "requestedAuthConfigs", "c")) and name in MADE:
                # What is missing of these is made, another one each time.
                continue
            event = with_null(path, name)
            try:
                wanted = as_google_adk_tells(event)
            except ValueError:
                continue
            assert as_we_tell(event) == wanted, (*path, name)
            compared += 1
    assert compared > 250
