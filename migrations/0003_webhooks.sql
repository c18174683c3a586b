-- Who is told of events, how far each has been told, and what could not be told.

-- At most 100, each in a place of its own: two that are made at once cannot both have the last.
-- `checkpoint`: everything up to this position has been delivered, given up, or was not wanted.
-- `pinned`: the last position of the batch that was begun; whatever happens, it is sent again as it
-- is, under the same id, until it is delivered or given up.
-- `generation`: raised when events are to be sent once more, or others are wanted, so that no batch
-- has the id of another one.
-- `resume_at`: where to go on once a replay has reached `replay_upto`.
create table webhooks (
  webhook_id uuid primary key,
  number bigint generated always as identity unique,
  place int not null unique check (place between 1 and 100),
  url text not null,
  types text[] not null,
  app text,
  user_id text,
  description text,
  batch int not null check (batch between 1 and 500),
  secret text not null,
  active boolean not null default true,
  paused_because text,
  revision bigint not null default 1,
  generation bigint not null default 1,
  checkpoint bigint not null,
  pinned bigint,
  replay_upto bigint,
  resume_at bigint,
  attempts int not null default 0,
  next_attempt_at timestamptz,
  last_error text,
  last_delivered_at timestamptz,
  delivered_events bigint not null default 0,
  delivered_batches bigint not null default 0,
  failed_attempts bigint not null default 0,
  letters_made bigint not null default 0,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  check (pinned > checkpoint),
  check (replay_upto > checkpoint),
  check ((replay_upto is null) = (resume_at is null))
) with (fillfactor = 50);

-- Batches that were given up. `after` is exclusive, `upto` inclusive; what was wanted then is kept,
-- so that a later delivery is the same batch, under the same id.
create table webhook_dead_letters (
  webhook_id uuid not null references webhooks on delete cascade,
  number bigint not null,
  generation bigint not null,
  after bigint not null,
  upto bigint not null,
  types text[] not null,
  events int not null,
  attempts int not null,
  reason text not null,
  queued boolean not null default false,
  failed_at timestamptz not null,
  primary key (webhook_id, number),
  check (upto > after)
);
