-- The log, and the rows that are written in the same transaction with it.

-- The identity of this log: a cursor of another one is worth nothing here.
create table store (
  identity uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now()
);
insert into store default values;

-- The newest position. An append takes this row first and holds it to its commit: that is what
-- makes positions dense and visible in order. More logs, each with a row, are the way past one.
create table log_head (
  log_id int primary key,
  head bigint not null
) with (fillfactor = 10);
insert into log_head values (0, 0);

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

-- What is left of a record when it is erased. Its id goes with the payload: the random bits in it
-- are the salt that keeps a reader from guessing the payload by its hash.
create function erased_record(p_topic text, p_state bytea) returns bytea language sql stable as $$
  select convert_to(
    format('{"type":%s,"at":%s,"erased":true}', to_json(p_topic),
           replace(convert_from(p_state, 'UTF8'), '\u0000', '\ufffd')::json -> 'at'),
    'UTF8')
$$;

-- A fact never changes and never goes. Only its record may be erased, once and whole.
create function refuse_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if old.erased_hash is null
      and new.erased_hash is not distinct from sha256(old.state)
      and new.state = erased_record(old.topic, old.state)
      and (new.originator_id, new.originator_version, new.topic, new.notification_id, new.digest)
        = (old.originator_id, old.originator_version, old.topic, old.notification_id, old.digest)
    then
      return new;
    end if;
  end if;
  raise exception 'the log is append-only: % on % is refused', tg_op, tg_table_name
    using errcode = 'CN002';
end $$;
create trigger events_are_facts before update or delete on events
  for each row execute function refuse_change();
create trigger events_are_kept before truncate on events
  for each statement execute function refuse_change();

-- The head of each session and what lists show of it. `updated_second` is `updated_at` cut to the
-- second: an index on it changes once a second at most, so that most appends touch no index here.
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
  starred boolean not null,
  tags text[] not null,
  deleted boolean not null,
  doc text not null
) with (fillfactor = 60);
create index sessions_of_user_by_update
  on sessions (app, user_id, updated_second desc) where not deleted;
create index sessions_of_user_by_creation
  on sessions (app, user_id, created_at desc, session_id desc) where not deleted;
create index sessions_by_update on sessions (updated_second desc) where not deleted;
create index sessions_by_creation on sessions (created_at desc, session_id desc) where not deleted;
create index sessions_by_tag on sessions using gin (tags) where tags <> '{}' and not deleted;
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

-- Folded states, so that a cold session is not folded from its first event.
create table snapshots (
  session_id uuid not null,
  sequence bigint not null,
  format int not null,
  state bytea not null,
  primary key (session_id, sequence)
);

-- Writes a batch of appends, all or none. `p_touched` are sessions whose list row only moves on;
-- `p_rows` are those whose list row is written anew, or for the first time (before = 0).
-- Raises CN001 when a session is not where its append expects it.
create function append_batch(
  e_session uuid[], e_sequence bigint[], e_type text[], e_record bytea[], e_digest bytea[],
  t_session uuid[], t_before bigint[], t_after bigint[], t_offset bigint[], t_digest bytea[],
  t_at timestamptz[],
  k_scope uuid[], k_key text[], k_fingerprint bytea[], k_session uuid[], k_sequence bigint[],
  k_offset bigint[], k_position bigint[], k_answer bytea[], k_at timestamptz[],
  p_rows json, p_shared json
) returns bigint language plpgsql as $$
declare
  base bigint;
  found int;
  created int;
