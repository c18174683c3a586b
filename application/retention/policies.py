"""Retention policies as a file has them: read strictly, and refused in whole sentences."""

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any, cast, get_args

from application.ports.session.retention import Action, RetentionPolicy
from domain.session.state import Status

_AGE = re.compile(r"([1-9]\d{0,5})([hd])")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FILTERS = ("app", "user", "workspace", "agent", "type", "tag", "status")
_FIELDS = frozenset({"name", "older_than", "action", "archive", *_FILTERS})
_STATUSES = frozenset(get_args(Status)) - {"deleted", "erased"}


class PolicyFault(Exception):
    """A file of policies cannot be read or meant; the message says why."""


def read_policies(path: Path) -> list[RetentionPolicy]:
    """Return the policies of a file.

    Args:
        path: A TOML file with `[[policy]]` tables; relative archives are beside it.

    Raises:
        PolicyFault: It cannot be read, or says something that cannot be meant.
    """
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise PolicyFault(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyFault(f"{path} is no TOML: {error}.") from None
    found = told.pop("policy", None)
    if told:
        raise PolicyFault(f"{path} has {min(told)!r}; it may have [[policy]] tables only.")
    if not isinstance(found, list) or not found:
        raise PolicyFault(f"{path} has no [[policy]] table.")
    policies = [_policy(path, one) for one in cast("list[object]", found)]
    names = [one.name for one in policies]
    if twice := [name for name in names if names.count(name) > 1]:
        raise PolicyFault(f"Two policies of {path} have the name {twice[0]!r}; rename one.")
    return policies


def _policy(path: Path, told: object) -> RetentionPolicy:
    if not isinstance(told, dict):
        raise PolicyFault(f"{path}: a policy is a [[policy]] table.")
    fields = cast("dict[str, Any]", told)
    for field, value in fields.items():
        if field not in _FIELDS:
            raise PolicyFault(f"{path}: a policy has no {field!r}; it may have {_list(_FIELDS)}.")
        if not isinstance(value, str) or not value.strip():
            raise PolicyFault(f"{path}: {field} is a text, and not {value!r}.")
    name = fields.get("name", "")
    if not _NAME.fullmatch(name):
        raise PolicyFault(
            f"{path}: each policy needs a name of a-z, 0-9, - and _, such as `old-chats`."
        )
    if "app" not in fields:
        raise PolicyFault(f"{path}: policy {name} names no app, and would be for all of them.")
    if fields.get("status", "stopped") not in _STATUSES:
        raise PolicyFault(f"{path}: policy {name}: status is one of {_list(_STATUSES)}.")
    age = _AGE.fullmatch(fields.get("older_than", ""))
    if age is None:
        raise PolicyFault(
            f"{path}: policy {name} needs older_than, such as 365d or 12h: whole days or hours,"
            " at least 1 and at most 999999."
        )
    action = fields.get("action")
    if action not in get_args(Action):
        raise PolicyFault(f"{path}: policy {name} needs an action: {_list(get_args(Action))}.")
    archives = action != "erase"
    if archives != ("archive" in fields):
        raise PolicyFault(
            f"{path}: policy {name} archives, so it needs the folder `archive`."
            if archives
            else f"{path}: policy {name} only erases, so it has no `archive`."
        )
    hours = int(age[1]) * (24 if age[2] == "d" else 1)
    folder = path.parent / fields["archive"] if archives else None
    where = {field: fields[field] for field in _FILTERS if field in fields}
    return RetentionPolicy(name, where, timedelta(hours=hours), cast("Action", action), folder)


def _list(names: Any) -> str:
    return ", ".join(sorted(names))
