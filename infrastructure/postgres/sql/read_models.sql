-- What follows from the log, made anew beside what is read.

-- name: try_lock
select pg_try_advisory_lock(%(key)s)

-- name: progress
select program, began, after, events from rebuild_progress

-- name: forget_sessions
delete from rebuilt_sessions

-- name: forget_history
delete from rebuilt_history

-- name: forget_snapshots
delete from rebuilt_snapshots

-- name: forget_progress
delete from rebuild_progress

-- name: begin
insert into rebuild_progress (program, began, after, events)
select %(program)s, head, %(after)s, 0 from log_head where log_id = 0

-- name: proceed
update rebuild_progress set after = %(after)s, events = %(events)s

-- name: logs
-- A page of all logs one after the other, of so many events or bytes.
select originator_id, originator_version, notification_id, topic, state, digest, erased, size
from (
  select page.*,
    sum(octet_length(state)) over (
      order by originator_id, originator_version rows unbounded preceding)::bigint as size
  from (
    select originator_id, originator_version, notification_id, topic, state, digest,
      erased_hash is not null as erased
    from events
    where (originator_id, originator_version) > (%(log)s::uuid, %(sequence)s::bigint)
      and originator_id <= %(last)s
    order by originator_id, originator_version
    limit %(limit)s
  ) as page
) as summed
where size - octet_length(state) < %(bytes)s
order by originator_id, originator_version

-- name: changes
-- A page of what came after a position, in the order in which it came.
select originator_id, originator_version, notification_id, topic, state, digest, erased, size
from (
  select page.*,
    sum(octet_length(state)) over (
      order by notification_id rows unbounded preceding)::bigint as size
  from (
    select originator_id, originator_version, notification_id, topic, state, digest,
      erased_hash is not null as erased
    from events
    where notification_id > %(after)s
    order by notification_id
    limit %(limit)s
  ) as page
) as summed
where size - octet_length(state) < %(bytes)s
order by notification_id

-- name: head
select head from log_head where log_id = 0

-- name: head_held
-- No append comes between this and the end of the transaction.
select head from log_head where log_id = 0 for update

-- name: of_one_moment
set transaction isolation level repeatable read

-- name: bases
select session_id, sequence, state from rebuilt_sessions where session_id = any(%(logs)s)

-- name: is_whole
select not exists (select from rebuilt_sessions where session_id = %(log)s and copied)
  and not exists (
    select from events
    where originator_id = %(log)s and originator_version <= %(upto)s and erased_hash is not null)

-- name: kept_states
select session_id, sequence, state
from snapshots
where session_id = any(%(logs)s) and format between %(oldest)s and %(format)s

-- name: drop_rows
delete from rebuilt_sessions where session_id = any(%(logs)s)

-- name: put_rows
insert into rebuilt_sessions
select * from json_populate_recordset(null::rebuilt_sessions, %(rows)s::json)

-- name: put_states
update rebuilt_sessions as r
set state = t.state
from unnest(%(logs)s::uuid[], %(states)s::bytea[]) as t (id, state)
where r.session_id = t.id

-- name: copy_rows
-- What cannot be folded any more stays as it is.
insert into rebuilt_sessions
select (json_populate_record(
  null::rebuilt_sessions, (to_jsonb(s) || '{"matched": true, "copied": true}')::json)).*
from sessions as s
where s.session_id = any(%(logs)s)

-- name: copy_history
insert into rebuilt_history
select h.* from shared_state_history as h where h.session_id = any(%(logs)s)
on conflict (scope_id, key, position) do nothing

-- name: put_history
insert into rebuilt_history (scope_id, key, position, value, session_id, sequence)
select *
from unnest(
  %(scopes)s::uuid[], %(keys)s::text[], %(positions)s::bigint[], %(values)s::bytea[],
  %(logs)s::uuid[], %(sequences)s::bigint[])
on conflict (scope_id, key, position) do update
set value = excluded.value, session_id = excluded.session_id, sequence = excluded.sequence

-- name: put_snapshot
insert into rebuilt_snapshots (session_id, sequence, format, state)
values (%(log)s, %(sequence)s, %(format)s, %(state)s)
on conflict (session_id, sequence) do update set format = excluded.format, state = excluded.state

-- name: match
update rebuilt_sessions as r
set matched = not session_row_differs_v1(s, r)
from sessions as s
where s.session_id = r.session_id and r.session_id = any(%(logs)s)

-- name: match_all
update rebuilt_sessions as r
set matched = now.matched
from (
  select r.session_id, coalesce(not session_row_differs_v1(s, r), false) as matched
  from rebuilt_sessions as r
  left join sessions as s on s.session_id = r.session_id
  where not r.copied
) as now
where now.session_id = r.session_id and now.matched <> r.matched

-- name: match_rest
update rebuilt_sessions as r
set matched = now.matched
from (
  select r.session_id, coalesce(not session_row_differs_v1(s, r), false) as matched
  from rebuilt_sessions as r
  left join sessions as s on s.session_id = r.session_id
  where not r.copied and not r.matched
) as now
where now.session_id = r.session_id and now.matched <> r.matched

-- name: hold
-- Whoever erases meanwhile waits for it, or has taken it away.
select program, began, after, events from rebuild_progress for update

