-- What sessions were asked for with, sealed. The commit of one waits for no disk: the log of the database
-- is written in order, so that it is durable with the session that begins after it.

-- name: put
insert into provision_payloads (session_id, sealed)
select %(session)s, %(sealed)s
from set_config('synchronous_commit', 'off', true)
-- Asked once more after a lost answer, it finds itself there.
on conflict (session_id) do update set sealed = excluded.sealed
returning true

-- name: put_once
-- Both or none: nothing is kept for a request whose signature another one had.
with first as (
  insert into seen_signatures as s (hashed, request, until)
  select %(hashed)s, %(request)s, %(until)s
  from set_config('synchronous_commit', 'off', true)
  on conflict (hashed) do update set request = excluded.request where s.request = excluded.request
  returning true
)
insert into provision_payloads (session_id, sealed)
select %(session)s, %(sealed)s from first
on conflict (session_id) do update set sealed = excluded.sealed
returning true

-- name: get
select sealed from provision_payloads where session_id = %(session)s

-- name: delete
delete from provision_payloads where session_id = %(session)s

-- name: not_current
select session_id, sealed from provision_payloads
where mark < %(current)s or mark > %(current)s
limit %(limit)s

-- name: reseal
update provision_payloads set sealed = %(sealed)s
where session_id = %(session)s and sealed = %(kept)s
returning true

-- name: sweep
-- An hour is longer than any request takes, and a day is when the server was surely up once.
delete from provision_payloads as p
where p.created_at between clock_timestamp() - interval '1 day'
    and clock_timestamp() - interval '1 hour'
  and not exists (select from sessions as s where s.session_id = p.session_id)
