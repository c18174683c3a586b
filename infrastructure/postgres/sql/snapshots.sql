-- name: load_snapshot
select sequence, state
from snapshots
where session_id = %(session)s and sequence <= %(upto)s
  and format between %(oldest)s and %(format)s
order by sequence desc
limit 1

-- name: save_snapshot
-- While two releases run at once, the older one leaves what the newer one has kept. Of an erased
-- session nothing is kept, by whoever has still known it.
insert into snapshots (session_id, sequence, format, state)
select %(session)s, %(sequence)s::bigint, %(format)s::int, %(state)s
where not exists (
  select from sessions where session_id = %(session)s and status = 'erased')
on conflict (session_id, sequence) do update
  set format = excluded.format, state = excluded.state
  where snapshots.format <= excluded.format
