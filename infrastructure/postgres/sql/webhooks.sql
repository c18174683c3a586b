-- Webhooks and their dead letters. What a delivery writes names the generation and the checkpoint
-- that it began at: whoever comes second, or after a change, writes nothing.

-- name: create
-- In the first place that is free; nothing when there is none, or when it is there already.
insert into webhooks (webhook_id, place, url, types, app, user_id, description, batch, secret,
  checkpoint, created_at, updated_at)
select %(id)s, p.place, %(url)s, %(types)s::text[], %(app)s::text, %(user)s::text,
  %(description)s::text, %(batch)s, %(secret)s, %(checkpoint)s, %(at)s, %(at)s
from generate_series(1, %(most)s) as p (place)
where not exists (select from webhooks as w where w.place = p.place)
order by p.place
limit 1
on conflict (webhook_id) do nothing
returning webhook_id

-- name: get
select w.webhook_id, w.number, w.url, w.types, w.app, w.user_id, w.description, w.batch, w.secret,
  w.old_secret, w.old_secret_until, w.active, w.paused_because, w.revision, w.generation, w.checkpoint, w.pinned, w.replay_upto,
  w.resume_at, w.attempts, w.next_attempt_at, w.last_error, w.last_delivered_at,
  w.delivered_events, w.delivered_batches, w.failed_attempts, w.letters_made, w.created_at,
  w.updated_at,
  (select count(*) from webhook_dead_letters as d where d.webhook_id = w.webhook_id) as letters,
  (select count(*) from webhook_dead_letters as d where d.webhook_id = w.webhook_id and d.queued)
    as queued
from webhooks as w
where w.webhook_id = %(id)s

-- name: list
select w.webhook_id, w.number, w.url, w.types, w.app, w.user_id, w.description, w.batch, w.secret,
  w.old_secret, w.old_secret_until, w.active, w.paused_because, w.revision, w.generation, w.checkpoint, w.pinned, w.replay_upto,
  w.resume_at, w.attempts, w.next_attempt_at, w.last_error, w.last_delivered_at,
  w.delivered_events, w.delivered_batches, w.failed_attempts, w.letters_made, w.created_at,
  w.updated_at,
  (select count(*) from webhook_dead_letters as d where d.webhook_id = w.webhook_id) as letters,
  (select count(*) from webhook_dead_letters as d where d.webhook_id = w.webhook_id and d.queued)
    as queued
from webhooks as w
where w.number > %(after)s
order by w.number
limit %(limit)s

-- name: change
-- Whatever is given is changed. The secret that a new one takes the place of goes on signing beside
-- it, if it may; the same again takes the place of none. Other types make other batches; an address or a secret that is
-- mended, or a resumption, is tried at once.
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

-- name: delete
delete from webhooks where webhook_id = %(id)s returning webhook_id

-- name: replay
-- Goes back, and from the end of the replay on to where it was. An end beyond that is that.
update webhooks
set resume_at = coalesce(resume_at, checkpoint),
  replay_upto = least(%(upto)s, coalesce(resume_at, checkpoint)),
  checkpoint = %(from)s, pinned = null, attempts = 0, next_attempt_at = null,
  generation = generation + 1, revision = revision + 1, updated_at = %(at)s
where webhook_id = %(id)s and %(from)s < coalesce(resume_at, checkpoint)
returning revision

-- name: pin
-- Not waited for on the disk: should the server lose it, the batch has not become a larger one
-- before it was sent, only its id may be another one when it is sent again.
with quick as materialized (select set_config('synchronous_commit', 'off', true))
update webhooks as w
set checkpoint = %(after)s, pinned = %(upto)s
from quick
where w.webhook_id = %(id)s and w.active and w.generation = %(generation)s
  and w.checkpoint = %(checkpoint)s and w.pinned is null
returning w.webhook_id

