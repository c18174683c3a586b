-- Where a process that was refused a write looks whether writes are taken again.
create table write_probe (
  probe_id integer primary key,
  filler bytea not null
);
alter table write_probe alter column filler set storage external;
