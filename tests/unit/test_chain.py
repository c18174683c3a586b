"""The digests that make a log evidence."""

from hashlib import sha256
from uuid import UUID

from domain.log.chain import genesis, link, record_hash
from tests.support.builders import SESSION_ID

RECORDS = [b'{"n":1}', b'{"n":2}', b'{"n":3}']


def chain(records: list[bytes], session_id: UUID = SESSION_ID) -> list[bytes]:
    digests, end = [], genesis(session_id)
    for record in records:
        end = link(end, record_hash(record))
        digests.append(end)
    return digests


def test_a_digest_covers_the_one_before_it_and_the_hash_of_the_stored_bytes():
    assert genesis(SESSION_ID) == sha256(SESSION_ID.bytes).digest()
    assert record_hash(b"x") == sha256(b"x").digest()
    first = link(genesis(SESSION_ID), record_hash(b"x"))
    assert first == sha256(genesis(SESSION_ID) + sha256(b"x").digest()).digest()
    assert len(first) == 32


def test_the_chain_is_checked_over_an_erased_record_by_its_hash():
    digests = chain(RECORDS)
    kept = [record_hash(RECORDS[0]), record_hash(RECORDS[1]), record_hash(RECORDS[2])]

    end, checked = genesis(SESSION_ID), list[bytes]()
    for hashed in kept:
        end = link(end, hashed)
        checked.append(end)
    assert checked == digests
    # With the record gone, what stands before it still cannot be replaced by anything else.
    forged = link(genesis(SESSION_ID), record_hash(b'{"n":9}'))
    assert link(forged, kept[1]) != digests[1]


def test_it_is_the_same_on_every_machine_for_ever():
    assert chain(RECORDS)[-1].hex() == (
        "796c6ab7f218e50a7b4cbda6b2357b11930adc74cd78f93e514869f776c96acd"
    )


def test_a_changed_record_changes_every_digest_after_it():
    changed = chain([RECORDS[0], b'{"n":9}', RECORDS[2]])

    assert [a == b for a, b in zip(chain(RECORDS), changed, strict=True)] == [True, False, False]


def test_records_cannot_change_places_or_be_left_out():
    assert chain(RECORDS[::-1])[-1] != chain(RECORDS)[-1]
    assert chain(RECORDS[1:])[-1] != chain(RECORDS)[-1]


def test_a_chain_belongs_to_its_session():
    assert chain(RECORDS, UUID(int=1))[0] != chain(RECORDS, UUID(int=2))[0]
