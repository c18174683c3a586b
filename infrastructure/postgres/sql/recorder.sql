-- What the recorder of the `eventsourcing` library writes with.

-- name: begin
-- For this transaction: where our tables are, and how long to wait for other writers. Who listens
-- is woken when it commits.
select set_config('search_path', %(schema)s, true), set_config('lock_timeout', %(timeout)s, true),
  pg_notify(%(channel)s, '')

-- name: take_positions
-- Holds the head of the log to the end of the transaction: so positions are dense and in order.
update log_head set head = head + %(count)s where log_id = 0
returning head - %(count)s as base

-- name: ends
-- Where each sequence ends, and whether it belongs to a session, a shared scope or the store.
select a.id, e.originator_version, e.digest,
  exists (select from sessions as s where s.session_id = a.id)
    or exists (select from shared_scopes as c where c.scope_id = a.id)
    or a.id = %(accesses)s as is_ours
from unnest(%(originators)s::uuid[]) as a (id)
left join lateral (
  select originator_version, digest
  from events
  where originator_id = a.id
  order by originator_version desc
  limit 1) as e on true

-- name: insert
insert into events (originator_id, originator_version, topic, state, notification_id, digest)
select e.id, e.version, e.topic, e.state, %(base)s + e.o, e.digest
from unnest(
    %(originators)s::uuid[], %(versions)s::bigint[], %(topics)s::text[], %(states)s::bytea[],
    %(digests)s::bytea[])
  with ordinality as e (id, version, topic, state, digest, o)
