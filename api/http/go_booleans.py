"""Booleans of a query in the spellings that Go reads."""

from api.http.problems import Problem
from api.http.requests import Parameters
from api.http.route_docs import Parameter

_SPELLINGS = {
    "": False,
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


def go_boolean(name: str, description: str) -> Parameter:
    """Return the description of a boolean; absent or blank is false.

    Args:
        name: Of the parameter.
        description: What true means.
    """
    # A pattern: code generators make one name of two words that differ in case only.
    pattern = f"^({'|'.join(_SPELLINGS)})$"
    return Parameter(name, description, {"type": "string", "pattern": pattern})


def go_flag(parameters: Parameters, name: str, *aliases: str) -> bool:
    """Return a boolean as Go's `strconv.ParseBool` reads it; absent or blank is false.

    Args:
        parameters: The query.
        name: Of the parameter.
        aliases: Other names of it.

    Raises:
        Problem: It is not one of the spellings, or given under two names with two meanings.
    """
    given = dict(parameters.pairs())
    meanings: set[bool] = set()
    for one in (name, *aliases):
        if one not in given:
            continue
        meaning = _SPELLINGS.get(given[one].strip())
        if meaning is None:
            spellings = ", ".join(filter(None, _SPELLINGS))
            detail = f"{one}: it must be one of {spellings}"
            raise Problem("invalid_parameter", detail, field=one)
        meanings.add(meaning)
    if len(meanings) > 1:
        names = " and ".join((name, *aliases))
        detail = f"{names} are conflicting: they are one parameter, so give one of them"
        raise Problem("invalid_parameter", detail, field=name)
    return True in meanings
