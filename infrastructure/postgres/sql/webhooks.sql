-- Webhooks and their dead letters. What a delivery writes names the generation and the checkpoint
-- that it began at: whoever comes second, or after a change, writes nothing. A checkpoint is that of
-- the consumer `webhook ID`; whatever moves it locks the webhook first, then the checkpoint.

-- name: create
-- In the first place that is free; nothing when there is none, or when it is there already.
with made as (
  insert into webhooks (webhook_id, place, url, types, app, user_id, description, batch, secret,
    created_at, updated_at)
  select %(id)s, p.place, %(url)s, %(types)s::text[], %(app)s::text, %(user)s::text,
    %(description)s::text, %(batch)s, %(secret)s, %(at)s, %(at)s
  from generate_series(1, %(most)s) as p (place)
  where not exists (select from webhooks as w where w.place = p.place)
  order by p.place
  limit 1
  on conflict (webhook_id) do nothing
  returning webhook_id
)
insert into checkpoints (consumer, position)
select 'webhook ' || m.webhook_id, %(checkpoint)s from made as m
returning consumer

-- name: get
select w.webhook_id, w.number, w.url, w.types, w.app, w.user_id, w.description, w.batch, w.secret,
  w.old_secret, w.old_secret_until, w.active, w.paused_because, w.revision, w.generation,
  c.position, w.pinned, w.replay_upto, w.resume_at, w.attempts, w.next_attempt_at, w.last_error,
  w.last_delivered_at, w.delivered_events, w.delivered_batches, w.failed_attempts,
  w.dead_letters_made, w.created_at, w.updated_at,
  (select count(*) from webhook_dead_letters as d where d.webhook_id = w.webhook_id)
    as dead_letters,
  (select count(*) from webhook_dead_letters as d where d.webhook_id = w.webhook_id and d.queued)
    as queued
from webhooks as w join checkpoints as c on c.consumer = 'webhook ' || w.webhook_id
where w.webhook_id = %(id)s

-- name: list
select w.webhook_id, w.number, w.url, w.types, w.app, w.user_id, w.description, w.batch, w.secret,
  w.old_secret, w.old_secret_until, w.active, w.paused_because, w.revision, w.generation,
  c.position, w.pinned, w.replay_upto, w.resume_at, w.attempts, w.next_attempt_at, w.last_error,
  w.last_delivered_at, w.delivered_events, w.delivered_batches, w.failed_attempts,
  w.dead_letters_made, w.created_at, w.updated_at,
  (select count(*) from webhook_dead_letters as d where d.webhook_id = w.webhook_id)
    as dead_letters,
  (select count(*) from webhook_dead_letters as d where d.webhook_id = w.webhook_id and d.queued)
    as queued
from webhooks as w join checkpoints as c on c.consumer = 'webhook ' || w.webhook_id
where w.number > %(after)s
order by w.number
limit %(limit)s

-- name: change
-- Whatever is given is changed. The secret that a new one takes the place of goes on signing beside
-- it, if it may; the same again takes the place of none. Other types make other batches; an address
-- or a secret that is mended, or a resumption, is tried at once.
update webhooks
set url = coalesce(%(url)s::text, url),
  types = coalesce(%(types)s::text[], types),
  description = case when %(describe)s then %(description)s::text else description end,
  batch = coalesce(%(batch)s::int, batch),
  secret = coalesce(%(secret)s::text, secret),
  old_secret = case
    when %(secret)s::text is null or %(secret)s = secret then old_secret
    when %(old_secret_until)s::timestamptz > %(at)s then secret end,
  old_secret_until = case
    when %(secret)s::text is null or %(secret)s = secret then old_secret_until
    when %(old_secret_until)s::timestamptz > %(at)s then %(old_secret_until)s::timestamptz end,
  active = coalesce(%(active)s::boolean, active),
  paused_because = case
    when %(active)s::boolean then null
    when not %(active)s::boolean and active then 'asked'
    else paused_because end,
  generation = generation + case when %(types)s::text[] is null then 0 else 1 end,
  pinned = case when %(types)s::text[] is null and %(batch)s::int is null then pinned end,
  attempts = case when %(url)s::text is null and %(secret)s::text is null
    and %(types)s::text[] is null and %(active)s::boolean is null then attempts else 0 end,
  next_attempt_at = case when %(url)s::text is null and %(secret)s::text is null
    and %(types)s::text[] is null and %(active)s::boolean is null then next_attempt_at end,
  revision = revision + 1,
  updated_at = %(at)s
