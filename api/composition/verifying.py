"""What verifies the store."""

from collections.abc import Sequence

from application.commands.repository import SessionRepository
from application.ports.store import Store
from application.reads.evidence.tree_check import Signers, TreeCheck
from application.reads.evidence.verification import Verification
from domain.transparency.notes import VerifierKey
from infrastructure.keys.ed25519 import Ed25519
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.log.census import PostgresCensus
from infrastructure.postgres.log.checkpoints import PostgresCheckpoints
from infrastructure.postgres.log.inspection import PostgresInspector
from infrastructure.postgres.log.transparency import PostgresSignedHeads, PostgresTiles


def verification_of(
    store: Store, database: Database, repository: SessionRepository, keys: Sequence[VerifierKey]
) -> Verification:
    """Return what verifies a store.

    Args:
        store: Which.
        database: Where it is.
        repository: Knows what a fork begins with.
        keys: The public keys that sign its checkpoints, old ones too.
    """
    tree = TreeCheck(
        store.log,
        PostgresTiles(database),
        PostgresSignedHeads(database),
        PostgresCheckpoints(database),
        Signers(Ed25519(), keys),
    )
    inspector, census = PostgresInspector(database), PostgresCensus(database)
    return Verification(store.codec, inspector, repository, census, tree)