begin
  update log_head set head = head + cardinality(e_sequence)
    where log_id = 0 returning head - cardinality(e_sequence) into base;

  insert into events (originator_id, originator_version, topic, state, notification_id, digest)
    select e.s, e.v, e.t, e.r, base + e.o, e.d
    from unnest(e_session, e_sequence, e_type, e_record, e_digest)
      with ordinality as e (s, v, t, r, d, o);

  if cardinality(t_session) > 0 then
    update sessions as s
      set sequence = t.after, position = base + t.off, digest = t.digest,
          updated_at = t.at, updated_second = date_trunc('second', t.at)
      from unnest(t_session, t_before, t_after, t_offset, t_digest, t_at)
        as t (id, before, after, off, digest, at)
      where s.session_id = t.id and s.sequence = t.before;
    get diagnostics found = row_count;
    if found <> cardinality(t_session) then
      raise exception 'a session is not at its expected sequence' using errcode = 'CN001';
    end if;
  end if;

  if p_rows is not null then
    insert into sessions (
        session_id, sequence, position, digest, updated_at, updated_second, created_at,
        app, user_id, workspace, team, scope, agent, type, status, title, starred, tags,
        deleted, doc)
      select r.id, r.after, base + r.off, decode(r.digest, 'hex'), r.at,
        date_trunc('second', r.at), r.created_at, r.app, r.user_id, r.workspace, r.team, r.scope,
        r.agent, r.type, r.status, r.title, r.starred, r.tags, r.deleted, r.doc
      from json_to_recordset(p_rows) as r (
        id uuid, before bigint, after bigint, off bigint, digest text, at timestamptz,
        created_at timestamptz, app text, user_id text, workspace text, team text, scope text,
        agent text, type text, status text, title text, starred boolean, tags text[],
        deleted boolean, doc text)
      where r.before = 0;
    get diagnostics created = row_count;
    update sessions as s
      set sequence = r.after, position = base + r.off, digest = decode(r.digest, 'hex'),
          updated_at = r.at, updated_second = date_trunc('second', r.at), agent = r.agent,
          status = r.status, title = r.title, starred = r.starred, tags = r.tags,
          deleted = r.deleted, doc = r.doc
      from json_to_recordset(p_rows) as r (
        id uuid, before bigint, after bigint, off bigint, digest text, at timestamptz, agent text,
        status text, title text, starred boolean, tags text[], deleted boolean, doc text)
      where r.before > 0 and s.session_id = r.id and s.sequence = r.before;
    get diagnostics found = row_count;
    if found + created <> json_array_length(p_rows) then
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
      from unnest(k_scope, k_key, k_fingerprint, k_session, k_sequence, k_offset, k_position,
                  k_answer, k_at)
        as k (scope, key, fingerprint, session, sequence, off, pos, answer, at);
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
  end if;

  return base;
end $$;

-- The sessions that a list shows; a filter that is null does not matter. Inlined by the planner,
-- so that each list is one index range whatever its filters are.
create function sessions_matching(
  p_app text, p_user text, p_workspace text, p_team text, p_scope text, p_agent text,
  p_status text, p_type text, p_tag text, p_starred boolean, p_text text,
  p_created_after timestamptz, p_created_before timestamptz,
  p_updated_after timestamptz, p_updated_before timestamptz
) returns setof sessions language sql stable as $$
  select * from sessions
  where not deleted
    and (p_app is null or app = p_app)
    and (p_user is null or user_id = p_user)
    and (p_workspace is null or workspace = p_workspace)
    and (p_team is null or team = p_team)
    and (p_scope is null or scope = p_scope)
    and (p_agent is null or agent = p_agent)
    and (p_status is null or status = p_status)
    and (p_type is null or type = p_type)
    and (p_tag is null or (tags <> '{}' and tags @> array[p_tag]))
    and (p_starred is null or starred = p_starred)
    and (p_text is null or title ilike p_text)
    and (p_created_after is null or created_at >= p_created_after)
    and (p_created_before is null or created_at < p_created_before)
    and (p_updated_after is null
         or (updated_second >= date_trunc('second', p_updated_after)
             and updated_at >= p_updated_after))
    and (p_updated_before is null
         or (updated_second <= date_trunc('second', p_updated_before)
             and updated_at < p_updated_before))
$$;
