-- name: watch_client
-- The server looks every second whether the client of a running statement is still there.
set client_connection_check_interval = 1000

-- name: begin_to_read
begin transaction isolation level repeatable read, read only

-- name: takes_writes
select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off'
