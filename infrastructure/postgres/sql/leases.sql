-- Leases and signs of life. `clock_timestamp()` and not `now()`: a statement that has waited for a
-- row must not judge it by a time that is past.

-- name: acquire
-- The clock is read once for a row, so that it lasts for exactly what was asked for.
insert into leases as held (session_id, token, holder, acquired_at, renewed_at, expires_at)
select %(session)s, %(token)s, %(holder)s, clock.at, clock.at, clock.at + %(ttl)s
from (select clock_timestamp() as at) as clock
on conflict (session_id) do update
  set token = excluded.token,
      holder = excluded.holder,
      (acquired_at, renewed_at, expires_at) = (
        select
          case when held.expires_at <= clock.at then clock.at else held.acquired_at end,
          clock.at,
          clock.at + %(ttl)s
        from (select clock_timestamp() as at) as clock)
  where held.expires_at <= clock_timestamp()
    or (held.token = excluded.token and held.holder = excluded.holder)
returning session_id, token, holder, acquired_at, renewed_at, expires_at

-- name: renew
update leases as held
set (renewed_at, expires_at) = (
  select clock.at, clock.at + %(ttl)s from (select clock_timestamp() as at) as clock)
where session_id = %(session)s and token = %(token)s and expires_at > clock_timestamp()
returning session_id, token, holder, acquired_at, renewed_at, expires_at

-- name: release
delete from leases
where session_id = %(session)s and token = %(token)s and expires_at > clock_timestamp()
returning session_id

-- name: leases
select session_id, token, holder, acquired_at, renewed_at, expires_at
from leases
where session_id = any (%(sessions)s) and expires_at > clock_timestamp()

-- name: touch
insert into presence as last (session_id, reporter, process, detail, presence_at, updated_at)
select %(session)s, %(reporter)s, %(process)s, %(detail)s, clock.at, clock.at
from (select clock_timestamp() as at) as clock
on conflict (session_id) do update
  set reporter = excluded.reporter,
      process = excluded.process,
      detail = excluded.detail,
      presence_at = greatest(excluded.presence_at, last.presence_at),
      updated_at = case
        when last.process = excluded.process then last.updated_at else excluded.updated_at end
returning session_id, reporter, process, detail, presence_at, updated_at,
  clock_timestamp() - presence_at

-- name: presence
select session_id, reporter, process, detail, presence_at, updated_at,
  clock_timestamp() - presence_at
from presence
where session_id = any (%(sessions)s)