-- name: skip
-- Nothing was wanted up to there. Should the server lose it, it is looked through once more.
with quick as materialized (select set_config('synchronous_commit', 'off', true))
update webhooks as w
set checkpoint = case when %(upto)s >= w.replay_upto then w.resume_at else %(upto)s end,
  resume_at = case when %(upto)s >= w.replay_upto then null else w.resume_at end,
  replay_upto = case when %(upto)s >= w.replay_upto then null else w.replay_upto end,
  pinned = null
from quick
where w.webhook_id = %(id)s and w.generation = %(generation)s and w.checkpoint = %(checkpoint)s
  and w.pinned is not distinct from %(pinned)s
returning w.webhook_id

-- name: delivered
-- An old secret that is over is not kept.
update webhooks
set old_secret = case when old_secret_until > %(at)s then old_secret end,
  old_secret_until = case when old_secret_until > %(at)s then old_secret_until end,
  checkpoint = case when %(upto)s >= replay_upto then resume_at else %(upto)s end,
  resume_at = case when %(upto)s >= replay_upto then null else resume_at end,
  replay_upto = case when %(upto)s >= replay_upto then null else replay_upto end,
  pinned = null, attempts = 0, next_attempt_at = null, last_error = null,
  last_delivered_at = %(at)s, delivered_events = delivered_events + %(events)s,
  delivered_batches = delivered_batches + 1
where webhook_id = %(id)s and generation = %(generation)s and checkpoint = %(checkpoint)s
returning webhook_id

-- name: failed
update webhooks
set attempts = %(attempts)s, next_attempt_at = %(next)s, last_error = %(reason)s,
  failed_attempts = failed_attempts + 1
where webhook_id = %(id)s and generation = %(generation)s and checkpoint = %(checkpoint)s
  and pinned = %(upto)s and revision = %(revision)s
returning webhook_id

-- name: gone
update webhooks
set active = false, paused_because = 'gone', attempts = 0, next_attempt_at = null,
  last_error = %(reason)s, failed_attempts = failed_attempts + 1, revision = revision + 1,
  updated_at = %(at)s
where webhook_id = %(id)s and generation = %(generation)s and checkpoint = %(checkpoint)s
returning webhook_id

-- name: bury
-- The batch is given up and the checkpoint moves on, together.
with moved as (
  update webhooks as w
  set checkpoint = case when %(upto)s >= w.replay_upto then w.resume_at else %(upto)s end,
    resume_at = case when %(upto)s >= w.replay_upto then null else w.resume_at end,
    replay_upto = case when %(upto)s >= w.replay_upto then null else w.replay_upto end,
    pinned = null, attempts = 0, next_attempt_at = null, last_error = %(reason)s,
    failed_attempts = w.failed_attempts + 1, letters_made = w.letters_made + 1
  where w.webhook_id = %(id)s and w.generation = %(generation)s and w.checkpoint = %(checkpoint)s
  returning w.webhook_id, w.letters_made, w.generation, w.types
)
insert into webhook_dead_letters (webhook_id, number, generation, after, upto, types, events,
  attempts, reason, failed_at)
select m.webhook_id, m.letters_made, m.generation, %(checkpoint)s, %(upto)s, m.types, %(events)s,
  %(attempts)s, %(reason)s, %(at)s
from moved as m
returning webhook_id

-- name: letters
select number, generation, after, upto, types, events, attempts, reason, queued, failed_at
from webhook_dead_letters
where webhook_id = %(id)s and number > %(after)s
order by number
limit %(limit)s

-- name: letter
select number, generation, after, upto, types, events, attempts, reason, queued, failed_at
from webhook_dead_letters
where webhook_id = %(id)s and number = %(number)s

-- name: queued_letter
select number, generation, after, upto, types, events, attempts, reason, queued, failed_at
from webhook_dead_letters
where webhook_id = %(id)s and queued
order by number
limit 1

-- name: queue_letter
update webhook_dead_letters set queued = true
where webhook_id = %(id)s and number = %(number)s
returning number

-- name: delete_letter
delete from webhook_dead_letters where webhook_id = %(id)s and number = %(number)s returning number

-- name: letter_delivered
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

-- name: letter_failed
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
