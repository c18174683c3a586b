"""LangChain: lists of messages as `messages_to_dict` and `dumpd` write them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from application.transfer.foreign import Draft, ForeignSession, Tally, foreign_session_id
from application.transfer.lines import FileFault
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.foreign_session import foreign_session
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.langchain.messages import MessageMapper, message_of
from infrastructure.importers.reading.source_files import document_of
from infrastructure.importers.reading.values import NO_TIME, Unreadable, clean, list_of, object_of

SOURCE = "langchain"


def read_langchain(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the conversation of a file, which is known by the name of that file.

    Args:
        place: The path; in the file is a list of messages, or an object with one.
        choices: How it is placed.

    Raises:
        FileFault: It is no list of messages.
    """
    told = document_of(Path(place))
    messages = list_of(object_of(told).get("messages", told))
    if not messages or not all(message_of(one).get("type") for one in messages):
        raise FileFault(f"{place} is no list of messages of LangChain")
    native, tally = Path(place).stem, Tally()
    session_id = foreign_session_id(SOURCE, native)
    drafter = SessionDrafter(SOURCE, session_id, NO_TIME, tally, name=native)
    yield foreign_session(drafter, _drafts(drafter, messages), choices, key=[native])


def _drafts(drafter: SessionDrafter, messages: Sequence[Any]) -> Iterator[Draft]:
    mapper = MessageMapper(drafter)
    for number, value in enumerate(messages, 1):
        drafter.item(None)
        try:
            mapper.map(message_of(clean(value, drafter.tally)))
        except Unreadable as error:
            drafter.unreadable(f"message {number}", str(error), None)
        yield from drafter.take()
    drafter.finish()
    yield from drafter.take()
