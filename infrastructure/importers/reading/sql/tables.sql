-- What a database of another system has.

-- name: sqlite_objects
select count(*) from sqlite_master

-- name: sqlite_columns
-- A view would run what its maker wrote, so it counts as nothing.
select c.name from sqlite_master m, pragma_table_info(m.name) c
where m.type = 'table' and m.name = ?

-- name: postgres_columns
select a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.oid = to_regclass(quote_ident(%s)) and c.relkind in ('r', 'p')
  and a.attnum > 0 and not a.attisdropped
