-- How far each consumer of the log has come.

-- name: position
select position from checkpoints where consumer = %(consumer)s

-- name: begin
insert into checkpoints (consumer, position) values (%(consumer)s, 0)
on conflict (consumer) do nothing

-- name: move
-- Locks the row to the end of the transaction: another copy of the consumer waits here, and then
-- finds another position.
update checkpoints set position = %(upto)s
where consumer = %(consumer)s and position = %(after)s
