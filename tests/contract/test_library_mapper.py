"""Applications and projections of the `eventsourcing` library on our log, with our mapper."""

from collections.abc import Iterator
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError, ProgrammingError, Tracking
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.tests import application as applications
from eventsourcing.tests import projection as projections

from application.ports.store import Store
from domain.session.events import Unrecognised
from infrastructure.postgres.library.mapper import LoggedEvent
from tests.support.appends import Chain
from tests.support.library import environment


class Counters(POPOTrackingRecorder):
    """A view as the library's case wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.created = self.subsequent = 0

    def get_created_event_counter(self) -> int:
        return self.created

    def get_subsequent_event_counter(self) -> int:
        return self.subsequent

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self._track(tracking)
        self.created += 1

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self._track(tracking)
        self.subsequent += 1

    def _track(self, tracking: Tracking) -> None:
        with self._database_lock:
            self._assert_tracking_uniqueness(tracking)
            self._insert_tracking(tracking)


class TestProjections(projections.AggregateEventCountersProjectionTestCase):
    view_class: ClassVar[Any] = Counters

    @pytest.fixture(autouse=True)
    def _database(self, database_url: str) -> None:
        memory = {"EVENTCOUNTERS_PERSISTENCE_MODULE": "eventsourcing.popo"}
        type(self).env = environment(database_url) | memory


class TestAnApplication(applications.ExampleApplicationTestCase):
    expected_factory_topic = "eventsourcing.postgres:PostgresFactory"

    @pytest.fixture(autouse=True)
    def _database(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in environment(database_url).items():
            monkeypatch.setenv(name, value)


class Lamp(Aggregate):
    @event("Switched")
    def switch(self, *, on: bool) -> None:
        self.on = on


@pytest.fixture
def application(database_url: str) -> Iterator[Application[UUID]]:
    with Application[UUID](env=environment(database_url)) as application:
        yield application


async def test_its_own_events_are_records_in_the_feed(
    postgres_store: Store, application: Application[UUID]
) -> None:
    lamp = Lamp()
    lamp.switch(on=True)
    application.save(lamp)
    page = await postgres_store.log.read_all(after=0, upto=10, limit=10)
    first, second = page.events
    record = postgres_store.codec.from_json(second.record)
    assert record["type"] == second.type == f"{__name__}:Lamp.Switched"
    assert record["data"]["on"] is True
    assert postgres_store.codec.decode(second).event == Unrecognised(
        type=second.type, data=record["data"]
    )
    assert first.session_id == lamp.id
    found: Lamp = application.repository.get(lamp.id)
    assert found.on
    with pytest.raises(IntegrityError):
        application.save(_again(lamp))


def _again(lamp: Lamp) -> Lamp:
    same = Lamp()
    same._id = lamp.id
    for one in same.pending_events:
        object.__setattr__(one, "originator_id", lamp.id)
    return same


async def test_events_of_cairn_come_with_their_record(
    postgres_store: Store, application: Application[UUID]
) -> None:
    chain = Chain()
    await postgres_store.log.append(chain.next(["session.created", "of.tomorrow"]))
    for read in application.notification_log.select(start=1, limit=10):
        one = application.mapper.to_domain_event(read)
        assert isinstance(one, LoggedEvent)
        assert (one.originator_id, one.originator_version) == (
            chain.session_id,
            read.originator_version,
        )
        assert (one.type, one.record) == (read.topic, read.state)
        assert one.recorded.sequence == read.originator_version
    assert isinstance(one.recorded.event, Unrecognised)


@pytest.mark.parametrize(
    "setting",
    [
        {"COMPRESSOR_TOPIC": "eventsourcing.compressor:ZlibCompressor"},
        {"CIPHER_TOPIC": f"{__name__}:NoCipher"},
    ],
)
def test_what_would_hide_records_is_refused(database_url: str, setting: dict[str, str]) -> None:
    with pytest.raises(ProgrammingError, match="plain JSON"):
        Application[UUID](env=environment(database_url) | setting)


class NoCipher:
    def __init__(self, _: Any) -> None:
        self.key = uuid4()
