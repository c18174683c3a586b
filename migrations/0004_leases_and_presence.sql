-- Who drives a session and who vouches for it: rows that change often beside the log, judged by
-- the clock of the database. No index but the key, and room on each page: a change stays on it.

create table leases (
  session_id uuid primary key,
  token uuid not null,
  holder text not null,
  acquired_at timestamptz not null,
  renewed_at timestamptz not null,
  expires_at timestamptz not null
) with (fillfactor = 50);

create table presence (
  session_id uuid primary key,
  reporter text not null,
  process text not null check (process in ('healthy', 'unhealthy', 'unknown')),
  detail text,
  presence_at timestamptz not null,
  updated_at timestamptz not null
) with (fillfactor = 50);
comment on column presence.updated_at is 'when another thing was last said of the process';

-- In the transaction of the stop itself: no crash leaves a stopped session to its old holder, who
-- would keep everybody else away when it is resumed.
create function let_go() returns trigger language plpgsql as $$
begin
  delete from leases where session_id = new.session_id;
  if new.status = 'deleted' then
    delete from presence where session_id = new.session_id;
  end if;
  return null;
end $$;
create trigger stopped_sessions_are_let_go after update of status on sessions
  for each row when (new.status in ('stopped', 'deleted') and old.status <> new.status)
  execute function let_go();
