-- The whole schema of the first release: the log, the rows that are written in the same transaction
-- with it, leases, webhooks, and the log as a transparency log.
--
-- The functions that the program calls carry a version in their name. A migration that changes one
-- adds the next version and leaves the one before it for a release, so that servers of two releases
-- can write to one database while the one takes the place of the other.

-- The identity of this log: a cursor of another one is worth nothing here. `place` is where it is
-- (the cluster and the database), `timeline` which course of that cluster's history it is on.
create table store (
  identity uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  place text,
  timeline text
);
insert into store default values;

-- The newest position. An append takes this row first and holds it to its commit: that is what
-- makes positions dense and visible in order. More logs, each with a row, are the way past one.
create table log_head (
  log_id int primary key,
  head bigint not null
) with (fillfactor = 10);
insert into log_head values (0, 0);

-- The identity of the store, made anew when the log has gone back: it was restored into another
-- database or cluster, it is shorter than somebody knows it to have been, or the cluster is on
-- another timeline and nobody who was there says that nothing was lost. `p_identity` is what the
-- asking process began with, null when it begins; `p_seen` the newest position it knows of.
create function identify_store_v1(p_identity uuid, p_seen bigint) returns uuid
language plpgsql security definer set search_path from current as $$
declare
  here text;
  course text;
  kept store;
  reached bigint;
begin
  select * into kept from store;
  if pg_is_in_recovery() or kept.identity <> p_identity then
    return kept.identity;
  end if;
  here := (select system_identifier from pg_control_system()) || '/'
    || (select oid from pg_database where datname = current_database());
  course := left(pg_walfile_name(pg_current_wal_lsn()), 8);
  select head into reached from log_head where log_id = 0;
  if kept.place = here and kept.timeline = course and reached >= p_seen then
    return kept.identity;
  end if;
  select * into kept from store for update;
  if kept.identity <> p_identity or (kept.place = here and kept.timeline = course
                                     and reached >= p_seen) then
    return kept.identity;
  end if;
  update store set
    place = here,
    timeline = course,
    identity = case
      when kept.place <> here or reached < p_seen
        or (kept.timeline <> course and p_identity is null) then gen_random_uuid()
      else kept.identity end
  returning identity into kept.identity;
  return kept.identity;
end $$;

-- The columns of an application log of the `eventsourcing` library, and the digest beside them.
-- `erased_hash`: the hash of a record that was erased, which the digests are made of; null while
-- the record is there, whose hash can be made again.
create table events (
  originator_id uuid not null,
  originator_version bigint not null,
  topic text not null,
  state bytea not null,
  notification_id bigint not null,
  digest bytea not null check (octet_length(digest) = 32),
  erased_hash bytea check (octet_length(erased_hash) = 32),
  primary key (originator_id, originator_version)
);
create unique index events_by_position on events (notification_id);
-- Records are JSON of some hundred bytes: an attempt to compress each costs more than it saves.
alter table events alter column state set storage external;

-- The text of a record, and its value; null for one that cannot be read. Damage to one record must
-- not keep a query over many from answering. JSON functions refuse \u0000 wherever it stands.
create function readable_text_v1(p_record bytea) returns text
language plpgsql stable strict as $$
begin
  return convert_from(p_record, 'UTF8');
exception when data_exception then
  return null;
end $$;
create function readable_json_v1(p_record bytea) returns jsonb
language plpgsql stable strict as $$
begin
  return replace(convert_from(p_record, 'UTF8'), '\u0000', '\ufffd')::jsonb;
exception when data_exception or program_limit_exceeded then
  return null;
end $$;
create function readable_time_v1(p_text text) returns timestamptz
language plpgsql stable strict as $$
begin
  return p_text::timestamptz;
exception when data_exception then
  return null;
end $$;

-- A record as everybody outside sees it: where it stands comes before what it says. Postgres puts
-- the expression in the place of the call.
create function public_record_v1(
  p_log uuid, p_sequence bigint, p_position bigint, p_digest bytea, p_record bytea
) returns bytea language sql stable as $$
  select convert_to(
    '{"session_id":"' || p_log || '","sequence":' || p_sequence || ',"position":' || p_position
      || ',"digest":"' || encode(p_digest, 'hex') || '",',
    'UTF8'
  ) || substr(p_record, 2)
$$;

-- What is left of a record when it is erased. Its id goes with the payload: the random bits in it
-- are the salt that keeps a reader from guessing the payload by its hash. A record as the program
-- writes it says its time near its beginning; only another one is read as JSON. `p_hash` is its
-- hash, where that is known.
create function erased_record_v1(p_topic text, p_state bytea, p_hash bytea default null)
returns bytea language plpgsql stable as $$
declare
  beginning constant text := encode(substring(p_state for 200), 'escape');
  moment text;
begin
  if starts_with(beginning, '{"id":"') and split_part(beginning, '"', 6) = 'type'
    and split_part(beginning, '"', 12) = 'at' and starts_with(split_part(beginning, '"', 15), ',')
  then
    moment := '"' || split_part(beginning, '"', 14) || '"';
  else
    moment := coalesce((readable_json_v1(p_state) -> 'at')::text, 'null');
  end if;
  return convert_to(
    '{"type":' || to_json(p_topic) || ',"at":' || moment || ',"erased":true,"record_hash":"'
      || encode(coalesce(p_hash, sha256(p_state)), 'hex') || '"}',
    'UTF8');
end $$;

-- A fact never changes and never goes. Only its record may be erased, once and whole: emptied, it
-- becomes what is to be left of it, which is made once then, and not by who erases and here again.
create function refuse_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if old.erased_hash is null
      and (new.originator_id, new.originator_version, new.topic, new.notification_id, new.digest)
        = (old.originator_id, old.originator_version, old.topic, old.notification_id, old.digest)
    then
      if new.erased_hash is null and new.state = '' then
        new.erased_hash := sha256(old.state);
        new.state := erased_record_v1(old.topic, old.state, new.erased_hash);
        return new;
      end if;
      if new.erased_hash is not distinct from sha256(old.state)
        and new.state = erased_record_v1(old.topic, old.state)
      then
        return new;
      end if;
    end if;
  end if;
  raise exception 'the log is append-only: % on % is refused', tg_op, tg_table_name
    using errcode = 'CN002';
end $$;
create trigger events_are_facts before update or delete on events
  for each row execute function refuse_change();
create trigger events_are_kept before truncate on events
  for each statement execute function refuse_change();

-- Logs whose events are to be erased: all before `upto`, the event that says so; those up to `done`
-- are. It is written with that event, and gone when nothing is left to do. The program can read it
-- and no more, so nothing is erased without an event that says who asked for it, and why.
create table erasures (
  log_id uuid primary key,
  upto bigint not null,
  done bigint not null default 0
);
create function note_erasure() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  insert into erasures (log_id, upto) values (new.originator_id, new.originator_version)
    on conflict (log_id) do update set upto = greatest(erasures.upto, excluded.upto);
  return null;
end $$;
create trigger erasures_are_noted after insert on events
  for each row when (new.topic in ('session.erased', 'scope.erased'))
  execute function note_erasure();

