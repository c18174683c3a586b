-- name: session
select session_id, sequence, position, digest, created_at, updated_at, status, app, user_id, doc,
  title
from sessions
where session_id = %(session)s

-- name: sessions_by_updated_at_desc
-- `updated_second` leads so that an index gives the order; within one the exact time decides.
select session_id, sequence, position, digest, created_at, updated_at, status, app, user_id, doc,
  title
from sessions_matching(
  %(app)s::text, %(user)s::text, %(workspace)s::text, %(team)s::text, %(scope)s::text,
  %(agent)s::text, %(status)s::text, %(type)s::text, %(tag)s::text, %(starred)s::boolean,
  %(text)s::text, %(created_after)s::timestamptz, %(created_before)s::timestamptz,
  %(updated_after)s::timestamptz, %(updated_before)s::timestamptz)
where %(value)s::timestamptz is null
  or (updated_second <= date_trunc('second', %(value)s::timestamptz)
      and (updated_at, session_id) < (%(value)s::timestamptz, %(id)s::uuid))
order by updated_second desc, updated_at desc, session_id desc
limit %(limit)s

-- name: sessions_by_created_at_desc
select session_id, sequence, position, digest, created_at, updated_at, status, app, user_id, doc,
  title
from sessions_matching(
  %(app)s::text, %(user)s::text, %(workspace)s::text, %(team)s::text, %(scope)s::text,
  %(agent)s::text, %(status)s::text, %(type)s::text, %(tag)s::text, %(starred)s::boolean,
  %(text)s::text, %(created_after)s::timestamptz, %(created_before)s::timestamptz,
  %(updated_after)s::timestamptz, %(updated_before)s::timestamptz)
where %(value)s::timestamptz is null
  or (created_at, session_id) < (%(value)s::timestamptz, %(id)s::uuid)
order by created_at desc, session_id desc
limit %(limit)s

-- name: sessions_by_title_desc
select session_id, sequence, position, digest, created_at, updated_at, status, app, user_id, doc,
  title
from sessions_matching(
  %(app)s::text, %(user)s::text, %(workspace)s::text, %(team)s::text, %(scope)s::text,
  %(agent)s::text, %(status)s::text, %(type)s::text, %(tag)s::text, %(starred)s::boolean,
  %(text)s::text, %(created_after)s::timestamptz, %(created_before)s::timestamptz,
  %(updated_after)s::timestamptz, %(updated_before)s::timestamptz)
where %(value)s::text is null
  or (coalesce(title, ''), session_id) < (%(value)s::text, %(id)s::uuid)
order by coalesce(title, '') desc, session_id desc
limit %(limit)s

-- name: sessions_by_updated_at_asc
-- `updated_second` leads so that an index gives the order; within one the exact time decides.
select session_id, sequence, position, digest, created_at, updated_at, status, app, user_id, doc,
  title
from sessions_matching(
  %(app)s::text, %(user)s::text, %(workspace)s::text, %(team)s::text, %(scope)s::text,
  %(agent)s::text, %(status)s::text, %(type)s::text, %(tag)s::text, %(starred)s::boolean,
  %(text)s::text, %(created_after)s::timestamptz, %(created_before)s::timestamptz,
  %(updated_after)s::timestamptz, %(updated_before)s::timestamptz)
where %(value)s::timestamptz is null
  or (updated_second >= date_trunc('second', %(value)s::timestamptz)
      and (updated_at, session_id) > (%(value)s::timestamptz, %(id)s::uuid))
order by updated_second asc, updated_at asc, session_id asc
limit %(limit)s

-- name: sessions_by_created_at_asc
select session_id, sequence, position, digest, created_at, updated_at, status, app, user_id, doc,
  title
from sessions_matching(
  %(app)s::text, %(user)s::text, %(workspace)s::text, %(team)s::text, %(scope)s::text,
  %(agent)s::text, %(status)s::text, %(type)s::text, %(tag)s::text, %(starred)s::boolean,
  %(text)s::text, %(created_after)s::timestamptz, %(created_before)s::timestamptz,
  %(updated_after)s::timestamptz, %(updated_before)s::timestamptz)
where %(value)s::timestamptz is null
  or (created_at, session_id) > (%(value)s::timestamptz, %(id)s::uuid)
order by created_at asc, session_id asc
limit %(limit)s

-- name: sessions_by_title_asc
select session_id, sequence, position, digest, created_at, updated_at, status, app, user_id, doc,
  title
from sessions_matching(
  %(app)s::text, %(user)s::text, %(workspace)s::text, %(team)s::text, %(scope)s::text,
  %(agent)s::text, %(status)s::text, %(type)s::text, %(tag)s::text, %(starred)s::boolean,
  %(text)s::text, %(created_after)s::timestamptz, %(created_before)s::timestamptz,
  %(updated_after)s::timestamptz, %(updated_before)s::timestamptz)
where %(value)s::text is null
  or (coalesce(title, ''), session_id) > (%(value)s::text, %(id)s::uuid)
order by coalesce(title, '') asc, session_id asc
limit %(limit)s

-- name: answer
select scope, key, fingerprint, session_id, sequence, position, answer
from idempotency_keys
where scope = %(scope)s and key = %(key)s

-- name: shared_state
select key, value
from shared_state
where scope_id = %(scope)s and value is not null
order by key

-- name: shared_state_at
select key, value
from (
  select distinct on (key) key, value
  from shared_state_history
  where scope_id = %(scope)s and position <= %(at)s
  order by key, position desc
) as newest
where value is not null
order by key

-- name: load_snapshot
select state
from snapshots
where session_id = %(session)s and sequence <= %(upto)s and format = %(format)s
order by sequence desc
limit 1

-- name: save_snapshot
insert into snapshots (session_id, sequence, format, state)
values (%(session)s, %(sequence)s, %(format)s, %(state)s)
on conflict (session_id, sequence) do update
  set format = excluded.format, state = excluded.state

-- name: store_identity
select identity from store
