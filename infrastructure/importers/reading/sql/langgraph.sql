-- What the checkpoint savers of LangGraph keep.

-- name: sqlite_threads
select thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id from checkpoints
order by thread_id, checkpoint_ns, checkpoint_id

-- name: postgres_threads
select thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id from checkpoints
order by thread_id collate "C", checkpoint_ns collate "C", checkpoint_id collate "C"

-- name: sqlite_checkpoint
select type, checkpoint, metadata from checkpoints
where thread_id = ? and checkpoint_ns = ? and checkpoint_id = ?

-- name: postgres_checkpoint
select 'json', checkpoint::text, metadata::text from checkpoints
where thread_id = %s and checkpoint_ns = %s and checkpoint_id = %s

-- name: sqlite_writes
select task_id, channel, type, value from writes
where thread_id = ? and checkpoint_ns = ? and checkpoint_id = ? order by task_id, idx

-- name: postgres_writes
select task_id, channel, type, blob from checkpoint_writes
where thread_id = %s and checkpoint_ns = %s and checkpoint_id = %s
order by task_id collate "C", idx

-- name: postgres_blob
select type, blob from checkpoint_blobs
where thread_id = %s and checkpoint_ns = %s and channel = %s and version = %s
