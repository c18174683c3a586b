"""From settings to hooks."""

from api.settings import Settings
from api.start_error import StartError
from application.commands.hooks import Hooks
from infrastructure.hook_loading import HookNameError, load_hooks


def hooks_of(settings: Settings) -> Hooks:
    """Return the hooks that are asked before commands.

    Args:
        settings: Name them.

    Raises:
        StartError: One cannot be loaded.
    """
    try:
        return Hooks(load_hooks(settings.hooks))
    except HookNameError as error:
        raise StartError(str(error)) from error
