-- Which process runs a job: whoever has the lock, for as long as its connection lasts.

-- name: is_free
-- Asked on any connection: a lock of the transaction is given back as the statement ends.
select pg_try_advisory_xact_lock(%(key)s)

-- name: try_lock
select pg_try_advisory_lock(%(key)s)

-- name: keep_alive
-- A host that vanished is noticed within half a minute; over a Unix socket this says nothing.
select set_config('tcp_keepalives_idle', '10', false),
  set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)

-- name: listen
listen cairn_jobs

-- name: ask
select 1

-- name: nudge
select pg_notify('cairn_jobs', %(name)s)
