-- Which process runs a job: whoever has the lock, for as long as its connection lasts.

-- name: is_free
-- Asked on any connection: a lock of the transaction is given back as the statement ends.
select pg_try_advisory_xact_lock(%(key)s)

-- name: try_lock
select pg_try_advisory_lock(%(key)s)

-- name: keep_alive
-- A host that vanished is noticed within half a minute; over a Unix socket this says nothing.
select set_config('tcp_keepalives_idle', '10', false),
  set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)

-- name: listen
listen cairn_jobs

-- name: own
insert into job_owners (job, process, backend, backend_started, beat_at)
select %(job)s, %(process)s, pid, backend_start, clock_timestamp()
from pg_stat_get_activity(pg_backend_pid())
on conflict (job) do update
  set process = excluded.process, backend = excluded.backend,
      backend_started = excluded.backend_started, beat_at = excluded.beat_at, ended_at = null

-- name: beat
update job_owners set beat_at = clock_timestamp()
where job = %(job)s and process = %(process)s

-- name: end_silent
-- Ends the connection of an owner that stands still, and with it the lock. Its own time keeps a
-- reused process id apart; a database that takes no writes ends nobody's.
with claimed as (
  update job_owners set ended_at = clock_timestamp()
  where job = %(job)s
    and greatest(beat_at, ended_at) < clock_timestamp() - make_interval(secs => %(seconds)s)
  returning backend, backend_started
)
select pg_terminate_backend(a.pid)
from claimed, pg_stat_get_activity(claimed.backend) as a
where a.backend_start = claimed.backend_started

-- name: nudge
select pg_notify('cairn_jobs', %(name)s)

-- name: look
-- Says that this process is there, and answers how many are, and since when each job has not moved.
with seen as (
  insert into job_processes (process, seen_at) values (%(process)s, clock_timestamp())
  on conflict (process) do update set seen_at = excluded.seen_at
), known as (
  -- A job that nobody ever owned counts from now.
  insert into job_owners (job, beat_at)
  select wanted.job, clock_timestamp() from unnest(%(jobs)s::text[]) as wanted (job)
  on conflict (job) do nothing
), gone as (
  delete from job_processes where seen_at < clock_timestamp() - interval '1 minute'
)
select
  (select count(*) + 1 from job_processes
   where process <> %(process)s
     and seen_at > clock_timestamp() - make_interval(secs => %(seconds)s)),
  (select coalesce(json_object_agg(o.job, extract(epoch from clock_timestamp() - o.beat_at)), '{}')
   from job_owners as o where o.job = any(%(jobs)s))

-- name: leave
delete from job_processes where process = %(process)s
