"""Numbers of things in sentences: 1 event, 2 events, 10,000 events."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with the name of what it counts.

    Args:
        number: How many, from 0 on.
        one: The name of one.
        many: The name of several; None adds an s to that of one.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
