"""What a session manager keeps on Postgres, beside the logs of its sessions."""

from infrastructure.keys.sealing import Plain, Sealer
from infrastructure.postgres.access.seen_signatures import PostgresSeenSignatures
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.managers.provision_payloads import PostgresProvisionPayloads
from infrastructure.postgres.managers.session_routes import PostgresSessionRoutes


class PostgresSessionManaging:
    """All of it.

    Args:
        database: Where it is kept.
        sealer: Seals what holds secrets.
    """

    def __init__(self, database: Database, sealer: Plain | Sealer) -> None:
        self.payloads = PostgresProvisionPayloads(database, sealer)
        self.routes = PostgresSessionRoutes(database)
        self.signatures = PostgresSeenSignatures(database)