where webhook_id = %(id)s
returning revision

-- name: secrets
select webhook_id, secret, old_secret from webhooks order by number

-- name: reseal
-- Unless somebody has changed it meanwhile.
update webhooks
set secret = %(secret)s, old_secret = %(old_secret)s::text
where webhook_id = %(id)s and secret = %(kept)s
  and old_secret is not distinct from %(old_kept)s::text
returning webhook_id

-- name: delete
with gone as (
  delete from webhooks where webhook_id = %(id)s returning webhook_id
), forgotten as (
  delete from checkpoints as c using gone as g where c.consumer = 'webhook ' || g.webhook_id
)
select webhook_id from gone

-- name: replay
-- Goes back, and from the end of the replay on to where it was. An end beyond that is that.
with here as materialized (
  select w.webhook_id, c.consumer, coalesce(w.resume_at, c.position) as reached
  from webhooks as w join checkpoints as c on c.consumer = 'webhook ' || w.webhook_id
  where w.webhook_id = %(id)s and %(from)s < coalesce(w.resume_at, c.position)
  for update
), changed as (
  update webhooks as w
  set resume_at = h.reached, replay_upto = least(%(upto)s, h.reached),
    pinned = null, attempts = 0, next_attempt_at = null,
    generation = w.generation + 1, revision = w.revision + 1, updated_at = %(at)s
  from here as h
  where w.webhook_id = h.webhook_id
)
update checkpoints as c set position = %(from)s
from here as h
where c.consumer = h.consumer
returning c.consumer

-- name: pin
-- Not waited for on the disk: should the server lose it, the batch has not become a larger one
-- before it was sent, only its id may be another one when it is sent again.
with quick as materialized (
  select set_config('synchronous_commit', 'off', true)
), here as materialized (
  select w.webhook_id, c.consumer
  from webhooks as w join checkpoints as c on c.consumer = 'webhook ' || w.webhook_id
  where w.webhook_id = %(id)s and w.active and w.generation = %(generation)s
    and c.position = %(checkpoint)s and w.pinned is null
  for update
), begun as (
  update webhooks as w set pinned = %(upto)s
  from here as h, quick
  where w.webhook_id = h.webhook_id
)
update checkpoints as c set position = %(after)s
from here as h
where c.consumer = h.consumer
returning c.consumer

-- name: skip
-- Nothing was wanted up to there. Should the server lose it, it is looked through once more.
with quick as materialized (
  select set_config('synchronous_commit', 'off', true)
), here as materialized (
  select w.webhook_id, c.consumer,
    case when %(upto)s >= w.replay_upto then w.resume_at else %(upto)s end as next,
    %(upto)s >= w.replay_upto as is_replayed
  from webhooks as w join checkpoints as c on c.consumer = 'webhook ' || w.webhook_id
  where w.webhook_id = %(id)s and w.generation = %(generation)s and c.position = %(checkpoint)s
    and w.pinned is not distinct from %(pinned)s
  for update
), moved as (
  update webhooks as w
  set resume_at = case when h.is_replayed then null else w.resume_at end,
    replay_upto = case when h.is_replayed then null else w.replay_upto end,
    pinned = null
  from here as h, quick
  where w.webhook_id = h.webhook_id
)
update checkpoints as c set position = h.next
from here as h
where c.consumer = h.consumer
returning c.consumer

-- name: delivered
-- An old secret that is over is not kept.
with here as materialized (
  select w.webhook_id, c.consumer,
    case when %(upto)s >= w.replay_upto then w.resume_at else %(upto)s end as next,
    %(upto)s >= w.replay_upto as is_replayed
  from webhooks as w join checkpoints as c on c.consumer = 'webhook ' || w.webhook_id
  where w.webhook_id = %(id)s and w.generation = %(generation)s and c.position = %(checkpoint)s
  for update
), moved as (
  update webhooks as w
  set old_secret = case when w.old_secret_until > %(at)s then w.old_secret end,
    old_secret_until = case when w.old_secret_until > %(at)s then w.old_secret_until end,
    resume_at = case when h.is_replayed then null else w.resume_at end,
    replay_upto = case when h.is_replayed then null else w.replay_upto end,
    pinned = null, attempts = 0, next_attempt_at = null, last_error = null,
    last_delivered_at = %(at)s, delivered_events = w.delivered_events + %(events)s,
    delivered_batches = w.delivered_batches + 1
  from here as h
  where w.webhook_id = h.webhook_id
)
update checkpoints as c set position = h.next
from here as h
where c.consumer = h.consumer
returning c.consumer

