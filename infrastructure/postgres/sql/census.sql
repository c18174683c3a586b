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
select session_id from sessions
where session_id > %(after)s and position > %(since)s
order by session_id
limit %(limit)s

-- name: count
select count(*) from sessions where position > %(since)s

-- name: missing
select %(upto)s - count(*) from events where notification_id between 1 and %(upto)s
