-- name: append
-- Writes a batch: arrays of events, of sessions that moved on and of keys, then JSON of the rest.
select append_batch_v1(
  %(e_session)b, %(e_sequence)b, %(e_type)b, %(e_record)b, %(e_digest)b,
  %(e_erased)b,
  %(t_session)b, %(t_before)b, %(t_after)b, %(t_offset)b, %(t_digest)b, %(t_at)b,
  %(t_activity)b, %(t_messages)b, %(t_tool)b,
  %(k_scope)b, %(k_key)b, %(k_fingerprint)b, %(k_session)b, %(k_sequence)b,
  %(k_offset)b, %(k_position)b, %(k_answer)b, %(k_at)b,
  %(rows)s::json, %(shared)s::json, %(expected)s::json, %(signatures)s::json)

-- name: judge
-- After a refused or interrupted batch: where each of its sessions is, and whether the event that
-- an append would have ended with is already there; and whether what it forks is erased.
select coalesce(
    s.sequence,
    -- The log of a shared scope has no row among the sessions.
    (select max(o.originator_version) from events as o where o.originator_id = a.session),
    0), e.digest, e.notification_id, s.held, f.status = 'erased'
from unnest(%(session)b::uuid[], %(last)b::bigint[], %(origin)b::uuid[])
  with ordinality as a (session, last, origin, o)
left join sessions as f on f.session_id = a.origin
left join sessions as s on s.session_id = a.session
left join events as e on e.originator_id = a.session and e.originator_version = a.last
order by a.o

-- name: keys_taken
select k.scope, k.key
from unnest(%(scope)b::uuid[], %(key)b::text[]) as a (scope, key)
join idempotency_keys as k on k.scope = a.scope and k.key = a.key

-- name: signatures_seen
-- A request that asks once more after a lost answer finds itself there.
select s.hashed
from unnest(%(hashed)b::bytea[], %(request)b::uuid[]) as a (hashed, request)
join seen_signatures as s on s.hashed = a.hashed and s.request <> a.request

-- name: scope_versions
select scope_id, version from shared_scopes where scope_id = any(%(scope)b::uuid[])

-- name: head
select head from log_head where log_id = 0

-- name: changed_since
-- The sessions that have events beyond a position, up to the head seen in the same snapshot.
select l.head, e.originator_id, max(e.originator_version)
from log_head as l
left join events as e on e.notification_id > %(after)s and e.notification_id <= l.head
where l.log_id = 0
group by l.head, e.originator_id

-- name: read_session
select originator_id, originator_version, notification_id, topic, state, digest
from events
where originator_id = %(session)s and originator_version > %(after)s
  and originator_version <= %(upto)s
order by originator_version
limit %(limit)s

-- name: read_session_in_part
-- The size of a record is known without reading it; those beyond the bytes asked for are not.
select originator_id, originator_version, notification_id, topic, state, digest
from (
  select page.*, sum(octet_length(state)) over (order by originator_version rows unbounded preceding)
    - octet_length(state) as before
  from (
    select originator_id, originator_version, notification_id, topic, state, digest
    from events
    where originator_id = %(session)s and originator_version > %(after)s
      and originator_version <= %(upto)s
    order by originator_version
    limit %(limit)s
  ) as page
) as summed
where before < %(bytes)s
order by originator_version

-- name: read_joined
-- Lines as `record_json` makes them. Of those that are not plain none is made, and one of them is
-- enough to have all asked for one by one. Those beyond the bytes asked for are not read.
select count(*),
  coalesce(sum(size), 0)::bigint as size,
  count(*) filter (where not is_plain) as unread,
  string_agg(
    public_record_v1(originator_id, originator_version, notification_id, digest, state),
    '\x0a' order by originator_version
  ) filter (where is_plain) || '\x0a'
from (
  select ahead.*,
    size <= %(longest)s and erased_hash is null and topic <> all(%(erasing)s)
      and state >= '\x7b22' and state < '\x7b23' as is_plain,
    sum(size) over (order by originator_version rows unbounded preceding) - size as before
  from (
    select originator_id, originator_version, notification_id, topic, state, digest, erased_hash,
      octet_length(state) as size
    from events
    where originator_id = %(session)s and originator_version > %(after)s
      and originator_version <= %(upto)s
    order by originator_version
    limit %(limit)s
  ) as ahead
) as page
where before < %(bytes)s

-- name: read_page
-- The head of a session beside each event of a page of its log, or beside none. A window of
-- sequences bounds the work whatever the types let through; `size` is that of all records so far.
select s.sequence, s.deleted, p.*
from sessions as s
left join lateral (
  select *
  from (
    select page.*,
      sum(octet_length(state)) over (order by originator_version rows unbounded preceding) as size
    from (
      select originator_id, originator_version, notification_id, topic, state, digest
      from events
      where originator_id = %(session)s and originator_version > %(after)s
        and originator_version <= %(upto)s
        and (%(types)s::text[] = '{}' or topic = any(%(types)s))
      order by originator_version
      limit %(limit)s
    ) as page
  ) as summed
  where size - octet_length(state) < %(bytes)s
) as p on true
where s.session_id = %(session)s

