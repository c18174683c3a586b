-- What the sessions of OpenAI Agents keep, in the order in which it was added.

-- name: sqlite_sessions
select session_id, created_at from agent_sessions order by session_id

-- name: postgres_sessions
select session_id, created_at from agent_sessions order by session_id collate "C"

-- name: sqlite_messages
select id, message_data, created_at from agent_messages where session_id = ? order by id

-- name: postgres_messages
select id, message_data, created_at from agent_messages where session_id = %s order by id

-- name: sqlite_orphans
-- Messages whose session has no row, as they are left where foreign keys are not enforced.
select distinct session_id from agent_messages
where session_id not in (select session_id from agent_sessions) order by session_id

-- name: postgres_orphans
select distinct session_id from agent_messages
where session_id not in (select session_id from agent_sessions) order by session_id

-- name: structure
select message_id, branch_id, user_turn_number from message_structure
where session_id = ? order by branch_id <> 'main', branch_id, sequence_number, id

-- name: usage
select * from turn_usage where session_id = ?
