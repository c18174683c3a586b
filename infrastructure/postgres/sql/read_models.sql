-- name: session
select session_id, sequence, position, digest, created_at, updated_at, status, app, user_id, doc,
  title, turn_id, failure_kind, failure_summary, stalled, unhealthy, projected_with
from sessions
where session_id = %(session)s

-- name: rows_older_than
select session_id, sequence
from sessions
where projected_with < %(version)s
order by projected_with
limit %(limit)s

-- name: replace_row
-- What follows from the log; `due_at` too, so that a session is looked at once more if its time had
-- been put off without an event.
update sessions as s
set created_at = r.created_at, app = r.app, user_id = r.user_id, workspace = r.workspace,
  team = r.team, scope = r.scope, agent = r.agent, type = r.type, status = r.status,
  title = r.title, starred = r.starred, tags = r.tags, deleted = r.deleted, doc = r.doc,
  badge = r.badge, turn_id = r.turn_id, failure_kind = r.failure_kind,
  failure_summary = r.failure_summary, stalled = r.stalled, unhealthy = r.unhealthy,
  parent_id = r.parent_id, root_id = r.root_id, forked_from = r.forked_from,
  auto_stop = r.auto_stop, live_parent = r.live_parent, due_at = r.due_at,
  projected_with = r.projected_with
from json_populate_record(null::sessions, %(row)s::json) as r
where s.session_id = %(session)s and s.sequence = %(sequence)s
  and s.projected_with < r.projected_with

-- name: living_children
select session_id from sessions where live_parent = %(parent)s

-- name: answer
select scope, key, fingerprint, session_id, sequence, position, answer
from idempotency_keys
where scope = %(scope)s and key = %(key)s

-- name: shared_with
-- The sequence of a session beside each key of the scopes, or beside none.
select s.sequence, k.key, k.value
from sessions as s
left join shared_state as k on k.scope_id = any(%(scopes)s::uuid[]) and k.value is not null
where s.session_id = %(session)s
order by k.key

-- name: scope
-- The version of a scope beside each of its keys, or beside none.
select c.version, s.key, s.value
from shared_scopes as c
left join shared_state as s on s.scope_id = c.scope_id and s.value is not null
where c.scope_id = %(scope)s
order by s.key

-- name: scope_at
-- The newest write to each key by then, also one that deleted it: the last of them is the version.
select position, key, value
from (
  select distinct on (key) position, key, value
  from shared_state_history
  where scope_id = %(scope)s and position <= %(at)s
  order by key, position desc
) as newest
order by key

-- name: key_history
select h.position, h.session_id, h.sequence, h.value, (r.record ->> 'at')::timestamptz,
  r.record ->> 'actor'
from shared_state_history as h
join events as e on e.originator_id = h.session_id and e.originator_version = h.sequence
cross join lateral readable_json_v1(convert_from(e.state, 'UTF8')) as r (record)
where h.scope_id = %(scope)s and h.key = %(key)s and h.position < %(before)s
order by h.position desc
limit %(limit)s

-- name: forget_answers
-- Those that another process is just forgetting are left to it.
with gone as (
  delete from idempotency_keys
  where ctid = any (array(
    select ctid
    from idempotency_keys
    where created_at < now() - %(older_than)s::interval
    order by created_at
    limit %(limit)s
    for update skip locked))
  returning 1
)
select count(*) from gone

-- name: load_snapshot
select state
from snapshots
where session_id = %(session)s and sequence <= %(upto)s
  and format between %(oldest)s and %(format)s
order by sequence desc
limit 1

-- name: snapshot_sequences
select sequence
from snapshots
where session_id = %(session)s and format between %(oldest)s and %(format)s
order by sequence

-- name: save_snapshot
-- While two releases run at once, the older one leaves what the newer one has kept.
insert into snapshots (session_id, sequence, format, state)
values (%(session)s, %(sequence)s, %(format)s, %(state)s)
on conflict (session_id, sequence) do update
  set format = excluded.format, state = excluded.state
  where snapshots.format <= excluded.format

-- name: store_identity
select identity from store
