"""The test cases that the `eventsourcing` library publishes.

Their module imports the library's AES cipher, and that a package which nothing here needs. Where it
is not installed an empty cipher takes its place for as long as the import lasts.
"""

import sys
from importlib.util import find_spec
from types import ModuleType

if find_spec("Crypto") is None and "eventsourcing.cipher" not in sys.modules:
    _stand_in = ModuleType("eventsourcing.cipher")
    _stand_in.AESCipher = type("AESCipher", (), {})  # type: ignore[attr-defined]
    sys.modules["eventsourcing.cipher"] = _stand_in
    try:
        from eventsourcing.tests import persistence as cases
    finally:
        del sys.modules["eventsourcing.cipher"]
else:
    from eventsourcing.tests import persistence as cases

__all__ = ["cases"]
