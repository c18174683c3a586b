"""What a test has had logged, without what a server in another thread of this process logs."""

import logging
import threading

import pytest


def own_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the records of the thread of the test.

    The server that tests of a run share goes on with its background work beside every test, and
    says so when the machine is too busy for it.
    """
    here = threading.get_ident()
    return [record for record in caplog.records if record.thread == here]
