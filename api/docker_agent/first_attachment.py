"""Whether anybody has ever driven a session, as far as whoever asks can see."""

from collections import OrderedDict
from typing import NamedTuple

from api.http.around.authorization import narrowed
from api.http.incoming.requests import HttpRequest
from api.services import services_of
from application.reads.streams.feed import FeedFilter
from application.reads.streams.stream_items import Deadline

_MOST_PLACES = 1000


class _Place(NamedTuple):
    """Of which log what is known, and for whom."""

    store: str
    app: str | None
    user: str | None


_looked: OrderedDict[_Place, int | None] = OrderedDict()
"""How far the feed was looked through in vain; None where somebody was found, for good."""


async def wait_for_attachment(request: HttpRequest, seconds: float) -> bool:
    """Return whether somebody has driven a session, as soon as it is so.

    Args:
        request: Who asks: only their sessions count.
        seconds: How long to wait at most.
    """
    services = services_of(request)
    app, user = narrowed(request, None, None)
    place = _Place(str(services.store.identity), app, user)
    wanted = FeedFilter(types=("attachment.acquired",), app=app, user=user)
    deadline = Deadline(seconds)
    position = _looked.get(place, 0)
    while position is not None:
        page = await services.feed.page(position, 1, wanted, deadline.left())
        position = None if page.events else page.next
        _remember(place, position)
        if page.up_to_date and (deadline.is_over or services.fan_out.closing.is_set()):
            break
    return position is None


def _remember(place: _Place, position: int | None) -> None:
    _looked[place] = position
    _looked.move_to_end(place)
    if len(_looked) > _MOST_PLACES:
        _looked.popitem(last=False)
