-- What is left to do of erasures, and doing it.

-- name: pending
select log_id, upto, done from erasures order by log_id limit %(limit)s

-- name: erase_events
select erased, remaining from erase_events_v1(%(log)s, %(limit)s)

-- name: finish
select finish_erasure_v1(%(log)s)

-- name: footprint
select
  (select coalesce(sum(octet_length(state)), 0)::bigint from events
    where originator_id = %(session)s and erased_hash is null),
  (select count(*) from snapshots where session_id = %(session)s),
  (select count(*) from idempotency_keys where scope = %(session)s)
    + (select count(*) from idempotency_keys
        where session_id = %(session)s and scope <> session_id),
  (select count(*) from shared_state_history where session_id = %(session)s),
  (select count(*) from partials where session_id = %(session)s),
  (select count(*) from blob_references where session_id = %(session)s),
  (select coalesce(sum(h.size), 0)::bigint
    from blob_references as r
    join blob_holders as h on h.app = r.app and h.user_id = r.user_id and h.digest = r.digest
    where r.session_id = %(session)s),
  (select coalesce(sum(size), 0)::bigint from artifacts where owner_id = %(session)s)

-- name: forks
select session_id, status, sequence from sessions
where forked_from = %(session)s and status <> 'erased'
order by session_id

-- name: children
select session_id, status, sequence from sessions
where parent_id = %(session)s and status <> 'erased'
order by session_id

-- name: sessions_of
-- Deleted ones are in no index of a user: those are found by reading all rows, which is for the few
-- times that somebody is erased.
select session_id, status, sequence from sessions
where app = %(app)s and user_id = %(user)s and status <> 'erased' and session_id > %(after)s
order by session_id
limit %(limit)s

-- name: keys_in_force
select s.scope_id, s.key, s.value
from shared_state_history as h
join shared_state as s
  on s.scope_id = h.scope_id and s.key = h.key and s.position = h.position
where h.session_id = %(session)s and s.value is not null
order by s.key, s.scope_id