-- Erases the next events of a log, at most so many, and returns how many it did and how many are
-- left. Only of a log that says it is to be erased.
create function erase_events_v1(p_log uuid, p_most int, out erased bigint, out remaining bigint)
language plpgsql security definer set search_path from current as $$
declare
  noted erasures;
  reached bigint;
begin
  erased := 0;
  remaining := 0;
  select * into noted from erasures where log_id = p_log for update;
  if not found then
    return;
  end if;
  -- Not waited for on the disk: what a crash takes back is erased once more, and the end is waited for.
  perform set_config('synchronous_commit', 'off', true);
  reached := least(noted.done + p_most, noted.upto - 1);
  update events
    set state = ''
    where originator_id = p_log and originator_version > noted.done
      and originator_version <= reached and erased_hash is null;
  get diagnostics erased = row_count;
  update erasures set done = reached where log_id = p_log;
  remaining := noted.upto - 1 - reached;
end $$;

-- Takes away what was kept beside the events of an erased log, when they all are erased. What is
-- left of a session's row is what the event that says so has: the app, and when it began.
create function finish_erasure_v1(p_log uuid) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  erased_at bigint;
begin
  perform from sessions where session_id = p_log for update;
  -- Those of a user whose keys were erased before, and who has written no new ones, too.
  delete from artifacts where owner_id = p_log and exists (
    select from events where originator_id = p_log and topic in ('session.erased', 'scope.erased')
  );
  perform from erasures where log_id = p_log and done = upto - 1 for update;
  if not found then
    return false;
  end if;
  delete from snapshots where session_id = p_log;
  delete from partials where session_id = p_log;
  delete from leases where session_id = p_log;
  delete from presence where session_id = p_log;
  delete from provision_payloads where session_id = p_log;
  perform let_go_of_blobs_v1(p_log, null);
  delete from idempotency_keys where scope = p_log;
  delete from idempotency_keys where session_id = p_log and scope <> session_id;
  delete from shared_state_history where session_id = p_log
    and sequence < (select upto from erasures where log_id = p_log);
  -- Of a shared scope that is erased, what sessions wrote goes too, up to that event.
  select e.notification_id into erased_at
    from erasures as x
    join events as e on e.originator_id = x.log_id and e.originator_version = x.upto
    where x.log_id = p_log and e.topic = 'scope.erased';
  delete from shared_state_history where scope_id = p_log and position < erased_at;
  delete from shared_state where scope_id = p_log and position < erased_at;
  update sessions as s
    set app = coalesce(r.data ->> 'app', s.app), user_id = '', workspace = null, team = null,
        scope = null, type = 'user', external_id = null, facets = '{}', parent_id = null,
        root_id = null, forked_from = null, auto_stop = false,
        created_at = coalesce(readable_time_v1(r.data ->> 'began_at'), s.created_at)
    from events as e
    join erasures as x on x.log_id = e.originator_id and x.upto = e.originator_version
    cross join lateral (select readable_json_v1(e.state) -> 'data' offset 0) as r (data)
    where s.session_id = p_log and e.originator_id = p_log;
  delete from erasures where log_id = p_log;
  return true;
end $$;
revoke execute on function erase_events_v1, finish_erasure_v1 from public;

-- Whose shared scope a log belongs to, which is no session's and has no row; null for other logs.
create type scope_owner_v1 as (app text, user_id text);
create function owner_of_scope_v1(p_log uuid) returns scope_owner_v1 language sql stable as $$
  select (r.data ->> 'app', r.data ->> 'user')::scope_owner_v1
  from (
    select state from events
    where originator_id = p_log and originator_version = 1 and topic = 'scope.opened'
      and erased_hash is null
    union all
    -- Opened anew, after it was erased.
    (select o.state from events as f
     join events as o on o.originator_id = f.originator_id
     where f.originator_id = p_log and f.originator_version = 1
       and (f.erased_hash is not null or f.topic = 'scope.erased')
       and f.topic in ('scope.opened', 'scope.erased')
       and o.topic = 'scope.opened' and o.erased_hash is null
     order by o.originator_version desc limit 1)
    limit 1
  ) as e
  cross join lateral (select readable_json_v1(e.state) -> 'data') as r (data)
$$;

-- The head of each session and what lists show of it. `updated_second` is `updated_at` cut to the
-- second: an index on it changes once a second at most, so that most appends touch no index here.
-- `live_parent` is the parent of a child that has not ended; as a column of its own it changes when
-- a child ends, not with each status. (Generated by Postgres it would cost each append a tenth
-- more.) `projected_with` is the version of the projection that made the row. Nothing reads `doc`
-- but the client it is for: what the program or a query needs is a column. `activity_second` is
-- `last_activity_at` cut as `updated_second` is. `facets` is what metadata says at its top, as text.
-- `held`: why nobody may append to the log but whoever imports it: `import` while it is incomplete,
-- or `quarantine`.
create table sessions (
  session_id uuid primary key,
  sequence bigint not null,
  position bigint not null,
  digest bytea not null,
  updated_at timestamptz not null,
  updated_second timestamptz not null,
  created_at timestamptz not null,
  app text not null,
  user_id text not null,
  workspace text,
  team text,
  scope text,
  agent text,
  type text not null,
  status text not null,
  title text,
  marks text[] not null,
  tags text[] not null,
  deleted boolean not null,
  doc text not null,
  badge text not null default 'unknown',
  turn_id text,
  failure_kind text,
  failure_summary text,
  stalled boolean not null default false,
  unhealthy boolean not null default false,
  parent_id uuid,
  root_id uuid,
  forked_from uuid,
  auto_stop boolean not null default false,
  live_parent uuid,
  due_at timestamptz,
  projected_with int not null default 1,
  last_activity_at timestamptz not null default 'epoch',
  activity_second timestamptz not null default 'epoch',
  num_messages bigint not null default 0,
  current_tool text,
  external_id text,
  facets jsonb not null default '{}',
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cost double precision,
  held text check (held in ('import', 'quarantine'))
) with (fillfactor = 60);
create index sessions_of_user_by_activity
  on sessions (app, user_id, activity_second desc) where not deleted;
create index sessions_of_user_by_update
  on sessions (app, user_id, updated_second desc) where not deleted;
create index sessions_of_user_by_creation
  on sessions (app, user_id, created_at desc, session_id desc) where not deleted;
create index sessions_by_activity on sessions (activity_second desc) where not deleted;
create index sessions_by_update on sessions (updated_second desc) where not deleted;
create index sessions_by_creation on sessions (created_at desc, session_id desc) where not deleted;
create index sessions_by_tag on sessions using gin (tags) where tags <> '{}' and not deleted;
create index sessions_by_facet on sessions using gin (facets jsonb_path_ops)
  where facets <> '{}' and not deleted;
-- Deleted sessions keep theirs, as they keep their ids.
create index sessions_by_external_id on sessions (external_id, app)
  where external_id is not null;
create index sessions_of_parent on sessions (parent_id, created_at desc, session_id desc)
  where parent_id is not null;
