-- The tree over the log: digests from the log, tiles and signed heads from what is kept of it.

-- name: digests
select string_agg(digest, ''::bytea order by notification_id), count(*)
from events
where notification_id > %(after)s and notification_id <= %(upto)s

-- name: tiles
select t.level, t.number, t.hashes
from unnest(%(levels)s::int[], %(numbers)s::bigint[]) as a (level, number)
join log_tiles as t on t.level = a.level and t.number = a.number

-- name: roots
select string_agg(root, ''::bytea order by number), count(*)
from log_tiles
where level = %(level)s and number >= %(first)s and number < %(end)s

-- name: keep
insert into log_tiles (level, number, hashes, root)
values (%(level)s, %(number)s, %(hashes)s, %(root)s)

-- name: add_head
insert into signed_heads (size, signers, origin, root, note)
values (%(size)s, %(signers)s, %(origin)s, %(root)s, %(note)s)
on conflict (size, signers) do nothing

-- name: head_of_size
select origin, size, root, note, signed_at from signed_heads
where size = %(size)s and signers = %(signers)s

-- name: heads
select origin, size, root, note, signed_at from signed_heads
where size < %(before)s
order by size desc, signed_at desc
limit %(limit)s
