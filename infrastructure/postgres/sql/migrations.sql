-- What has been applied to a database, and who is applying.

-- name: try_lock
-- Goes with the connection, so that a runner that is killed leaves nothing behind.
select pg_try_advisory_lock(%(key)s)

-- name: has_history
select to_regclass('schema_migration') is not null

-- name: create_history
create table if not exists schema_migration (
  number int primary key,
  name text not null,
  sha256 text not null,
  applied_at timestamptz not null default now()
)

-- name: history
select number, name, sha256 from schema_migration order by number

-- name: record
insert into schema_migration (number, name, sha256) values (%(number)s, %(name)s, %(sha256)s)

-- name: grant
select grant_to_program_v1(%(role)s)
