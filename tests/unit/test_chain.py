"""The digests that make a log evidence."""

from hashlib import sha256
from uuid import UUID

from domain.chain import DIGEST_SIZE, genesis, link
from tests.support.builders import SESSION_ID

RECORDS = [b'{"n":1}', b'{"n":2}', b'{"n":3}']


def chain(records: list[bytes], session_id: UUID = SESSION_ID) -> list[bytes]:
    digests, end = [], genesis(session_id)
    for record in records:
        end = link(end, record)
        digests.append(end)
    return digests


def test_a_digest_covers_the_one_before_it_and_the_stored_bytes():
    assert genesis(SESSION_ID) == sha256(SESSION_ID.bytes).digest()
    assert link(genesis(SESSION_ID), b"x") == sha256(genesis(SESSION_ID) + b"x").digest()
    assert len(link(genesis(SESSION_ID), b"x")) == DIGEST_SIZE


def test_it_is_the_same_on_every_machine_for_ever():
    assert chain(RECORDS)[-1].hex() == (
        "8a442a252280725a001dc35d469ccfe101de009613e3b80d14ce4cc247916423"
    )


def test_a_changed_record_changes_every_digest_after_it():
    changed = chain([RECORDS[0], b'{"n":9}', RECORDS[2]])

    assert [a == b for a, b in zip(chain(RECORDS), changed, strict=True)] == [True, False, False]


def test_records_cannot_change_places_or_be_left_out():
    assert chain(RECORDS[::-1])[-1] != chain(RECORDS)[-1]
    assert chain(RECORDS[1:])[-1] != chain(RECORDS)[-1]


def test_a_chain_belongs_to_its_session():
    assert chain(RECORDS, UUID(int=1))[0] != chain(RECORDS, UUID(int=2))[0]