create index sessions_of_root on sessions (root_id, created_at desc, session_id desc)
  where root_id is not null and not deleted;
create index sessions_of_origin on sessions (forked_from, created_at desc, session_id desc)
  where forked_from is not null;
create index sessions_by_deadline on sessions (due_at) where due_at is not null and not deleted;
create index sessions_with_live_parent on sessions (live_parent) where live_parent is not null;
create index sessions_by_projection on sessions (projected_with);
-- Most sessions are idle or stopped. The few that are anything else are what operators look for:
-- without these they were found by reading all others (0.3 s among a million sessions).
create index sessions_by_badge on sessions (badge, activity_second desc)
  where badge not in ('idle', 'stopped') and not deleted;
create index sessions_by_status on sessions (status, activity_second desc)
  where status not in ('idle', 'stopped') and not deleted;
-- A user belongs to an app. Taken for independent, many sessions of one user look like a few, which
-- would be read and sorted whole for each page.
create statistics sessions_owners (dependencies, mcv) on app, user_id from sessions;


-- What each idempotency key was answered; `scope` is the session, or nil for those that make one.
create table idempotency_keys (
  scope uuid not null,
  key text not null,
  fingerprint bytea not null,
  session_id uuid not null,
  sequence bigint not null,
  position bigint not null,
  answer bytea not null,
  created_at timestamptz not null,
  primary key (scope, key)
);

-- Answers are forgotten when they are old.
create index idempotency_keys_by_age on idempotency_keys (created_at);
-- Those of a session that were not asked of it, but made it: they are erased with it.
create index idempotency_keys_of_beginnings on idempotency_keys (session_id)
  where scope <> session_id;

-- The keys that sessions share, now and as they were; a null value was deleted.
create table shared_state (
  scope_id uuid not null,
  key text not null,
  value bytea,
  position bigint not null,
  primary key (scope_id, key)
);
create table shared_state_history (
  scope_id uuid not null,
  key text not null,
  position bigint not null,
  value bytea,
  session_id uuid not null,
  sequence bigint not null,
  primary key (scope_id, key, position)
);

create index shared_state_history_of_session on shared_state_history (session_id);

-- The position of the newest write to each shared scope.
create table shared_scopes (
  scope_id uuid primary key,
  version bigint not null
) with (fillfactor = 60);

-- Folded states, so that a cold session is not folded from its first event.
create table snapshots (
  session_id uuid not null,
  sequence bigint not null,
  format int not null,
  state bytea not null,
  primary key (session_id, sequence)
);

-- What follows from the log, made anew beside what is read, until it is compared and takes its
-- place. What a crash of the database takes with it is begun again. `matched`: the row of lists was
-- like it when both were looked at. `copied`: it is that row, since its log can no longer be folded.
-- `state`: the folded state, to go on from.
create unlogged table rebuilt_sessions (
  like sessions including defaults,
  matched boolean not null default false,
  copied boolean not null default false,
  state bytea,
  primary key (session_id)
);
create unlogged table rebuilt_history (
  like shared_state_history,
  primary key (scope_id, key, position)
);
-- Kept states that are not what the log comes to, as they should be.
create unlogged table rebuilt_snapshots (like snapshots, primary key (session_id, sequence));
-- How far a rebuild has come: all logs up to `after` are in, in the order of their ids, at least as
-- they were at the position `began`. `program` says what made them.
create unlogged table rebuild_progress (
  program text not null,
  began bigint not null,
  after uuid not null,
  events bigint not null,
  only_one boolean primary key default true check (only_one)
);

-- Nothing that was erased may come back: a rebuild that has read it begins anew.
create function forget_rebuild() returns trigger language plpgsql as $$
begin
  delete from rebuild_progress;
  if found then
    delete from rebuilt_sessions;
    delete from rebuilt_history;
    delete from rebuilt_snapshots;
  end if;
  return null;
end $$;
create trigger rebuilds_forget_what_was_erased after update on events
  for each statement execute function forget_rebuild();

-- Whether a row of lists says anything else than the log. When a session needs the clock is put off
-- without an event, and who holds it is in no log.
create function session_row_differs_v1(s sessions, r rebuilt_sessions) returns boolean
language sql immutable as $$
  select (
    s.sequence, s.position, s.digest, s.updated_at, s.updated_second, s.created_at, s.app,
    s.user_id, s.workspace, s.team, s.scope, s.agent, s.type, s.status, s.title, s.marks, s.tags,
    s.deleted, s.doc, s.badge, s.turn_id, s.failure_kind, s.failure_summary, s.stalled, s.unhealthy,
    s.parent_id, s.root_id, s.forked_from, s.auto_stop, s.live_parent, s.projected_with,
    s.last_activity_at, s.activity_second, s.num_messages, s.current_tool, s.external_id, s.facets,
    s.input_tokens, s.output_tokens, s.cost
  ) is distinct from (
    r.sequence, r.position, r.digest, r.updated_at, r.updated_second, r.created_at, r.app,
    r.user_id, r.workspace, r.team, r.scope, r.agent, r.type, r.status, r.title, r.marks, r.tags,
    r.deleted, r.doc, r.badge, r.turn_id, r.failure_kind, r.failure_summary, r.stalled, r.unhealthy,
    r.parent_id, r.root_id, r.forked_from, r.auto_stop,
    case when s.held is null then r.live_parent end, r.projected_with,
    r.last_activity_at, r.activity_second, r.num_messages, r.current_tool, r.external_id, r.facets,
    r.input_tokens, r.output_tokens, r.cost
  )
$$;

-- Writes a batch of appends, all or none. The arrays `e_` are its events, `t_` the sessions whose
-- list row only moves on, and `k_` idempotency keys with their answers. `p_rows` are the list rows
-- that are written anew, or for the first time (before = 0), `p_expected` versions of shared scopes.
-- Returns the position before the batch; null, and nothing is written, when a session or a scope is
-- not where its append expects it, a session is held, a key is taken, a signature is that of another
-- request, or it would be a fork of one that is erased. Others write too, so this is expected: it is
-- no error in the server log.
-- CN002 is one: an event is stored at a position that `log_head` has yet to give out.
-- `e_erased` are the hashes of records that come in erased; it ends with the last of them.
create function append_batch_v1(
  e_session uuid[], e_sequence bigint[], e_type text[], e_record bytea[], e_digest bytea[],
  e_erased bytea[],
  t_session uuid[], t_before bigint[], t_after bigint[], t_offset bigint[], t_digest bytea[],
  t_at timestamptz[], t_activity timestamptz[], t_messages bigint[], t_tool text[],
  k_scope uuid[], k_key text[], k_fingerprint bytea[], k_session uuid[], k_sequence bigint[],
  k_offset bigint[], k_position bigint[], k_answer bytea[], k_at timestamptz[],
  p_rows json, p_shared json, p_expected json, p_signatures json
) returns bigint language plpgsql as $$
declare
  base bigint;
  found int;
  violated text;
