-- How far each consumer of the log has come: its effects up to here are written, in the transaction
-- that moved the position.
create table checkpoints (
  consumer text primary key,
  position bigint not null check (position >= 0)
) with (fillfactor = 50);