-- name: read_newest
select originator_id, originator_version, notification_id, topic, state, digest
from (
  select page.*,
    sum(octet_length(state)) over (order by originator_version desc rows unbounded preceding) as size
  from (
    select originator_id, originator_version, notification_id, topic, state, digest
    from events
    where originator_id = %(session)s and originator_version <= %(upto)s
      and (%(types)s::text[] = '{}' or topic = any(%(types)s))
      and (%(turn)s::text is null
           or readable_json_v1(state) ->> 'turn_id' = %(turn)s)
    order by originator_version desc
    limit %(limit)s
  ) as page
) as summed
where size - octet_length(state) < %(bytes)s
order by originator_version desc

-- name: newest_before
select e.originator_id, e.originator_version, e.notification_id, e.topic, e.state, e.digest
from unnest(%(sessions)s::uuid[], %(before)s::bigint[]) as asked (session, before)
cross join lateral (
  select originator_id, originator_version, notification_id, topic, state, digest
  from events
  where originator_id = asked.session and originator_version < asked.before
    and topic = any(%(types)s::text[])
  order by originator_version desc
  limit 1
) as e

-- name: key_writes
-- The key is looked for as `readable_json_v1` leaves it, should it spell out an escape itself.
select originator_id, originator_version, notification_id, topic, state, digest
from events
where originator_id = %(session)s and originator_version < %(before)s
  and topic = any(%(types)s::text[])
  and exists (
    select
    from (select readable_json_v1(state) -> 'data',
                 replace(%(key)s::text, '\u0000', '\ufffd')
          offset 0) as r (data, key)
    where exists (
        select from unnest(%(fields)s::text[]) as f (field) where data -> f.field -> key is not null)
      or jsonb_typeof(data -> 'delete') = 'array' and (data -> 'delete') ? key)
order by originator_version desc
limit %(limit)s

-- name: read_all
-- The head of the log beside each event of a page of it, or beside none.
select l.head, p.*
from log_head as l
left join lateral (
  select *
  from (
    select page.*,
      sum(octet_length(state)) over (order by notification_id rows unbounded preceding) as size
    from (
      select originator_id, originator_version, notification_id, topic, state, digest
      from events
      where notification_id > %(after)s and notification_id <= %(upto)s
      order by notification_id
      limit %(limit)s
    ) as page
  ) as summed
  where size - octet_length(state) < %(bytes)s
) as p on true
where l.log_id = 0

-- name: left_of_erased
select e.notification_id,
  case when e.erased_hash is null then erased_record_v1(e.topic, e.state) else e.state end
from events as e
left join erasures as x on x.log_id = e.originator_id
where e.notification_id = any(%(positions)s::bigint[])
  and (e.erased_hash is not null or e.originator_version < x.upto)

-- name: read_owned
-- A window of positions bounds the work, whatever the filters let through. The size of a record is
-- known without reading it; those beyond the bytes asked for are not read. An owner is looked up
-- event by event: for `exists` all sessions would be read into a hash table.
select originator_id, originator_version, notification_id, topic, state, digest, app, user_id, size
from (
  select page.*,
    sum(octet_length(state)) over (order by notification_id rows unbounded preceding) as size
  from (
    select e.originator_id, e.originator_version, e.notification_id, e.topic, e.state, e.digest,
      coalesce(
        (select s.app from sessions as s where s.session_id = e.originator_id),
        (owner_of_scope_v1(e.originator_id)).app) as app,
      coalesce(
        (select s.user_id from sessions as s where s.session_id = e.originator_id),
        (owner_of_scope_v1(e.originator_id)).user_id) as user_id
    from events as e
    where e.notification_id > %(after)s and e.notification_id <= %(upto)s
      and (%(all)s or e.topic = any(%(exact)s::text[])
           or exists (
             select from unnest(%(prefixes)s::text[]) as p (prefix)
             where starts_with(e.topic, p.prefix)))
      and (%(app)s::text is null or %(app)s = coalesce(
             (select s.app from sessions as s where s.session_id = e.originator_id),
             (owner_of_scope_v1(e.originator_id)).app))
      and (%(user)s::text is null or %(user)s = coalesce(
             (select s.user_id from sessions as s where s.session_id = e.originator_id),
             (owner_of_scope_v1(e.originator_id)).user_id))
    order by e.notification_id
    limit %(limit)s
  ) as page
) as summed
where size - octet_length(state) < %(bytes)s
order by notification_id