begin
  update log_head set head = head + cardinality(e_sequence)
    where log_id = 0 returning head - cardinality(e_sequence) into base;

  if p_signatures is not null then
    insert into seen_signatures (hashed, request, until)
      select decode(x.hashed, 'hex'), x.request, x.until
      from json_to_recordset(p_signatures) as x (hashed text, request uuid, until timestamptz)
    on conflict (hashed) do nothing;
    if exists (
      select from json_to_recordset(p_signatures) as x (hashed text, request uuid)
      join seen_signatures as s on s.hashed = decode(x.hashed, 'hex') and s.request <> x.request
    ) then
      raise exception 'a request was here before' using errcode = 'CN001';
    end if;
  end if;

  -- Asked under the lock of the head: no other batch comes between this and what it writes.
  if p_expected is not null and exists (
    select from json_to_recordset(p_expected) as x (scope_id uuid, version bigint)
    left join shared_scopes as c on c.scope_id = x.scope_id
    where coalesce(c.version, 0) <> x.version
  ) then
    raise exception 'a shared scope is not at its expected version' using errcode = 'CN001';
  end if;

  -- An array that is shorter than the others is filled up with nulls: most batches erase nothing.
  -- Arrays are unnested in what is selected, row by row: in `from`, Postgres would keep each whole.
  insert into events (
      originator_id, originator_version, topic, state, notification_id, digest, erased_hash)
    select unnest(e_session), unnest(e_sequence), unnest(e_type), unnest(e_record),
      generate_series(base + 1, base + cardinality(e_sequence)), unnest(e_digest), unnest(e_erased);

  if cardinality(t_session) > 0 then
    update sessions as s
      set sequence = t.after, position = base + t.off, digest = t.digest,
          updated_at = t.at, updated_second = date_trunc('second', t.at),
          last_activity_at = t.activity, activity_second = date_trunc('second', t.activity),
          num_messages = t.messages, current_tool = nullif(t.tool, '')
      from (
        select unnest(t_session) as id, unnest(t_before) as before, unnest(t_after) as after,
          unnest(t_offset) as off, unnest(t_digest) as digest, unnest(t_at) as at,
          unnest(t_activity) as activity, unnest(t_messages) as messages, unnest(t_tool) as tool
      ) as t
      where s.session_id = t.id and s.sequence = t.before and s.held is null;
    get diagnostics found = row_count;
    if found <> cardinality(t_session) then
      raise exception 'a session is not at its expected sequence' using errcode = 'CN001';
    end if;
  end if;

  if p_rows is not null then
    with wanted as materialized (
      select * from json_to_recordset(p_rows) as r (
        id uuid, before bigint, after bigint, off bigint, digest text, at timestamptz,
        created_at timestamptz, app text, user_id text, workspace text, team text, scope text,
        agent text, type text, status text, title text, marks text[], tags text[],
        deleted boolean, doc text, badge text, turn_id text, failure_kind text,
        failure_summary text, stalled boolean, unhealthy boolean, parent_id uuid, root_id uuid,
        forked_from uuid, auto_stop boolean, live_parent uuid, due_at timestamptz,
        projected_with int, last_activity_at timestamptz, num_messages bigint, current_tool text,
        external_id text, facets jsonb, input_tokens bigint, output_tokens bigint,
        cost double precision, held text, by_import boolean)
    ), made as (
      insert into sessions (
          session_id, sequence, position, digest, updated_at, updated_second, created_at,
          app, user_id, workspace, team, scope, agent, type, status, title, marks, tags,
          deleted, doc, badge, turn_id, failure_kind, failure_summary, stalled, unhealthy,
          parent_id, root_id, forked_from, auto_stop, live_parent, due_at, projected_with,
          last_activity_at, activity_second, num_messages, current_tool, external_id, facets,
          input_tokens, output_tokens, cost, held)
        select r.id, r.after, base + r.off, decode(r.digest, 'hex'), r.at,
          date_trunc('second', r.at), r.created_at, r.app, r.user_id, r.workspace, r.team,
          r.scope, r.agent, r.type, r.status, r.title, r.marks, r.tags, r.deleted,
          r.doc, r.badge, r.turn_id, r.failure_kind, r.failure_summary, r.stalled, r.unhealthy,
          r.parent_id, r.root_id, r.forked_from, r.auto_stop,
          r.live_parent, r.due_at, r.projected_with, r.last_activity_at,
          date_trunc('second', r.last_activity_at), r.num_messages, r.current_tool, r.external_id,
          r.facets, r.input_tokens, r.output_tokens, r.cost, r.held
        from wanted as r
        where r.before = 0 and not exists (
          select from sessions as o where o.session_id = r.forked_from and o.status = 'erased')
        returning 1
    ), moved as (
      update sessions as s
        set sequence = r.after, position = base + r.off, digest = decode(r.digest, 'hex'),
            updated_at = r.at, updated_second = date_trunc('second', r.at), agent = r.agent,
            status = r.status, title = r.title, marks = r.marks, tags = r.tags,
            deleted = r.deleted, doc = r.doc, badge = r.badge, turn_id = r.turn_id,
            failure_kind = r.failure_kind, failure_summary = r.failure_summary,
            stalled = r.stalled, unhealthy = r.unhealthy, due_at = r.due_at,
            live_parent = r.live_parent, projected_with = r.projected_with,
            last_activity_at = r.last_activity_at,
            activity_second = date_trunc('second', r.last_activity_at),
            num_messages = r.num_messages, current_tool = r.current_tool,
            input_tokens = r.input_tokens, output_tokens = r.output_tokens, cost = r.cost,
            held = r.held
        from wanted as r
        where r.before > 0 and s.session_id = r.id and s.sequence = r.before
          and (s.held is null or r.by_import)
        returning 1
    )
    select (select count(*) from made) + (select count(*) from moved) into found;
    if found <> json_array_length(p_rows) then
      raise exception 'a session is not at its expected sequence' using errcode = 'CN001';
    end if;
  end if;

  -- An answer to a command with events has its position from this batch, one without keeps the
  -- position of the session.
  if cardinality(k_key) > 0 then
    insert into idempotency_keys (
        scope, key, fingerprint, session_id, sequence, position, answer, created_at)
      select k.scope, k.key, k.fingerprint, k.session, k.sequence,
        case when k.off > 0 then base + k.off else k.pos end, k.answer, k.at
      from (
        select unnest(k_scope) as scope, unnest(k_key) as key, unnest(k_fingerprint) as fingerprint,
          unnest(k_session) as session, unnest(k_sequence) as sequence, unnest(k_offset) as off,
          unnest(k_position) as pos, unnest(k_answer) as answer, unnest(k_at) as at
      ) as k;
  end if;

  if p_shared is not null then
    insert into shared_state_history (scope_id, key, position, value, session_id, sequence)
      select w.scope_id, w.key, base + w.off, convert_to(w.value, 'UTF8'), w.session_id, w.sequence
      from json_to_recordset(p_shared) as w (
        scope_id uuid, key text, off bigint, value text, session_id uuid, sequence bigint);
    -- Of several writes to one key in a batch the last one stands.
    insert into shared_state (scope_id, key, value, position)
      select distinct on (w.scope_id, w.key)
        w.scope_id, w.key, convert_to(w.value, 'UTF8'), base + w.off
      from json_to_recordset(p_shared) as w (scope_id uuid, key text, off bigint, value text)
      order by w.scope_id, w.key, w.off desc
    on conflict (scope_id, key) do update
      set value = excluded.value, position = excluded.position;
    insert into shared_scopes (scope_id, version)
      select w.scope_id, base + max(w.off)
      from json_to_recordset(p_shared) as w (scope_id uuid, off bigint)
      group by w.scope_id
    on conflict (scope_id) do update set version = excluded.version;
  end if;

  return base;
