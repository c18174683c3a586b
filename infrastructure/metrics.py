"""What is counted, for `/metrics`."""

from prometheus_client import Counter, Gauge, Histogram

APPENDS = Counter("cairn_appends_total", "Appends made durable.")
EVENTS_APPENDED = Counter("cairn_events_appended_total", "Events made durable.")
APPEND_BATCH = Histogram(
    "cairn_append_batch_events",
    "Events written by one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048),
)
LAG = Gauge(
    "cairn_lag_events",
    "Events that the last look at the log found, and of which this process had not heard.",
    multiprocess_mode="livemax",
)
WRITES_REFUSED = Counter(
    "cairn_writes_refused_total",
    "Appends that the state of the database refused, by its reason.",
    ["reason"],
)
MEMORY_USED = Gauge(
    "cairn_memory_used_bytes",
    "Memory that each share of the budget counts, over all processes of the server.",
    ["share"],
    multiprocess_mode="livesum",
)
MEMORY_LIMIT = Gauge(
    "cairn_memory_limit_bytes",
    "Memory that each share of the budget may take, over all processes of the server.",
    ["share"],
    multiprocess_mode="livesum",
)
CLOCK_SKEW = Gauge(
    "cairn_clock_skew_seconds",
    "How far the clock of this machine is from that of the database.",
    multiprocess_mode="livemax",
)
OUTDATED = Gauge(
    "cairn_process_outdated",
    "1 while a process drains because it does not fit its database any more, by the reason.",
    ["reason"],
    multiprocess_mode="livemax",
)
JOB_OWNED = Gauge(
    "cairn_job_owned",
    "1 in the process that runs a background job, so 1 over all of them.",
    ["job"],
    multiprocess_mode="livesum",
)
JOB_UNOWNED = Gauge(
    "cairn_job_unowned_seconds",
    "For how long no process has run a background job; 0 while one does.",
    ["job"],
    multiprocess_mode="livemax",
)
CONFLICTS = Counter("cairn_append_conflicts_total", "Batches refused and judged.")
WEBHOOK_ATTEMPTS = Counter(
    "cairn_webhook_attempts_total", "Batches posted to webhooks, by what became of it.", ["outcome"]
)
RETENTION_LAST_RUN = Gauge(
    "cairn_retention_last_run_timestamp_seconds",
    "When this server last ended a run of the retention policies, by its outcome.",
    ["outcome"],
    multiprocess_mode="max",
)
RETENTION_SESSIONS = Counter(
    "cairn_retention_sessions_total",
    "Sessions that were found older than a retention policy keeps them, by what became of them.",
    ["policy", "outcome"],
)
