-- name: sessions
-- From one id to the next by the keys of both tables, however many events lie between.
with recursive found (id, number) as (
  select next.id, 1
  from (
    (select originator_id from events where originator_id > %(after)s order by 1 limit 1)
    union all
    (select session_id from sessions where session_id > %(after)s order by 1 limit 1)
    order by 1 limit 1
  ) as next (id)
  union all
  select next.id, found.number + 1
  from found, lateral (
    (select originator_id from events where originator_id > found.id order by 1 limit 1)
    union all
    (select session_id from sessions where session_id > found.id order by 1 limit 1)
    order by 1 limit 1
  ) as next (id)
  where found.number < %(limit)s
)
select id from found order by id

-- name: changed_sessions
-- Shared scopes with a log of their own, and the log of accesses, have no row among the sessions.
select session_id from sessions
where session_id > %(after)s and position > %(since)s
union all
select c.scope_id from shared_scopes as c
where c.scope_id > %(after)s and c.version > %(since)s
  and exists (select from events as e where e.originator_id = c.scope_id)
union all
select %(accesses)s
where %(accesses)s > %(after)s and (
  select e.notification_id from events as e where e.originator_id = %(accesses)s
  order by e.originator_version desc limit 1) > %(since)s
order by 1
limit %(limit)s

-- name: count
select (select count(*) from sessions where position > %(since)s)
  + (select count(*) from shared_scopes as c where c.version > %(since)s
      and exists (select from events as e where e.originator_id = c.scope_id))
  + (select count(*) from (
      select e.notification_id from events as e where e.originator_id = %(accesses)s
      order by e.originator_version desc limit 1) as newest
    where newest.notification_id > %(since)s)

-- name: positions
select l.head,
  l.head - (select count(*) from events where notification_id between 1 and l.head),
  (select count(*) from events where notification_id > l.head)
from log_head as l where l.log_id = 0
