-- name: listen
listen cairn_log

-- name: listen_pieces
listen cairn_pieces

-- name: listen_access
listen cairn_access

-- name: announce
select pg_notify('cairn_log', %(from)s)

-- name: pass_on
select pg_notify('cairn_pieces', piece)
from unnest(%(pieces)s::text[]) as piece

-- name: listeners
select count(*)
from pg_stat_activity
where datname = current_database() and application_name = 'cairn listener'
