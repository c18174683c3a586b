-- What sessions need of the clock, which is that of the database.

-- name: now
select now()

-- name: due
select session_id, sequence, due_at, now()
from sessions
where due_at <= now() and not deleted
order by due_at
limit %(limit)s

-- name: reschedule
update sessions set due_at = %(until)s
where session_id = %(session)s and due_at = %(seen)s

-- name: mark_due_now
-- Rows that are being written are left to their writer: nobody waits for anybody here.
update sessions set due_at = now()
where session_id in (
  select session_id from sessions
  where status in ('running', 'waiting', 'stopping') and not deleted and held is null
    and (due_at is null
         or extract(epoch from due_at - updated_at) > %(within)s::float8)
  for update skip locked)

-- name: next_due
select extract(epoch from min(due_at) - now())::float8
from sessions
where due_at is not null and not deleted

-- name: orphans
-- A parent is looked up child by child: for a plain join all sessions would be read into a hash
-- table, because the planner takes those that end with their parent for few.
select c.session_id, c.parent_id, p.status
from sessions as c
left join lateral (
  select session_id, status, deleted
  from sessions
  where session_id = c.live_parent
  limit 1) as p on true
where c.live_parent is not null
  and (p.session_id is null
       or (c.auto_stop and (p.deleted or p.status = 'stopped')))
limit %(limit)s
