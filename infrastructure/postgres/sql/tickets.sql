-- Tickets of streams, by their hashes: each is taken away by the one who shows it first.

-- name: add
with
  swept as (
    delete from stream_tickets where expires_at <= clock_timestamp()
  ),
  held as (
    select count(*) as held
    from stream_tickets
    where counted_by = %(counted_by)s and expires_at > clock_timestamp()
  )
insert into stream_tickets (hashed, path, actor, rights, app, user_id, token_id, is_named,
  principal_expires_at, counted_by, expires_at)
select %(hashed)s, %(path)s, %(actor)s, %(rights)s::text[], %(app)s::text, %(user)s::text,
  %(token_id)s::text, %(is_named)s, %(principal_expires_at)s::timestamptz,
  %(counted_by)s, clock_timestamp() + %(lifetime)s::interval
from held
where held.held < %(most)s
-- Asked once more after a lost answer, it finds itself there.
on conflict (hashed) do update set hashed = excluded.hashed
returning true

-- name: spend
delete from stream_tickets
where hashed = %(hashed)s
returning path, actor, rights, app, user_id, token_id, is_named, principal_expires_at,
  counted_by, expires_at > clock_timestamp()
