-- name: store_identity
select identity from store
