"""Where this door answers otherwise than google-adk's own server, and why.

By the name of the recorded case, or its beginning and `*`.
"""

NAMES = "a session id is one that a path can have: up to 200 characters, no control ones, no dots"
ARTIFACT_NAMES = "the name of an artifact is one that a path can have"
ALLOW = "`Allow` names all methods of the path, not that of the first route"
HEAD = "HEAD and OPTIONS are answered, and change nothing"
SLASH = "a path with a slash at its end is answered, not sent elsewhere"
ELSEWHERE = "the path belongs to another door"
AGENTS = "agents belong to whoever runs them; only names of apps are known here"
ACTIONS = "events of a creation may have actions: an export can be imported again"
SURROGATE = "half of a surrogate pair is refused; there it breaks the session for good"

NO_PATH = "the path is for agents that run there: it is not there"
UI = "what the web UI asks for is answered in every case"
ONE_ORDER = "events come back in the order in which they were recorded"
NO_DEFAULT = "there is no setting for a default app"
SITES = "what pages of other sites may do is decided for all doors alike (docs/http.md)"

DEVIATIONS = {
    "agent-identity-finalize@db": ELSEWHERE,
    "create-app-surrogate-poison@db": SURROGATE,
    "create-deep-nesting@db": "JSON is nested at most 100 deep",
    "create-events-actions-midway@db": ACTIONS,
    "artifact-post-to-name@db": ALLOW,
    "artifact-save-dotdot@db": ARTIFACT_NAMES,
    "artifact-save-empty-name@db": ARTIFACT_NAMES,
    "artifact-survives-session-delete@db": ALLOW,
    "concurrent-patches@*": "of many changes at once all are recorded, in any order",
    "create-events-dup-id-differ@*": "two events of one id are refused; there it fails half-way",
    "create-events-full-fields@db": "`routes` and `requestedInput`, of google-adk for Go, are kept",
    "create-events-longrunning@db": ACTIONS,
    "create-events-null-actions@db": "null is taken for empty: google-adk for Go writes it so",
    "create-events-null-delta@db": "null is taken for empty: google-adk for Go writes it so",
    "create-events-precision@memory": "the time of a session has microseconds",
    "create-events-timestamp-null@db": "an event without a time is of now",
    "create-events-with-state-delta@db": ACTIONS,
    "create-id-300@db": NAMES,
    "create-id-3000@db": NAMES,
    "create-id-control-char@*": NAMES,
    "create-id-dots@db": NAMES,
    "create-id-encoded-slash-in-path@db": NAMES,
    "create-id-form-wrapped-key-only@db": "a body of `state` and `events` alone is that of Go",
    "create-id-nul@db": NAMES,
    "create-id-padded@*": "blanks around a session id are cut off, in a path they are not",
    "create-id-slash-in-body@db": NAMES,
    "create-large-event@db": "a record has at most CAIRN_MAX_RECORD_BYTES, 1 MiB unless set",
    "create-state-nul@db": "keys of the state have no control characters; values may",
    "client-version@db": "the version is that of this server",
    "default-app-*": NO_DEFAULT,
    "delete-collection@db": ALLOW,
    "encoded-user-slash@db": "a user may have a slash in its name, sent as %2F",
    "get-run@db": ALLOW,
    "get-unknown-query@db": "`num_recent_events` is heeded, not passed over",
    "head-health@db": HEAD,
    "head-session@db": HEAD,
    "list-all-users-route@db": "the sessions of all users of an app can be listed",
    "local-create-dotdot-app@local": NAMES,
    "misc-app-info*": AGENTS,
    "misc-build-graph-*": AGENTS,
    "misc-config-telemetry@db": UI,
    "misc-config-telemetry@web": "nothing is sent anywhere: it says so",
    "misc-dev-graph@web": NO_PATH,
    "misc-docs@db": ELSEWHERE,
    "misc-eval-results@db": UI,
    "misc-eval-sets-dash@db": UI,
    "misc-favicon@db": ELSEWHERE,
    "misc-list-apps*": "the apps are those that have sessions",
    "misc-metrics-info@*": UI,
    "misc-root@*": ELSEWHERE,
    "misc-runtime-config@*": ELSEWHERE,
    "misc-trace-event@db": UI,
    "misc-trace-old-path@db": ELSEWHERE,
    "misc-ui-config@*": ELSEWHERE,
    "misc-unknown-path@db": ELSEWHERE,
    "no-app-segment@db": ELSEWHERE,
    "options-*": HEAD,
    "origin-*": SITES,
    "sqlite-events-order@sqlite": ONE_ORDER,
    "patch-ui-rename@db": "only keys that change are recorded",
    "put-session@db": ALLOW,
    "trailing-slash-*": SLASH,
}

AGENT_NAMES = "agents belong to whoever runs them: an app without the session is not told apart"
TEXT_ALONE = "pieces of a message have its text alone, and are told to streams only"
REASON = "a run that fails is answered with the reason, not with `Internal Server Error`"

ALL_RUN = "of two runs the second waits; there one is lost, or they are recorded in each other"
LEFT = "a client that leaves ends nothing: the run goes on, and its events are recorded"
SCHEME = "a scheme of credentials comes back as it was sent, without a `type_`"

RUN_DEVIATIONS = {
    "autocreate-run@autocreate": "a run begins no session: a name that was mistyped is 404",
    "client-run-stream@db": TEXT_ALONE,
    "concurrent-patch-during-run@*": "a change of the state does not end the run",
    "concurrent-run@*": ALL_RUN,
    "default-app-run@default-app": NO_DEFAULT,
    "run-no-app@db": NO_DEFAULT,
    "run-raw-auth@db": SCHEME,
    "run-raw-fail@db": REASON,
    "run-raw-partial-delta@db": TEXT_ALONE,
    "run-raw-partials@db": TEXT_ALONE,
    "run-raw-unserialisable@memory": "its text is kept; there the session cannot be read any more",
    "run-special-app@db": AGENT_NAMES,
    "run-sse-bad-app-name@db": AGENT_NAMES,
    "run-sse-special-app@db": AGENT_NAMES,
    "run-tool-error@db": REASON,
    "run-unknown-app@db": AGENT_NAMES,
    "sqlite-concurrent-run@sqlite": ALL_RUN,
    "sse-disconnect*": LEFT,
    "sse-raw-auth@db": SCHEME,
    "trace-after-run@web": "traces are where the agent runs: it is told that there are none",
}
"""The same of cases in which an agent runs, with the agents that they were recorded with."""
