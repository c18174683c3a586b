-- Blobs: pieces of bytes, whose they are, and which sessions name them.

-- name: begin
insert into blobs (blob_id, app) values (%(upload)s, %(app)s)

-- name: add
select keep_chunk_v1(%(upload)s, %(start)s, %(content)b)

-- name: keep
select media_type, is_new
from keep_blob_v1(
  %(upload)s, %(app)s, %(user)s, %(digest)b, %(size)s, %(media_type)s)

-- name: abandon
delete from blobs where blob_id = %(upload)s and digest is null

-- name: find
select digest, size, media_type from blob_holders
where app = %(app)s and user_id = %(user)s and digest = %(digest)b

-- name: in_session
select r.app, r.user_id, r.digest, h.size, h.media_type
from blob_references as r
left join blob_holders as h
  on h.app = r.app and h.user_id = r.user_id and h.digest = r.digest
where r.session_id = %(session)s and r.digest = %(digest)b

-- name: of_session
select r.app, r.user_id, r.digest, h.size, h.media_type
from blob_references as r
left join blob_holders as h
  on h.app = r.app and h.user_id = r.user_id and h.digest = r.digest
where r.session_id = %(session)s and r.digest > %(after)b
order by r.digest
limit %(limit)s

-- name: chunk
select c.start, c.content
from blob_holders as h
join blob_chunks as c on c.blob_id = h.blob_id
where h.app = %(app)s and h.user_id = %(user)s and h.digest = %(digest)b and c.start <= %(at)s
order by c.start desc
limit 1

-- name: name
select digest, is_new
from name_blobs_v1(
  %(session)s, %(app)s, %(user)s, %(digests)s::bytea[], %(even_missing)s)

-- name: inherit
insert into blob_references (session_id, app, user_id, digest)
select %(session)s, app, user_id, digest from blob_references where session_id = %(origin)s
on conflict do nothing
returning digest

-- name: doubt
update blob_references set doubted_at = clock_timestamp()
where session_id = %(session)s and digest = any(%(digests)s::bytea[])

-- name: let_go
select let_go_of_blobs_v1(%(session)s, %(most)s)

-- name: forget
select free_blobs_v1(%(app)s, %(user)s, %(digests)s::bytea[])

-- name: forget_unnamed
with gone as (
  select array_agg(digest) as digests from (
    select digest from blob_holders
    where app = %(app)s and user_id = %(user)s and unnamed_since is not null
    limit %(most)s
  ) as h
)
select coalesce(free_blobs_v1(%(app)s, %(user)s, digests), 0) from gone

-- name: sweep
select sweep_blobs_v1(%(grace)s::interval, %(stalled)s::interval, %(most)s)
