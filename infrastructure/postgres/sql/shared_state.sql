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
-- An event that cannot be read, or is lost, does not say any more who wrote and when.
select h.position, h.session_id, h.sequence, h.value,
  coalesce(readable_time_v1(r.record ->> 'at'), 'epoch'), coalesce(r.record ->> 'actor', 'system'),
  s.user_id
from shared_state_history as h
left join events as e on e.originator_id = h.session_id and e.originator_version = h.sequence
left join sessions as s on s.session_id = h.session_id
cross join lateral (select readable_json_v1(e.state) offset 0) as r (record)
where h.scope_id = %(scope)s and h.key = %(key)s and h.position < %(before)s
order by h.position desc
limit %(limit)s

-- name: writes
select key, position, session_id, sequence, value
from shared_state_history
where scope_id = %(scope)s and position > %(after)s
order by position
fetch first %(limit)s rows with ties