-- name: differing_rows
-- Those of an older version of the projection are made anew by the server, and no fault.
select r.session_id, to_jsonb(s) as found, to_jsonb(r) - 'matched' - 'copied' - 'state' as wanted
from rebuilt_sessions as r
left join sessions as s on s.session_id = r.session_id
where not r.matched
  and (s.session_id is null
    or (session_row_differs_v1(s, r) and s.projected_with = r.projected_with))
order by r.session_id
limit %(limit)s

-- name: rows_too_many
select s.session_id
from sessions as s
where not exists (select from rebuilt_sessions as r where r.session_id = s.session_id)
  and not exists (select from events as e where e.originator_id = s.session_id)
order by 1
limit %(limit)s

-- name: differing_history
select coalesce(h.scope_id, r.scope_id), coalesce(h.key, r.key), coalesce(h.position, r.position)
from shared_state_history as h
full join rebuilt_history as r
  on r.scope_id = h.scope_id and r.key = h.key and r.position = h.position
where (h.value, h.session_id, h.sequence) is distinct from (r.value, r.session_id, r.sequence)
  or h.scope_id is null or r.scope_id is null
order by 3
limit %(limit)s

-- name: differing_keys
select coalesce(s.scope_id, r.scope_id), coalesce(s.key, r.key)
from shared_state as s
full join (
  select distinct on (scope_id, key) scope_id, key, value, position
  from rebuilt_history
  order by scope_id, key, position desc
) as r on r.scope_id = s.scope_id and r.key = s.key
where (s.value, s.position) is distinct from (r.value, r.position)
order by 1, 2
limit %(limit)s

-- name: differing_scopes
select coalesce(c.scope_id, r.scope_id)
from shared_scopes as c
full join (
  select scope_id, max(position) as version from rebuilt_history group by scope_id
) as r on r.scope_id = c.scope_id
where c.version is distinct from r.version
order by 1
limit %(limit)s

-- name: differing_snapshots
select r.session_id, r.sequence
from rebuilt_snapshots as r
join snapshots as s on s.session_id = r.session_id and s.sequence = r.sequence
where s.state <> r.state
order by 1, 2
limit %(limit)s

-- name: mend_rows
update sessions as s
set sequence = r.sequence, position = r.position, digest = r.digest, updated_at = r.updated_at,
  updated_second = r.updated_second, created_at = r.created_at, app = r.app, user_id = r.user_id,
  workspace = r.workspace, team = r.team, scope = r.scope, agent = r.agent, type = r.type,
  status = r.status, title = r.title, marks = r.marks, tags = r.tags, deleted = r.deleted,
  doc = r.doc, badge = r.badge, turn_id = r.turn_id, failure_kind = r.failure_kind,
  failure_summary = r.failure_summary, stalled = r.stalled, unhealthy = r.unhealthy,
  parent_id = r.parent_id, root_id = r.root_id, forked_from = r.forked_from,
  auto_stop = r.auto_stop, live_parent = case when s.held is null then r.live_parent end,
  due_at = case when s.held is null then r.due_at end, projected_with = r.projected_with,
  last_activity_at = r.last_activity_at, activity_second = r.activity_second,
  num_messages = r.num_messages, current_tool = r.current_tool, external_id = r.external_id,
  facets = r.facets, input_tokens = r.input_tokens, output_tokens = r.output_tokens, cost = r.cost
from rebuilt_sessions as r
where r.session_id = s.session_id and not r.matched and session_row_differs_v1(s, r)

-- name: add_rows
insert into sessions
select (json_populate_record(null::sessions, to_json(r))).*
from rebuilt_sessions as r
where not r.matched and not exists (select from sessions as s where s.session_id = r.session_id)

-- name: remove_rows
delete from sessions as s
where s.session_id = any(%(logs)s)
  and not exists (select from events as e where e.originator_id = s.session_id)

-- name: mend_history
update shared_state_history as h
set value = r.value, session_id = r.session_id, sequence = r.sequence
from rebuilt_history as r
where r.scope_id = h.scope_id and r.key = h.key and r.position = h.position
  and (h.value, h.session_id, h.sequence) is distinct from (r.value, r.session_id, r.sequence)

-- name: add_history
insert into shared_state_history
select r.* from rebuilt_history as r
where not exists (
  select from shared_state_history as h
  where h.scope_id = r.scope_id and h.key = r.key and h.position = r.position)

-- name: remove_history
delete from shared_state_history as h
where not exists (
  select from rebuilt_history as r
  where r.scope_id = h.scope_id and r.key = h.key and r.position = h.position)

-- name: mend_keys
insert into shared_state (scope_id, key, value, position)
select distinct on (scope_id, key) scope_id, key, value, position
from rebuilt_history
order by scope_id, key, position desc
on conflict (scope_id, key) do update
set value = excluded.value, position = excluded.position
where (shared_state.value, shared_state.position)
  is distinct from (excluded.value, excluded.position)

-- name: remove_keys
delete from shared_state as s
where not exists (
  select from rebuilt_history as r where r.scope_id = s.scope_id and r.key = s.key)

-- name: mend_scopes
insert into shared_scopes (scope_id, version)
select scope_id, max(position) from rebuilt_history group by scope_id
on conflict (scope_id) do update
set version = excluded.version
where shared_scopes.version <> excluded.version

-- name: remove_scopes
delete from shared_scopes as c
where not exists (select from rebuilt_history as r where r.scope_id = c.scope_id)

-- name: mend_snapshots
update snapshots as s
set state = r.state, format = r.format
from rebuilt_snapshots as r
where s.session_id = r.session_id and s.sequence = r.sequence and s.state <> r.state
