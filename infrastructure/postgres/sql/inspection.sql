-- name: row
select session_id, sequence, position, digest, app, user_id as user, workspace, team, scope, agent, type,
  status, title, marks, tags, deleted, badge, turn_id, failure_kind, failure_summary, stalled,
  unhealthy, parent_id, root_id, forked_from, external_id, facets, input_tokens,
  output_tokens, cost, last_activity_at, num_messages, current_tool, doc, projected_with
from sessions
where session_id = any(%(sessions)s)

-- name: events
-- A page of the log, of so many events or bytes. Two events of one sequence can be there when the
-- key that forbids it is not.
select originator_version, notification_id, topic, state, digest, erased_hash
from (
  select page.*,
    sum(octet_length(state)) over (
      order by originator_version, notification_id rows unbounded preceding)::bigint as size
  from (
    select originator_version, notification_id, topic, state, digest, erased_hash
    from events
    where originator_id = %(session)s
      and (originator_version, notification_id) > (%(sequence)s::bigint, %(position)s::bigint)
    order by originator_version, notification_id
    limit %(limit)s
  ) as page
) as summed
where size - octet_length(state) < %(bytes)s
order by originator_version, notification_id

-- name: short
-- The first events of some sessions, so many of each, as long as all come to so many bytes.
select session_id, originator_version, notification_id, topic, state, digest, erased_hash
from (
  select asked.session_id, first.*,
    sum(octet_length(first.state)) over (
      order by asked.number, originator_version, notification_id
      rows unbounded preceding)::bigint as size,
    asked.number
  from unnest(%(sessions)s::uuid[]) with ordinality as asked (session_id, number),
    lateral (
      select originator_version, notification_id, topic, state, digest, erased_hash
      from events
      where originator_id = asked.session_id
      order by originator_version, notification_id
      limit %(limit)s
    ) as first
) as summed
where size - octet_length(state) < %(bytes)s
order by number, originator_version, notification_id

-- name: kept
select session_id, sequence
from snapshots
where session_id = any(%(sessions)s) and format between %(oldest)s and %(format)s
order by session_id, sequence

-- name: kept_state
select state from snapshots where session_id = %(session)s and sequence = %(sequence)s

-- name: keys
select w.key, own.position, own.value, newest.position, newest.value, s.position, s.value
from unnest(%(scopes)s::uuid[], %(keys)s::text[], %(positions)s::bigint[])
  with ordinality as w (scope_id, key, position, number)
left join shared_state_history as own
  on own.scope_id = w.scope_id and own.key = w.key and own.position = w.position
left join lateral (
  select h.position, h.value
  from shared_state_history as h
  where h.scope_id = w.scope_id and h.key = w.key
  order by h.position desc
  limit 1
) as newest on true
left join shared_state as s on s.scope_id = w.scope_id and s.key = w.key
order by w.number
