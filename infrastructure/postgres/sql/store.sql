-- name: identify
select identify_store_v1(%(identity)s::uuid, %(seen)s::bigint)

-- name: newest_migration
select coalesce(max(number), 0) from schema_migration

-- name: time
select clock_timestamp()