exception when unique_violation or sqlstate 'CN001' then
  get stacked diagnostics violated = constraint_name;
  if violated = 'events_by_position' then
    -- Whoever asks again would meet it again.
    raise exception 'an event has a position beyond the head of the log' using errcode = 'CN002';
  end if;
  return null;
end $$;

-- What parts of messages name by the SHA-256 of its bytes, stored once for each app. `digest` is null
-- until all of it is there; `touched_at` says when the last of it came.
create table blobs (
  blob_id uuid primary key,
  app text not null,
  digest bytea check (octet_length(digest) = 32),
  touched_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
create unique index blobs_by_digest on blobs (app, digest) where digest is not null;
create index blobs_on_their_way on blobs (touched_at) where digest is null;

-- Of each app and user that sent it, or has it in a session: for anybody else it is not there.
-- `unnamed_since` is null while a session names it.
create table blob_holders (
  app text not null,
  user_id text not null,
  digest bytea not null,
  blob_id uuid not null references blobs,
  size bigint not null,
  media_type text not null,
  unnamed_since timestamptz,
  primary key (app, user_id, digest)
);
create index blob_holders_of_blob on blob_holders (blob_id);
create index blob_holders_unnamed on blob_holders (unnamed_since) where unnamed_since is not null;

-- `start` is the place of a piece in the whole. Most of what is sent is compressed already.
create table blob_chunks (
  blob_id uuid not null references blobs on delete cascade,
  start bigint not null,
  content bytea not null,
  primary key (blob_id, start)
);
alter table blob_chunks alter column content set storage external;

-- Which sessions name it; also what is not there, of a session that was imported without it.
-- `doubted_at`: since when it may not be so, for the session was deleted, or refused what named it.
create table blob_references (
  session_id uuid not null,
  app text not null,
  user_id text not null,
  digest bytea not null,
  doubted_at timestamptz,
  primary key (session_id, digest)
);
create index blob_references_of_blob on blob_references (app, user_id, digest);
create index blob_references_in_doubt on blob_references (doubted_at) where doubted_at is not null;

-- Keeps a piece of what is sent; false when it was swept meanwhile. Not waited for on the disk: the
-- end is.
create function keep_chunk_v1(p_upload uuid, p_start bigint, p_content bytea) returns boolean
language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  update blobs set touched_at = clock_timestamp() where blob_id = p_upload and digest is null;
  if not found then
    return false;
  end if;
  insert into blob_chunks (blob_id, start, content) values (p_upload, p_start, p_content);
  return true;
end $$;

-- Of those who keep the same bytes for an app, and who free them, one goes after the other.
create function lock_blobs_v1(p_app text, p_digests bytea[]) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('blob ' || encode(digest, 'hex') || p_app, 0))
    from (select digest from unnest(p_digests) as d (digest) order by digest) as o;
end $$;

-- Makes what was sent a blob of somebody, once it is whole. What the app has already is not kept
-- twice. Nobody is told whether others have it: `is_new` is that this one had not; null, and nothing
-- is kept, when the upload was swept meanwhile.
create function keep_blob_v1(
  p_upload uuid, p_app text, p_user text, p_digest bytea, p_size bigint, p_media_type text,
  out media_type text, out is_new boolean
) language plpgsql as $$
declare
  kept uuid;
begin
  perform lock_blobs_v1(p_app, array[p_digest]);
  select b.blob_id into kept from blobs as b where b.app = p_app and b.digest = p_digest;
  if not found then
    update blobs as b set digest = p_digest where b.blob_id = p_upload returning b.blob_id into kept;
    if not found then
      return;
    end if;
  end if;
  if kept <> p_upload then
    delete from blobs as b where b.blob_id = p_upload;
  end if;
  insert into blob_holders as h (app, user_id, digest, blob_id, size, media_type, unnamed_since)
    values (p_app, p_user, p_digest, kept, p_size, p_media_type,
      case when not exists (
        select from blob_references as r
        where r.app = p_app and r.user_id = p_user and r.digest = p_digest
      ) then clock_timestamp() end)
  on conflict (app, user_id, digest) do update
    set unnamed_since = case when h.unnamed_since is not null then clock_timestamp() end
  returning h.media_type, xmax = 0 into media_type, is_new;
end $$;

-- Notes that a session names blobs of its owner, and returns those of them that are there. They stay
-- for as long as it does. With `p_even_missing` what is not there is noted too, and counts once it is.
create function name_blobs_v1(
  p_session uuid, p_app text, p_user text, p_digests bytea[], p_even_missing boolean
) returns table (digest bytea, is_new boolean) language plpgsql as $$
#variable_conflict use_column
declare
  there bytea[];
  gone boolean;
begin
  -- In one order, so that two who name the same do not wait for each other.
  select coalesce(array_agg(f.digest), '{}') into there from (
    select h.digest from blob_holders as h
    where h.app = p_app and h.user_id = p_user and h.digest = any(p_digests)
    order by h.digest for update
  ) as f;
  select s.deleted into gone from sessions as s where s.session_id = p_session;
  update blob_holders as h set unnamed_since = null
    where h.app = p_app and h.user_id = p_user and h.digest = any(there)
      and h.unnamed_since is not null;
  return query
    with made as (
      insert into blob_references as r (session_id, app, user_id, digest, doubted_at)
        select p_session, p_app, p_user, d.digest, case when gone then clock_timestamp() end
        from unnest(p_digests) as d (digest)
        where p_even_missing or d.digest = any(there)
      on conflict do nothing
      returning r.digest
    )
    select t.digest, exists (select from made as m where m.digest = t.digest)
    from unnest(there) as t (digest);
end $$;

-- Takes from a user what no session of theirs names any more, frees what nobody has then, and
-- returns how many that was taken.
create function free_blobs_v1(p_app text, p_user text, p_digests bytea[]) returns bigint
language plpgsql as $$
declare
  freed uuid[];
begin
  perform lock_blobs_v1(p_app, p_digests);
  -- Who is about to name one is waited for, and then seen.
  perform from blob_holders as h
    where h.app = p_app and h.user_id = p_user and h.digest = any(p_digests)
    order by h.digest for update;
  with gone as (
    delete from blob_holders as h
      where h.app = p_app and h.user_id = p_user and h.digest = any(p_digests)
        and not exists (
          select from blob_references as r
          where r.app = h.app and r.user_id = h.user_id and r.digest = h.digest)
      returning h.blob_id
  )
  select coalesce(array_agg(blob_id), '{}') into freed from gone;
  delete from blobs as b
    where b.blob_id = any(freed)
      and not exists (select from blob_holders as h where h.blob_id = b.blob_id);
  return cardinality(freed);
