"""Finding the hooks that an operator has named."""

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from application.commands.hooks import Hook


class HookNameError(Exception):
    """A hook cannot be loaded; the message says which and why."""


def load_hooks(names: str) -> list[Hook]:
    """Return the hooks with these names, also from files of the folder the program was started in.

    Args:
        names: Comma-separated, each `package.module:attribute`; the attribute is a hook or several.

    Raises:
        HookNameError: One of them is not there, or is no hook.
    """
    return [hook for name in names.split(",") if name.strip() for hook in _load(name.strip())]


def _load(name: str) -> Iterable[Hook]:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    # Last, so that no file there takes the place of a module of ours.
    if here not in sys.path:
        sys.path.append(here)
    try:
        found: Any = getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:
        said, remedy = str(error), "mend that module, or leave the hook out"
        if not isinstance(error, ImportError | AttributeError | SyntaxError):
            # What a module raises itself seldom says what it is.
            said = f"{type(error).__name__}: {said}" if said else type(error).__name__
        is_name = all(part.isidentifier() for part in module.split("."))
        if isinstance(error, AttributeError) or not is_name or _is_not_there(module, error):
            remedy = "write it like package.module:attribute"
        raise HookNameError(
            f"The hook {name!r} cannot be loaded ({said}); {remedy} (CAIRN_HOOKS)."
        ) from error
    several: list[Any] = [*found] if isinstance(found, list | tuple) else [found]
    if not all(isinstance(hook, Hook) for hook in several):
        raise HookNameError(
            f"{name!r} is not a Hook of application.commands.hooks, nor several of them."
        )
    return several


def _is_not_there(module: str, error: BaseException) -> bool:
    named = error.name if isinstance(error, ModuleNotFoundError) else None
    return named is not None and f"{module}.".startswith(f"{named}.")
