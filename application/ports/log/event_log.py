"""The log, as a store keeps it: what joins it, and how it is read."""

from typing import Protocol

from application.ports.log.append import Appender
from application.ports.log.session_logs import SessionLogs
from application.ports.log.whole_log import WholeLog


class EventLog(Appender, SessionLogs, WholeLog, Protocol):
    """The append-only log, ordered per session by sequence and over all by position."""
