-- What docker-agent keeps; its columns come and go from release to release.

-- name: sessions
select * from sessions order by created_at, id

-- name: items
select * from session_items where session_id = ? order by position, id
