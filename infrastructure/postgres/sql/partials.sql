-- Pieces of messages that are being written.

-- name: keep
-- What belongs to a turn that has ended meanwhile is left out.
insert into partials (
  session_id, turn_id, type, kind, message_id, name, number, count, start, content, half, since)
select piece.*
from unnest(
    %(sessions)s::uuid[], %(turns)s::text[], %(types)s::text[], %(kinds)s::text[],
    %(messages)s::text[], %(names)s::text[], %(numbers)s::int[], %(counts)s::int[],
    %(starts)s::int[], %(contents)s::bytea[], %(halves)s::int[], %(since)s::bigint[])
  as piece (
    session_id, turn_id, type, kind, message_id, name, number, count, start, content, half, since)
join sessions on sessions.session_id = piece.session_id and sessions.turn_id = piece.turn_id

-- name: forget
delete from partials
using unnest(
    %(sessions)s::uuid[], %(sequences)s::bigint[], %(types)s::text[], %(messages)s::text[])
  as ended (session_id, sequence, type, message_id)
where partials.session_id = ended.session_id
  and partials.since < ended.sequence
  and (ended.type is null
    or (partials.type = ended.type and partials.message_id = ended.message_id))

-- name: read
select turn_id, type, message_id, kind, number, count, start, content, since, name, half
from partials
where session_id = %(session)s
order by start, number

-- name: sweep
with gone as (
  delete from partials
  using sessions
  where sessions.session_id = partials.session_id
    and sessions.turn_id is distinct from partials.turn_id
  returning 1)
select count(*) from gone
