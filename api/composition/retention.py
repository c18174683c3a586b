"""The retention policies of the server, looked at before it starts."""

from api.settings import Settings
from api.start_error import StartError
from application.ports.session.retention import RetentionPolicy
from application.retention.policies import PolicyFault, read_policies


def policies_of(settings: Settings) -> list[RetentionPolicy]:
    """Return the retention policies that the server follows by itself, as they are now.

    Args:
        settings: Name the file.

    Raises:
        StartError: It cannot be read or meant.
    """
    if settings.retention_policy is None:
        return []
    try:
        return read_policies(settings.retention_policy)
    except PolicyFault as fault:
        raise StartError(f"{fault} (CAIRN_RETENTION_POLICY)") from fault
