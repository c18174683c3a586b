-- name: answer
select scope, key, fingerprint, session_id, sequence, position, answer
from idempotency_keys
where scope = %(scope)s and key = %(key)s

-- name: forget_answers
-- Those that another process is just forgetting are left to it.
with gone as (
  delete from idempotency_keys
  where ctid = any (array(
    select ctid
    from idempotency_keys
    where created_at < now() - %(older_than)s::interval
    order by created_at
    limit %(limit)s
    for update skip locked))
  returning 1
)
select count(*) from gone
