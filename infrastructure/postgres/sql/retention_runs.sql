-- The last run of the retention job: one row, by the time of the database.

-- name: last
select clock_timestamp() - begun_at, ended_at is not null, failure from retention_runs

-- name: begin
insert into retention_runs (begun_at) values (clock_timestamp())
on conflict (only_one) do update
  set begun_at = excluded.begun_at, ended_at = null, failure = null

-- name: end
update retention_runs set ended_at = clock_timestamp(), failure = %(failure)s
