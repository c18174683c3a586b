-- The log as a transparency log: the complete tiles of its Merkle tree, and every head of it that
-- was signed. Both are kept for ever; what changes or takes away one of them is an attack.

create table log_tiles (
  level smallint not null,
  number bigint not null,
  hashes bytea not null check (octet_length(hashes) = 8192),
  root bytea not null check (octet_length(root) = 32),
  primary key (level, number)
);
-- Hashes do not compress.
alter table log_tiles alter column hashes set storage external;

-- `signers` are the ids of the keys that signed it, as hex: a new key may sign the same head again.
create table signed_heads (
  size bigint not null check (size >= 0),
  signers text not null,
  origin text not null,
  root bytea not null check (octet_length(root) = 32),
  note text not null,
  signed_at timestamptz not null default now(),
  primary key (size, signers)
);

create function refuse_any_change() returns trigger language plpgsql as $$
begin
  raise exception 'proofs are append-only: % on % is refused', tg_op, tg_table_name
    using errcode = 'CN002';
end $$;
create trigger log_tiles_are_facts before update or delete or truncate on log_tiles
  for each statement execute function refuse_any_change();
create trigger signed_heads_are_facts before update or delete or truncate on signed_heads
  for each statement execute function refuse_any_change();
