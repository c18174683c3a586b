"""How often the interpreter looks for reference cycles."""

import gc

_COLLECT_EVERY = 20_000


def spare_the_collector() -> None:
    """Keep the search for reference cycles away from what is here to stay.

    States and events are immutable trees without cycles, freed when they are let go of. Looking
    through all of them again and again took 15 % of the processor, and stopped everybody for tens
    of milliseconds (docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, 50, 100)
