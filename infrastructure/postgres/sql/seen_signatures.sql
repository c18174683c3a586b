-- Signatures of requests: each is let in once. Their commits wait for no disk: the log of the database
-- is written in order, so that they are durable with whatever was done after them.

-- name: first
insert into seen_signatures as s (hashed, request, until)
select %(hashed)s, %(request)s, %(until)s
from set_config('synchronous_commit', 'off', true)
-- Asked once more after a lost answer, it finds itself there.
on conflict (hashed) do update set request = excluded.request where s.request = excluded.request
returning true

-- name: sweep
delete from seen_signatures where until < clock_timestamp()
