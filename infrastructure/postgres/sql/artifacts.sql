-- Files that agents keep beside the log.

-- name: save
select version, created_at, is_there
from save_artifact_v1(
  %(session)s, %(owners)s, %(uptos)s, %(name)s, %(media_type)s, %(about)s, %(content)s, %(most)s
)

-- name: load
select version, created_at, media_type, about, size, content
from artifacts_seen_v1(%(owners)s, %(uptos)s)
where name = %(name)s and (%(version)s::bigint is null or version = %(version)s::bigint)
order by version desc
limit 1

-- name: versions
select version, created_at, media_type, about, size
from artifacts_seen_v1(%(owners)s, %(uptos)s)
where name = %(name)s
order by version

-- name: names
select distinct name collate "C" as name from artifacts_seen_v1(%(owners)s, %(uptos)s)
order by name

-- name: delete
select delete_artifact_v1(%(session)s, %(owners)s, %(uptos)s, %(name)s)
