-- How much each principal has asked for: one row for each of them and each kind, in the period that
-- runs, and one for the open streams of each process.

-- name: take
select granted, remaining, resets_in
from take_allowance_v1(%(principal)s, %(kind)s, %(wanted)s, %(least)s, %(most)s, %(period)s)

-- name: open_stream
select open_stream_v1(%(process)s, %(principal)s, %(most)s)

-- name: close_stream
update open_streams set held = held - 1
where process = %(process)s and principal = %(principal)s

-- name: keep_streams
update open_streams set seen_at = clock_timestamp() where process = %(process)s

-- name: sweep
with old as (
  delete from allowances where ends_at < clock_timestamp() - interval '1 day'
)
delete from open_streams where seen_at < clock_timestamp() - interval '1 minute' or held <= 0
