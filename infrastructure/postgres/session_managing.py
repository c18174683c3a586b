"""What a session manager keeps on Postgres, beside the logs of its sessions."""

from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.provision_payloads import PostgresProvisionPayloads
from infrastructure.postgres.seen_signatures import PostgresSeenSignatures
from infrastructure.postgres.session_routes import PostgresSessionRoutes
from infrastructure.sealing import Plain, Sealer


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
