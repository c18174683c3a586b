-- name: store_identity
select identity from store

-- name: time
select clock_timestamp()