end $$;

-- Has a session name some of its blobs no more, and frees them. Returns how many it named.
create function let_go_of_blobs_v1(p_session uuid, p_most int) returns bigint
language plpgsql as $$
declare
  named record;
  count bigint := 0;
begin
  for named in
    with gone as (
      delete from blob_references where session_id = p_session and digest in (
        select digest from blob_references where session_id = p_session limit p_most)
      returning app, user_id, digest)
    select app, user_id, array_agg(digest) as digests from gone group by app, user_id
  loop
    perform free_blobs_v1(named.app, named.user_id, named.digests);
    count := count + cardinality(named.digests);
  end loop;
  return count;
end $$;

-- Frees what nobody needs: what was not sent to its end, what no session has named for a while, and
-- what was named by sessions that are gone, or have refused it. Returns how much there was of it.
create function sweep_blobs_v1(p_grace interval, p_stalled interval, p_most int) returns bigint
language plpgsql as $$
declare
  one record;
  held boolean;
  named boolean;
  swept bigint := 0;
begin
  delete from blobs where blob_id in (
    select blob_id from blobs
    where digest is null and touched_at < clock_timestamp() - p_stalled
    limit p_most for update skip locked);
  get diagnostics swept = row_count;

  for one in
    select r.session_id, r.app, r.user_id, r.digest, s.deleted, s.forked_from
    from blob_references as r
    left join sessions as s on s.session_id = r.session_id
    where r.doubted_at < clock_timestamp() - p_grace
    order by r.doubted_at limit p_most for update of r skip locked
  loop
    held := one.deleted and 'legal_hold.set' = (
      select topic from events
      where originator_id = one.session_id and topic in ('legal_hold.set', 'legal_hold.released')
      order by originator_version desc limit 1);
    named := not one.deleted and (one.forked_from is not null or exists (
      select from events
      where originator_id = one.session_id
        and position(convert_to('"sha256:' || encode(one.digest, 'hex') || '"', 'UTF8') in state) > 0));
    if held or named then
      -- A hold is looked at again.
      update blob_references set doubted_at = case when held then clock_timestamp() end
        where session_id = one.session_id and digest = one.digest;
    else
      -- In the order of those who name it.
      perform from blob_holders
        where app = one.app and user_id = one.user_id and digest = one.digest for update;
      delete from blob_references where session_id = one.session_id and digest = one.digest;
      perform free_blobs_v1(one.app, one.user_id, array[one.digest]);
    end if;
    swept := swept + 1;
  end loop;

  for one in
    select app, user_id, array_agg(digest) as digests from (
      select app, user_id, digest from blob_holders
      where unnamed_since < clock_timestamp() - p_grace
      order by unnamed_since limit p_most for update skip locked) as h
    group by app, user_id
  loop
    perform free_blobs_v1(one.app, one.user_id, one.digests);
    swept := swept + cardinality(one.digests);
  end loop;
  return swept;
end $$;

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

