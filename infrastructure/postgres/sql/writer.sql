-- name: limits
-- The server gives a statement up before the client does, so that its answer is known.
select set_config('lock_timeout', %(milliseconds)s, false),
       set_config('statement_timeout', %(milliseconds)s, false),
       set_config('client_connection_check_interval', '1000', false)

-- name: plans
-- The few sessions of a batch are looked up by key however small the table was when the statement
-- was planned, and it is planned once: for the arrays of a small batch Postgres would do so anew
-- each time, which takes longer than to write them.
select set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('enable_seqscan', 'off', false),
       set_config('enable_hashjoin', 'off', false),
       set_config('enable_mergejoin', 'off', false)

-- name: backend
select pid, backend_start::text from pg_stat_get_activity(pg_backend_pid()) as a

-- name: end
-- Waits until the server process of a connection that was left is gone.
select pg_terminate_backend(pid, %(milliseconds)s::bigint)
from pg_stat_get_activity(%(pid)s::int) as a
where backend_start::text = %(started)s

-- name: probe
-- Takes what every batch takes first, then space of its own, and is committed: writes work again
-- when this does.
with head as materialized (select from log_head where log_id = 0 for update)
insert into write_probe (probe_id, filler) select 1, %(filler)s from head
on conflict (probe_id) do update set filler = excluded.filler

-- name: spill_little
-- For this transaction.
set local work_mem = '64kB'

-- name: take_space
-- Takes 1 MiB of the disk for a moment, in a file of its own, and writes nothing to the log of
-- Postgres. Where the operator limits such files, it takes none.
with filler as materialized (
  select repeat('x', 65536)
  from generate_series(1, case current_setting('temp_file_limit') when '-1' then 16 else 0 end)
)
select count(*) from filler