-- name: failed
with here as materialized (
  select w.webhook_id
  from webhooks as w join checkpoints as c on c.consumer = 'webhook ' || w.webhook_id
  where w.webhook_id = %(id)s and w.generation = %(generation)s and c.position = %(checkpoint)s
    and w.pinned = %(upto)s and w.revision = %(revision)s
  for update
)
update webhooks as w
set attempts = %(attempts)s, next_attempt_at = %(next)s, last_error = %(reason)s,
  failed_attempts = w.failed_attempts + 1
from here as h
where w.webhook_id = h.webhook_id
returning w.webhook_id

-- name: gone
with here as materialized (
  select w.webhook_id
  from webhooks as w join checkpoints as c on c.consumer = 'webhook ' || w.webhook_id
  where w.webhook_id = %(id)s and w.generation = %(generation)s and c.position = %(checkpoint)s
  for update
)
update webhooks as w
set active = false, paused_because = 'gone', attempts = 0, next_attempt_at = null,
  last_error = %(reason)s, failed_attempts = w.failed_attempts + 1, revision = w.revision + 1,
  updated_at = %(at)s
from here as h
where w.webhook_id = h.webhook_id
returning w.webhook_id

-- name: add_dead_letter
-- The batch is given up and the checkpoint moves on, together.
with here as materialized (
  select w.webhook_id, c.consumer,
    case when %(upto)s >= w.replay_upto then w.resume_at else %(upto)s end as next,
    %(upto)s >= w.replay_upto as is_replayed
  from webhooks as w join checkpoints as c on c.consumer = 'webhook ' || w.webhook_id
  where w.webhook_id = %(id)s and w.generation = %(generation)s and c.position = %(checkpoint)s
  for update
), moved as (
  update webhooks as w
  set resume_at = case when h.is_replayed then null else w.resume_at end,
    replay_upto = case when h.is_replayed then null else w.replay_upto end,
    pinned = null, attempts = 0, next_attempt_at = null, last_error = %(reason)s,
    failed_attempts = w.failed_attempts + 1, dead_letters_made = w.dead_letters_made + 1
  from here as h
  where w.webhook_id = h.webhook_id
  returning w.webhook_id, w.dead_letters_made, w.generation, w.types
), given_up as (
  insert into webhook_dead_letters (webhook_id, number, generation, after, upto, types, events,
    attempts, reason, failed_at)
  select m.webhook_id, m.dead_letters_made, m.generation, %(checkpoint)s, %(upto)s, m.types,
    %(events)s, %(attempts)s, %(reason)s, %(at)s
  from moved as m
)
update checkpoints as c set position = h.next
from here as h
where c.consumer = h.consumer
returning c.consumer

-- name: dead_letters
select number, generation, after, upto, types, events, attempts, reason, queued, failed_at
from webhook_dead_letters
where webhook_id = %(id)s and number > %(after)s
order by number
limit %(limit)s

-- name: dead_letter
select number, generation, after, upto, types, events, attempts, reason, queued, failed_at
from webhook_dead_letters
where webhook_id = %(id)s and number = %(number)s

-- name: queued_dead_letter
select number, generation, after, upto, types, events, attempts, reason, queued, failed_at
from webhook_dead_letters
where webhook_id = %(id)s and queued
order by number
limit 1

-- name: queue_dead_letter
update webhook_dead_letters set queued = true
where webhook_id = %(id)s and number = %(number)s
returning number

-- name: delete_dead_letter
delete from webhook_dead_letters where webhook_id = %(id)s and number = %(number)s returning number

-- name: dead_letter_delivered
with gone as (
  delete from webhook_dead_letters where webhook_id = %(id)s and number = %(number)s
  returning events
)
update webhooks as w
set last_delivered_at = %(at)s, delivered_events = w.delivered_events + g.events,
  delivered_batches = w.delivered_batches + 1
from gone as g
where w.webhook_id = %(id)s
returning w.webhook_id

-- name: dead_letter_failed
with again as (
  update webhook_dead_letters
  set queued = false, attempts = attempts + 1, reason = %(reason)s, failed_at = %(at)s
  where webhook_id = %(id)s and number = %(number)s
  returning webhook_id
)
update webhooks as w
set failed_attempts = w.failed_attempts + 1, last_error = %(reason)s
from again as a
where w.webhook_id = a.webhook_id
returning w.webhook_id