-- What is being written: pieces of messages, kept until their message is recorded. They outlive the
-- program but not a crash of the database, and so cost no WAL. A piece may be there twice, cut in
-- another way: whoever reads them goes by `start`. `half` is half of a surrogate pair, `name` that
-- of a tool. Each is added once and taken away once: vacuum comes by when many are gone.
create unlogged table partials (
  session_id uuid not null,
  turn_id text not null,
  type text not null,
  kind text not null,
  message_id text not null,
  name text,
  number int not null,
  count int not null,
  start int not null,
  content bytea not null,
  half int,
  since bigint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
create index partials_of_session on partials (session_id);
comment on column partials.since is 'the sequence of the session when the message began';

-- In the transaction of the stop itself: no crash leaves a stopped session to its old holder, who
-- would keep everybody else away when it is resumed.
create function free_what_stopped() returns trigger language plpgsql as $$
begin
  delete from leases where session_id = new.session_id;
  if new.status in ('deleted', 'erased') then
    delete from presence where session_id = new.session_id;
    delete from provision_payloads where session_id = new.session_id;
    update blob_references set doubted_at = clock_timestamp() where session_id = new.session_id;
  end if;
  return null;
end $$;
create trigger stopped_sessions_are_let_go after update of status on sessions
  for each row when (new.status in ('stopped', 'deleted', 'erased') and old.status <> new.status)
  execute function free_what_stopped();
create trigger what_comes_deleted_is_let_go after insert on sessions
  for each row when (new.status in ('deleted', 'erased')) execute function free_what_stopped();

-- A lease that ran out in a running turn says that whoever drove it is gone. One that was over
-- before the turn began says nothing of it, whoever began it.
create function forget_lease_of_the_past() returns trigger language plpgsql as $$
begin
  delete from leases where session_id = new.session_id and expires_at <= clock_timestamp();
  return null;
end $$;
create trigger turns_begin_without_leases_of_the_past after update of status on sessions
  for each row when (old.status = 'idle' and new.status <> 'idle')
  execute function forget_lease_of_the_past();

-- What people have said does not go into the statistics of the planner, which nobody asks for it there
-- and which a table that was emptied would keep.
alter table events alter column state set statistics 0;
alter table idempotency_keys alter column key set statistics 0, alter column answer set statistics 0;
alter table shared_state alter column value set statistics 0;
alter table shared_state_history alter column value set statistics 0;
alter table snapshots alter column state set statistics 0;
alter table leases alter column holder set statistics 0;
alter table presence alter column reporter set statistics 0, alter column detail set statistics 0;
alter table blob_chunks alter column content set statistics 0;
alter table blob_holders alter column user_id set statistics 0, alter column media_type set statistics 0;
alter table blob_references alter column user_id set statistics 0;
alter table partials alter column content set statistics 0, alter column name set statistics 0,
  alter column message_id set statistics 0;

-- Who is told of events, how far each has been told, and what could not be told.

-- At most 100, each in a place of its own: two that are made at once cannot both have the last.
-- Its checkpoint, that of the consumer `webhook ID` in `checkpoints`: everything up to this position
-- has been delivered, given up, or was not wanted.
-- `pinned`: the last position of the batch that was begun; whatever happens, it is sent again as it
-- is, under the same id, until it is delivered or given up.
-- `generation`: raised when events are to be sent once more, or others are wanted, so that no batch
-- has the id of another one.
-- `resume_at`: where to go on once a replay has reached `replay_upto`.
create table webhooks (
  webhook_id uuid primary key,
  number bigint generated always as identity unique,
  place int not null unique check (place between 1 and 100),
  url text not null,
  types text[] not null,
  app text,
  user_id text,
  description text,
  batch int not null check (batch between 1 and 500),
  secret text not null,
  old_secret text,
  old_secret_until timestamptz,
  active boolean not null default true,
  paused_because text,
  revision bigint not null default 1,
  generation bigint not null default 1,
  pinned bigint,
  replay_upto bigint,
  resume_at bigint,
  attempts int not null default 0,
  next_attempt_at timestamptz,
  last_error text,
  last_delivered_at timestamptz,
  delivered_events bigint not null default 0,
  delivered_batches bigint not null default 0,
  failed_attempts bigint not null default 0,
  dead_letters_made bigint not null default 0,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  check ((replay_upto is null) = (resume_at is null)),
  check ((old_secret is null) = (old_secret_until is null))
) with (fillfactor = 50);

-- Batches that were given up. `after` is exclusive, `upto` inclusive; what was wanted then is kept,
-- so that a later delivery is the same batch, under the same id.
create table webhook_dead_letters (
  webhook_id uuid not null references webhooks on delete cascade,
  number bigint not null,
  generation bigint not null,
  after bigint not null,
  upto bigint not null,
  types text[] not null,
  events int not null,
  attempts int not null,
  reason text not null,
  queued boolean not null default false,
  failed_at timestamptz not null,
  primary key (webhook_id, number),
  check (upto > after)
);

-- How far each consumer of the log has come: its effects up to here are written, in the transaction
-- that moved the position.
create table checkpoints (
  consumer text primary key,
  position bigint not null check (position >= 0)
) with (fillfactor = 50);

-- The log as a transparency log: the complete tiles of its Merkle tree, and every head of it that
-- was signed. Both are kept for ever; what changes or takes away one of them is an attack.

create table log_tiles (
  level smallint not null,
  number bigint not null,
  hashes bytea not null check (octet_length(hashes) = 8192),
  root bytea not null check (octet_length(root) = 32),
  primary key (level, number)
);
-- Hashes do not compress.
alter table log_tiles alter column hashes set storage external;

-- `signers` are the ids of the keys that signed it, as hex: a new key may sign the same head again.
create table signed_heads (
  size bigint not null check (size >= 0),
  signers text not null,
  origin text not null,
  root bytea not null check (octet_length(root) = 32),
  note text not null,
  signed_at timestamptz not null default now(),
  primary key (size, signers)
);

create function refuse_any_change() returns trigger language plpgsql as $$
begin
  raise exception 'proofs are append-only: % on % is refused', tg_op, tg_table_name
    using errcode = 'CN002';
end $$;
create trigger log_tiles_are_facts before update or delete or truncate on log_tiles
  for each statement execute function refuse_any_change();
create trigger signed_heads_are_facts before update or delete or truncate on signed_heads
  for each statement execute function refuse_any_change();

-- Where a process that was refused a write looks whether writes are taken again.
create table write_probe (
  probe_id integer primary key,
  filler bytea not null
);
alter table write_probe alter column filler set storage external;

-- Who runs the background jobs: the advisory lock of a job decides, and these say whether its owner
-- moves, and among how many processes jobs are to be spread. Of use only while they change.
create unlogged table job_owners (
  job text primary key,
  process uuid,
  backend int,
  backend_started timestamptz,
  beat_at timestamptz not null,
  ended_at timestamptz
) with (fillfactor = 50);
comment on column job_owners.ended_at is 'when the connection of an owner that stood still was ended';
create unlogged table job_processes (
  process uuid primary key,
  seen_at timestamptz not null
) with (fillfactor = 50);

-- The last run of the retention job, in one row; without `ended_at` it runs, or was killed.
create table retention_runs (
  only_one boolean primary key default true check (only_one),
  begun_at timestamptz not null,
  ended_at timestamptz,
  failure text
);

-- Access tokens: the hash of each, never the token itself.
create table access_tokens (
  token_id uuid primary key,
  name text not null,
  rights text[] not null,
  app text,
  user_id text,
  hashed bytea not null unique check (length(hashed) = 32),
  created_at timestamptz not null,
  expires_at timestamptz,
  last_used_at timestamptz
);

-- One row: another number after each token that was added or taken away, so that a process that
-- heard nothing finds out at its next look.
create table access_revision (
  revision bigint not null,
  only_one boolean primary key default true check (only_one)
);
insert into access_revision (revision) values (0);

create function change_access_v1() returns bigint language sql as $$
  select pg_notify('cairn_access', '');
  update access_revision set revision = revision + 1 returning revision;
$$;

-- Tickets of streams: the hash of each. Lost with the server, as their minute would be.
create unlogged table stream_tickets (
  hashed bytea primary key check (length(hashed) = 32),
  path text not null,
  actor text not null,
  rights text[] not null,
  app text,
  user_id text,
  token_id text,
  is_named boolean not null,
  principal_expires_at timestamptz,
  -- The key by which the limits of its maker are counted.
  counted_by text not null,
  expires_at timestamptz not null
);
create index stream_tickets_expires_at on stream_tickets (expires_at);

-- Signatures of requests that were let in, until their time has run out. Unlike tickets they outlive
-- the server: a request whose signature was forgotten could be sent again.
create table seen_signatures (
  hashed bytea primary key check (length(hashed) = 32),
  request uuid not null,
  until timestamptz not null
);
create index seen_signatures_until on seen_signatures (until);

-- What sessions of the agentapi door were asked for with, sealed; no foreign key, for it comes first.
create table provision_payloads (
  session_id uuid primary key,
  sealed text not null,
  -- Which key has sealed it, so that those of an older one are found.
  mark text not null generated always as (left(sealed, 19)) stored,
  created_at timestamptz not null default clock_timestamp()
);
create index provision_payloads_mark on provision_payloads (mark);
create index provision_payloads_created_at on provision_payloads (created_at);

-- Where sessions are that another server keeps; its secret and its address are in a file of ours.
create table session_routes (
  public_id uuid primary key,
  manager text not null,
  remote_id text not null,
  app text not null,
  user_id text not null,
  scope text not null,
  team text,
  created_at timestamptz not null default clock_timestamp()
);
create index session_routes_remote on session_routes (manager, remote_id);

-- Files that agents keep beside the log, of a session or of the scope of its user. Most of them are
-- compressed already. `sequence` is the newest event of the session when it was kept. In a fork, the
-- version -1 says that what the fork has of its origin under this name is seen no more.
create table artifacts (
  owner_id uuid not null,
  name text not null check (name <> '' and char_length(name) <= 512),
  version bigint not null check (version >= -1),
  sequence bigint not null,
  created_at timestamptz not null default clock_timestamp(),
  media_type text,
  about bytea not null,
  size bigint not null generated always as (octet_length(content)) stored,
  content bytea not null,
  primary key (owner_id, name, version)
);
alter table artifacts alter column content set storage external;
-- No copies of what was erased in statistics, which those of an empty table keep.
alter table artifacts
  alter column name set statistics 0,
  alter column media_type set statistics 0,
  alter column about set statistics 0,
  alter column content set statistics 0;

-- What is seen of artifacts along a line of places, the nearest first: a version of a nearer place
-- stands before all of the same number or a greater one behind it.
create function artifacts_seen_v1(p_owners uuid[], p_uptos bigint[]) returns table (
  name text, version bigint, created_at timestamptz, media_type text, about bytea, size bigint,
  content bytea
) language sql stable as $$
  select one.name, one.version, one.created_at, one.media_type, one.about, one.size, one.content
  from (
    select a.*, min(a.version) over (
      partition by a.name order by place.depth groups between unbounded preceding and 1 preceding
    ) as nearer
    from unnest(p_owners, p_uptos) with ordinality as place (owner_id, upto, depth)
    join artifacts as a
      on a.owner_id = place.owner_id and (place.upto is null or a.sequence <= place.upto)
  ) as one
  where one.version >= 0 and (one.nearer is null or one.version < one.nearer)
$$;

-- Returns the newest event of a session, which is neither deleted nor erased before this transaction
-- has ended; null when it is. Whoever changes artifacts of the owner waits for each other.
create function begin_change_of_artifacts_v1(p_session uuid, p_owner uuid) returns bigint
language plpgsql as $$
declare
  found_at bigint;
begin
  select sequence into found_at from sessions
    where session_id = p_session and status not in ('deleted', 'erased') for share;
  perform pg_advisory_xact_lock(hashtextextended('artifacts of ' || p_owner, 0));
  return found_at;
end $$;

-- Keeps the next version of an artifact. `version` is null when it would be more than the owner may
-- have; `is_there` is false when its session is gone.
create function save_artifact_v1(
  p_session uuid, p_owners uuid[], p_uptos bigint[], p_name text, p_media_type text, p_about bytea,
  p_content bytea, p_most bigint, out version bigint, out created_at timestamptz,
  out is_there boolean
) language plpgsql as $$
#variable_conflict use_column
declare
  saved_at bigint := begin_change_of_artifacts_v1(p_session, p_owners[1]);
  held bigint;
begin
  is_there := saved_at is not null;
  if not is_there then
    return;
  end if;
  select coalesce(sum(a.size + octet_length(a.about) + 1024), 0) into held
    from artifacts as a where a.owner_id = p_owners[1];
  if held + octet_length(p_content) + octet_length(p_about) + 1024 > p_most then
    return;
  end if;
  insert into artifacts as a (owner_id, name, version, sequence, media_type, about, content)
    values (p_owners[1], p_name,
      (select coalesce(max(seen.version) + 1, 0)
        from artifacts_seen_v1(p_owners, p_uptos) as seen where seen.name = p_name),
      saved_at, p_media_type, p_about, p_content)
    returning a.version, a.created_at into version, created_at;
end $$;

-- Takes an artifact away. The other places of the line keep what they have.
create function delete_artifact_v1(
  p_session uuid, p_owners uuid[], p_uptos bigint[], p_name text
) returns void language plpgsql as $$
declare
  deleted_at bigint := begin_change_of_artifacts_v1(p_session, p_owners[1]);
begin
  if deleted_at is null then
    return;
  end if;
  delete from artifacts where owner_id = p_owners[1] and name = p_name;
  insert into artifacts (owner_id, name, version, sequence, about, content)
    select p_owners[1], p_name, -1, deleted_at, '', ''
    where exists (
      select from artifacts_seen_v1(p_owners, p_uptos) as seen where seen.name = p_name
    );
end $$;

-- How much each principal has asked for in the period that runs, and its open streams. Lost with the
-- server: everybody begins anew.
create unlogged table allowances (
  principal text not null,
  kind text not null,
  number bigint not null,
  used bigint not null,
  ends_at timestamptz not null,
  primary key (principal, kind)
);

create unlogged table open_streams (
  principal text not null,
  process uuid not null,
  held int not null,
  seen_at timestamptz not null,
  primary key (principal, process)
);

create function take_allowance_v1(
  p_principal text, p_kind text, p_wanted bigint, p_least bigint, p_most bigint, p_period float
) returns table (granted bigint, remaining bigint, resets_in float) language plpgsql as $$
declare
  v_now constant float := extract(epoch from clock_timestamp());
  v_number constant bigint := floor(v_now / p_period);
  v_used bigint;
begin
  -- Holds the row until the end: whoever asks at the same time sees what was given out.
  insert into allowances as a (principal, kind, number, used, ends_at)
  values (p_principal, p_kind, v_number, 0, to_timestamp((v_number + 1) * p_period))
  on conflict (principal, kind) do update
    -- Whoever has waited for the row may be of the period before; a row of a period that is further
    -- ahead was written before the clock was set back, and would let nobody in until then.
    set used = case when a.number < excluded.number
        or a.ends_at > excluded.ends_at + make_interval(secs => greatest(p_period, 60))
      then 0 else a.used end,
      number = case when a.ends_at > excluded.ends_at + make_interval(secs => greatest(p_period, 60))
        then excluded.number else greatest(a.number, excluded.number) end,
      ends_at = case when a.ends_at > excluded.ends_at + make_interval(secs => greatest(p_period, 60))
        then excluded.ends_at else greatest(a.ends_at, excluded.ends_at) end
  returning used into v_used;
  granted := case when p_most - v_used < p_least then 0 else least(p_wanted, p_most - v_used) end;
  remaining := greatest(0, p_most - v_used - granted);
  resets_in := greatest(0, (v_number + 1) * p_period - v_now);
  update allowances set used = used + granted where principal = p_principal and kind = p_kind;
  return next;
end;
$$;

create function open_stream_v1(p_process uuid, p_principal text, p_most int)
returns boolean language plpgsql as $$
declare
  v_held bigint;
begin
  -- One after the other of each principal, so that no two take the last place.
  perform pg_advisory_xact_lock(hashtextextended('open streams of ' || p_principal, 0));
  -- A process that was not heard of for so long is gone, and its streams with it.
  select coalesce(sum(held), 0) into v_held from open_streams
  where principal = p_principal and seen_at > clock_timestamp() - interval '15 seconds';
  if v_held >= p_most then
    return false;
  end if;
  insert into open_streams as o (principal, process, held, seen_at)
  values (p_principal, p_process, 1, clock_timestamp())
  on conflict (principal, process) do update
    set held = greatest(o.held, 0) + 1, seen_at = excluded.seen_at;
  return true;
end;
$$;

-- Gives a role the rights that the program needs, and none to change what is a fact: it can read the
-- log and add to it, and owns nothing. Called again after each migration, for its new tables.
create function grant_to_program_v1(p_role text) returns void language plpgsql as $$
declare
  facts constant text[] := array['events', 'shared_state_history', 'log_tiles', 'signed_heads'];
  fixed constant text[] := array['schema_migration', 'store', 'erasures'];
  named record;
begin
  execute format('grant usage on schema %I to %I', current_schema(), p_role);
  execute format('grant select on all tables in schema %I to %I', current_schema(), p_role);
  execute format('grant execute on all functions in schema %I to %I', current_schema(), p_role);
  for named in select tablename from pg_tables where schemaname = current_schema() loop
    if named.tablename = any(facts) then
      execute format('grant insert on %I to %I', named.tablename, p_role);
    elsif named.tablename <> all(fixed) then
      execute format('grant insert, update, delete on %I to %I', named.tablename, p_role);
    end if;
  end loop;
end
$$;
