-- What AGH keeps of one session.

-- name: events
-- A text as it is stored: what is not UTF-8 in it is to be told.
select id, sequence as seq, turn_id, type, agent_name, timestamp,
  case typeof(content) when 'text' then cast(content as blob) else content end as payload_raw
from events order by rowid
