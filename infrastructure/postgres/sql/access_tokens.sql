-- Access tokens, by their hashes. Each change takes a new revision and wakes every process.

-- name: add
with added as (
  insert into access_tokens (token_id, name, rights, app, user_id, hashed, created_at, expires_at)
  values (%(token_id)s, %(name)s, %(rights)s::text[], %(app)s::text, %(user)s::text, %(hashed)s,
    clock_timestamp(), clock_timestamp() + %(lifetime)s::interval)
  on conflict (token_id) do nothing
  returning token_id
)
select change_access_v1() from added

-- name: revoke
with gone as (
  delete from access_tokens where token_id = %(token_id)s returning token_id
)
select change_access_v1() from gone

-- name: get
select token_id, name, rights, app, user_id, created_at, expires_at,
  expires_at - clock_timestamp(), last_used_at
from access_tokens
where token_id = %(token_id)s

-- name: all
select token_id, name, rights, app, user_id, created_at, expires_at,
  expires_at - clock_timestamp(), last_used_at
from access_tokens
order by created_at, token_id

-- name: hashes
select hashed, token_id, name, rights, app, user_id, created_at, expires_at,
  expires_at - clock_timestamp(), last_used_at
from access_tokens
where expires_at is null or expires_at > clock_timestamp()

-- name: revision
select revision from access_revision

-- name: used
update access_tokens
set last_used_at = clock_timestamp()
where token_id = any(%(token_ids)s)
  and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')
