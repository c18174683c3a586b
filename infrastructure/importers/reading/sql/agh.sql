-- What AGH keeps of one session.

-- name: events
select id, sequence as seq, turn_id, type, agent_name, content as payload_raw, timestamp
from events order by rowid
