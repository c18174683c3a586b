"""The test cases that the `eventsourcing` library publishes, and its settings for our log.

Their module imports the library's AES cipher, and that a package which nothing here needs. Where it
is not installed an empty cipher takes its place for as long as the import lasts.
"""

import sys
from importlib.util import find_spec
from types import ModuleType

from psycopg.conninfo import conninfo_to_dict

if find_spec("Crypto") is None and "eventsourcing.cipher" not in sys.modules:
    _stand_in = ModuleType("eventsourcing.cipher")
    _stand_in.AESCipher = type("AESCipher", (), {})  # type: ignore[attr-defined]
    sys.modules["eventsourcing.cipher"] = _stand_in
    try:
        from eventsourcing.tests import persistence as cases
    finally:
        del sys.modules["eventsourcing.cipher"]
else:
    from eventsourcing.tests import persistence as cases

__all__ = ["cases", "environment"]


def environment(database_url: str) -> dict[str, str]:
    """Return what docs/eventsourcing.md tells its readers to set."""
    where = conninfo_to_dict(database_url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "APPLICATION_RECORDER_TOPIC": "infrastructure.postgres.library.recorder:CairnRecorder",
        "MAPPER_TOPIC": "infrastructure.postgres.library.mapper:CairnMapper",
        "POSTGRES_DBNAME": str(where["dbname"]),
        "POSTGRES_HOST": str(where["host"]),
        "POSTGRES_PORT": str(where.get("port", 5432)),
        "POSTGRES_USER": str(where["user"]),
        "POSTGRES_PASSWORD": str(where.get("password", "")),
    }
