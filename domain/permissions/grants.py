"""What a session may use and hand on to its children: tools, skills and the like, by name."""

from dataclasses import dataclass
from functools import lru_cache

from domain.checks import require_name
from domain.errors import Invalid

MAX_ATOMS = 1_000
MAX_ATOM = 1_024
GRANT_CATEGORIES = (
    "tools",
    "skills",
    "mcp_servers",
    "workspace_paths",
    "network_channels",
    "sandbox_profiles",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What a session may use, by category; an empty category is nothing, not everything."""

    tools: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    mcp_servers: tuple[str, ...] = ()
    workspace_paths: tuple[str, ...] = ()
    network_channels: tuple[str, ...] = ()
    sandbox_profiles: tuple[str, ...] = ()


_MOST_KEPT = 4_096
"""Characters of grants that are remembered: all that a session may have would be megabytes."""


def normalised(grants: Grants) -> Grants:
    """Return grants trimmed, sorted and without duplicates, as they are stored and compared.

    Args:
        grants: At most 1,000 atoms a category, each of at most 1,024 characters.

    Raises:
        Invalid: An atom is blank, too long or has control characters, or there are too many.
    """
    size = sum(len(atom) for name in GRANT_CATEGORIES for atom in getattr(grants, name))
    return _remembered(grants) if size <= _MOST_KEPT else _normalised(grants)


def _normalised(grants: Grants) -> Grants:
    return Grants(**{name: _atoms(grants, name) for name in GRANT_CATEGORIES})


_remembered = lru_cache(maxsize=256)(_normalised)


def _atoms(grants: Grants, category: str) -> tuple[str, ...]:
    given: tuple[str, ...] = getattr(grants, category)
    if len(given) > MAX_ATOMS:
        raise Invalid(f"{category} has {len(given)} atoms; at most {MAX_ATOMS}", field=category)
    trimmed = [atom.strip() for atom in given]
    for index, atom in enumerate(trimmed):
        require_name(atom, f"{category}[{index}]", most=MAX_ATOM)
    return tuple(sorted(set(trimmed)))


def wider_than(parent: Grants, child: Grants) -> tuple[tuple[str, str], ...]:
    """Return the (category, atom) pairs that the child has and the parent has not.

    Atoms are compared for equality: a `*`, a prefix or a directory above stands for itself only.

    Args:
        parent: What may be handed on.
        child: What is asked for; nothing at all is never wider.

    Raises:
        Invalid: A side has a blank atom, or another that `normalised` refuses.
    """
    held, asked = normalised(parent), normalised(child)
    return tuple(
        (category, atom)
        for category in GRANT_CATEGORIES
        for atom in getattr(asked, category)
        if atom not in getattr(held, category)
    )
