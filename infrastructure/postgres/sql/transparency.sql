-- The tree over the log: digests from the log, tiles and signed heads from what is kept of it.

-- name: digests
select string_agg(digest, ''::bytea order by notification_id), count(*)
from events
where notification_id > %(after)s and notification_id <= %(upto)s

-- name: hashes
-- Of a complete tile what is kept, and of another the roots of so many tiles below, counted.
select a.level, a.number, coalesce(t.hashes, below.roots), below.number_of_roots
from unnest(%(levels)s::int[], %(numbers)s::bigint[], %(widths)s::int[])
  as a (level, number, width)
left join log_tiles as t
  on a.width = %(width)s and t.level = a.level and t.number = a.number
left join lateral (
  select string_agg(b.root, ''::bytea order by b.number), count(*)
  from log_tiles as b
  where b.level = a.level - 1
    and b.number >= a.number * %(width)s and b.number < a.number * %(width)s + a.width
) as below (roots, number_of_roots) on t.level is null

-- name: kept
select level, number, t.hashes, t.root
from unnest(%(levels)s::int[], %(numbers)s::bigint[]) as a (level, number)
join log_tiles as t using (level, number)

-- name: keep
insert into log_tiles (level, number, hashes, root)
select level, number, hashes, root
from unnest(%(levels)b::int[], %(numbers)b::bigint[], %(hashes)b::bytea[], %(roots)b::bytea[])
  as t (level, number, hashes, root)

-- name: add_head
insert into signed_heads (size, signers, origin, root, note)
values (%(size)s, %(signers)s, %(origin)s, %(root)s, %(note)s)
on conflict (size, signers) do nothing
returning origin, size, root, note, signed_at

-- name: head_of_size
select origin, size, root, note, signed_at from signed_heads
where size = %(size)s and signers = %(signers)s

-- name: heads
-- Whoever goes on before the size of the last one misses none of that size.
select origin, size, root, note, signed_at
from (
  select * from signed_heads
  where size < %(before)s
  order by size desc
  fetch first %(limit)s rows with ties
) as page
order by size desc, signed_at desc

-- name: heads_between
select origin, size, root, note, signed_at from signed_heads
where size > %(after)s and size <= %(upto)s
order by size, signed_at
