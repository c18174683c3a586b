-- What google-adk keeps, in the order in which it was appended where that can be known.

-- name: sqlite_touched
select app_name, user_id, session_id, event_data from events

-- name: postgres_touched
select app_name, user_id, session_id, event_data::text from events

-- name: sqlite_sessions
select app_name, user_id, id, state, create_time from sessions order by app_name, user_id, id

-- name: postgres_sessions
select app_name, user_id, id, state::text, create_time from sessions
order by app_name collate "C", user_id collate "C", id collate "C"

-- name: sqlite_keys
select app_name, user_id, id from sessions

-- name: postgres_keys
select app_name, user_id, id from sessions

-- name: sqlite_app_states
select app_name, state from app_states

-- name: postgres_app_states
select app_name, state::text from app_states

-- name: sqlite_user_states
select app_name, user_id, state from user_states

-- name: postgres_user_states
select app_name, user_id, state::text from user_states

-- name: sqlite_events
select app_name, user_id, session_id, event_data from events
order by app_name, user_id, session_id, rowid

-- name: postgres_events
select app_name, user_id, session_id, event_data::text from events
order by
  app_name collate "C", user_id collate "C", session_id collate "C", timestamp, id collate "C"

-- name: sqlite_rows
-- The layout before version 1 has a column for each field.
select * from events order by app_name, user_id, session_id, rowid

-- name: postgres_rows
select * from events
order by
  app_name collate "C", user_id collate "C", session_id collate "C", timestamp, id collate "C"
